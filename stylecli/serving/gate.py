"""Who may come in: checked before anything of a request is read.

A page of another site cannot get here: its requests name that site (`Origin`, `Sec-Fetch-Site`), or come by a name of
its own that was made to point to this machine (`Host`), and it does not know the token. Neither do other users of the
machine.
"""

import asyncio
import hmac
import ipaddress
import json
from collections.abc import Callable, Mapping
from contextlib import suppress

from starlette.types import ASGIApp, Message, Receive, Scope, Send

from stylecli.errors import printable

OPEN = ("/", "/openapi.json")
"""What everybody may see: the page and the description, which hold nothing."""

PATIENCE = 30.0
"""Seconds to wait for the next part of a body."""

HEADERS = {
    b"cache-control": b"no-store",
    b"cross-origin-opener-policy": b"same-origin",
    b"cross-origin-resource-policy": b"same-origin",
    b"referrer-policy": b"no-referrer",
    b"x-content-type-options": b"nosniff",
    b"x-frame-options": b"DENY",
}


class Refused(Exception):  # noqa: N818 - a request is, nothing has failed
    """An answer other than the one that was asked for: a status, a line, a hint."""

    def __init__(self, status: int, message: str, hint: str = "", headers: Mapping[str, str] | None = None) -> None:
        super().__init__(message)
        self.status, self.headers = status, dict(headers or {})
        self.told = {"error": printable(message), "hint": printable(hint)}


class Gate:
    """Lets requests through to an application.

    Args:
        app: The application.
        token: What must be known; None for nothing.
        hosts: Names that it may be asked by, beside those of this machine.
        local: Addresses of other machines are none of its own.
        most: Bytes that the body of a request for a path, of a type, may have.
    """

    def __init__(
        self, app: ASGIApp, *, token: str | None, hosts: tuple[str, ...], local: bool, most: Callable[[str, str], int]
    ) -> None:
        self.app, self.token, self.hosts, self.local, self.most = app, token, hosts, local, most

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """One request."""
        if scope["type"] != "http":
            await self.app(scope, receive, send)
            return
        headers: dict[str, list[str]] = {}
        for name, value in scope["headers"]:
            headers.setdefault(name.decode("latin-1").lower(), []).append(value.decode("latin-1"))
        begun = False

        async def answer(message: Message) -> None:
            nonlocal begun
            if message["type"] == "http.response.start":
                begun = True
                known = {name for name, _ in message["headers"]}
                more = [pair for pair in HEADERS.items() if pair[0] not in known]
                message = {**message, "headers": [*message["headers"], *more]}
            await send(message)

        try:
            self._check(scope["method"], scope["path"], headers)
            most = self.most(scope["path"], _one(headers, "content-type"))
            await self.app(scope, _limited(receive, _one(headers, "content-length"), most), answer)
        except Refused as refused:
            if not begun:
                await _refuse(refused, answer)

    def _check(self, method: str, path: str, headers: Mapping[str, list[str]]) -> None:
        host = _one(headers, "host")
        if not self._ours(host):
            raise Refused(403, f"host {host[:80]}: not served here", "--allow-host NAME allows another name")
        origin = headers.get("origin", [""])
        if origin not in ([""], [f"http://{host}"], [f"https://{host}"]):
            raise Refused(403, f"origin {origin[0][:80]}: another site", "only its own page and programs may ask")
        moved = method == "GET" and path in OPEN
        if not moved and _one(headers, "sec-fetch-site") not in ("", "same-origin", "none"):
            raise Refused(403, "another site asks", "only its own page and programs may ask")
        if self.token is None or moved:
            return
        kind, _, given = _one(headers, "authorization").partition(" ")
        # In constant time; which of the two is wrong is not told.
        right = hmac.compare_digest(given.strip().encode(), self.token.encode())
        if not (right and kind.lower() == "bearer"):
            hint = "send the header `Authorization: Bearer TOKEN`; the token is in the address that `serve` printed"
            raise Refused(401, "no token, or not this one", hint, {"www-authenticate": "Bearer"})

    def _ours(self, host: str) -> bool:
        name = host.rpartition(":")[0] if host.rpartition(":")[2].isdecimal() else host
        name = name.removeprefix("[").removesuffix("]").lower().rstrip(".")
        if name == "localhost" or name in self.hosts:
            return True
        # No name of a site leads to an address that stands for itself.
        with suppress(ValueError):
            return ipaddress.ip_address(name).is_loopback or not self.local
        return False


def _one(headers: Mapping[str, list[str]], name: str) -> str:
    found = headers.get(name, [""])
    if len(found) > 1:
        raise Refused(400, f"header {name}: given {len(found)} times")
    return found[0]


def _limited(receive: Receive, length: str, most: int) -> Receive:
    """What comes in, as far as it may."""
    if length and not (length.isascii() and length.isdecimal() and len(length) < 20):
        raise Refused(400, "content-length: not a number")
    if length and int(length) > most:
        raise _too_large(most)
    count, ended = 0, False

    async def part() -> Message:
        nonlocal count, ended
        try:
            message = await asyncio.wait_for(receive(), None if ended else PATIENCE)
        except asyncio.TimeoutError:
            raise Refused(408, f"nothing came for {PATIENCE:g} seconds") from None
        if message["type"] == "http.request":
            count += len(message.get("body", b""))
            ended = not message.get("more_body", False)
            if count > most:
                raise _too_large(most)
        return message

    return part


def _too_large(most: int) -> Refused:
    return Refused(413, f"more than {most:,} bytes", "make it smaller, or start `serve` with --max-upload")


async def _refuse(refused: Refused, send: Send) -> None:
    body = json.dumps(refused.told).encode()
    headers = [(b"content-type", b"application/json"), (b"content-length", str(len(body)).encode())]
    # What was not read of the body stands in the way of another request.
    headers += [(b"connection", b"close"), *((k.encode(), v.encode()) for k, v in refused.headers.items())]
    await send({"type": "http.response.start", "status": refused.status, "headers": headers})
    await send({"type": "http.response.body", "body": body})
