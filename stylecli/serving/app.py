"""The page, and the interface over HTTP that it and other programs use; `openapi.py` describes it.

Nothing is computed here: jobs are checked, queued at the desk, and done by sessions.
"""

import asyncio
import json
import shlex
import time
from collections.abc import AsyncIterator, Callable
from dataclasses import dataclass
from importlib.resources import files
from secrets import token_hex
from typing import Any, TypeVar

from starlette.applications import Starlette
from starlette.datastructures import UploadFile
from starlette.exceptions import HTTPException
from starlette.requests import Request
from starlette.responses import JSONResponse, Response, StreamingResponse
from starlette.routing import Route
from starlette.types import ASGIApp

from stylecli.batch.failures import explain
from stylecli.errors import StyleCliError, UsageError
from stylecli.progress import Listener, Step, silent
from stylecli.serving.answers import disposition, event, failed, policy, refused, said, status, unknown, zipped
from stylecli.serving.asked import LARGEST_PREVIEW, MOST_STYLES, Asked
from stylecli.serving.desk import Desk, Full, Ticket
from stylecli.serving.gate import Gate, Refused
from stylecli.serving.openapi import described, offered
from stylecli.serving.shelf import Made, Shelf, Upload

T = TypeVar("T")
LARGEST_JSON = 2**16
QUICK = 1024
"""Pixels of a preview's long side that are done in the lane for what answers at once."""

RETRY = "1"
"""Seconds to wait where too many wait."""

ALIVE = 15.0
"""Seconds after which a line says that the connection is there."""

Handler = Callable[[Request, Exception], Response]


@dataclass
class Service:
    """What answers.

    Args:
        shelf: What is held.
        desk: Who does it.
    """

    shelf: Shelf
    desk: Desk

    def app(self, token: str | None) -> ASGIApp:
        """The application, behind its gate."""
        serving = self.shelf.serving
        routes = [
            Route("/", self.page),
            Route("/openapi.json", self.description),
            Route("/api/methods", self.methods),
            Route("/api/example", self.example),
            Route("/api/pictures", self.take, methods=["POST"]),
            Route("/api/pictures/{number}", self.shown, methods=["GET"]),
            Route("/api/pictures/{number}", self.drop, methods=["DELETE"]),
            Route("/api/jobs", self.job, methods=["POST"]),
            Route("/api/command", self.command, methods=["POST"]),
            Route("/api/results/{number}", self.result),
            Route("/api/archive", self.archive, methods=["POST"]),
        ]
        kinds: dict[type[Exception], Handler] = {Refused: refused, StyleCliError: failed, HTTPException: unknown}
        app = Starlette(routes=routes, exception_handlers={**kinds, Exception: failed})

        def most(path: str, kind: str) -> int:
            if path == "/api/pictures":
                return serving.upload
            return serving.upload * 2 if kind.startswith("multipart/") and path == "/api/jobs" else LARGEST_JSON

        return Gate(app, token=token, hosts=serving.allow_host, local=serving.local, most=most)

    async def page(self, request: Request) -> Response:
        """The page: one file, which loads nothing else."""
        text = (files("stylecli.serving") / "page.html").read_text("utf-8")
        return Response(text, media_type="text/html", headers={"content-security-policy": policy(text)})

    async def example(self, request: Request) -> Response:
        """A picture to begin with."""
        return Response((files("stylecli") / "examples/harbor.jpg").read_bytes(), media_type="image/jpeg")

    async def description(self, request: Request) -> Response:
        """The interface, in OpenAPI."""
        return JSONResponse(described(self.shelf.serving))

    async def methods(self, request: Request) -> Response:
        """What there is to choose from."""
        return JSONResponse(await asyncio.to_thread(offered, self.shelf.serving))

    async def take(self, request: Request) -> Response:
        """Takes a picture in."""
        data = await request.body()
        made = await self._taken(data, request.query_params.get("name", ""))
        return JSONResponse(made.told(), 201)

    async def shown(self, request: Request) -> Response:
        """A picture that came in, as browsers can show it."""
        side = _side(request.query_params.get("preview", "1024"))
        data = await self._waited(request, self._queued("quick", lambda _: self.shelf.shown(_number(request), side)))
        return Response(data, media_type="image/jpeg")

    async def drop(self, request: Request) -> Response:
        """Lets a picture go."""
        if not self.shelf.uploads.drop(_number(request)):
            raise Refused(404, "picture: not here")
        return Response(status_code=204)

    async def command(self, request: Request) -> Response:
        """The command that makes what a job asks for."""
        asked = Asked.parse(await _json(request))
        return JSONResponse({"command": shlex.join(self.shelf.command(asked))})

    async def job(self, request: Request) -> Response:
        """Does a job: the answer is the picture, or what happens on the way to it."""
        start = time.monotonic()
        kind = request.headers.get("content-type", "")
        asked = (
            await self._form(request) if kind.startswith("multipart/form-data") else Asked.parse(await _json(request))
        )
        steps: asyncio.Queue[Step] = asyncio.Queue()
        loop = asyncio.get_running_loop()
        lane = "quick" if asked.preview and asked.preview <= QUICK else "full"

        def tell(step: Step) -> None:
            loop.call_soon_threadsafe(steps.put_nowait, step)

        ticket = self._queued(lane, lambda listener: self.shelf.make(asked, listener), tell)
        if "text/event-stream" in request.headers.get("accept", ""):
            told = self._events(ticket, steps, asked, start)
            return StreamingResponse(told, media_type="text/event-stream")
        made = await self._waited(request, ticket)
        headers = {"content-disposition": disposition(made.name), "x-seconds": f"{time.monotonic() - start:.3f}"}
        return Response(made.data, media_type=made.type, headers=headers)

    async def result(self, request: Request) -> Response:
        """A picture that events told of."""
        made = self.shelf.results.get(_number(request))
        if made is None:
            raise Refused(404, "result: not here", "results are kept for a while only: ask for it again")
        return Response(made.data, media_type=made.type, headers={"content-disposition": disposition(made.name)})

    async def archive(self, request: Request) -> Response:
        """Several results in one file."""
        said = await _json(request)
        numbers = said.get("results") if isinstance(said, dict) else None
        if not isinstance(numbers, list) or not numbers:
            raise UsageError("results: not a list of results")
        found = [self.shelf.results.get(number) for number in numbers[:1000] if isinstance(number, str)]
        if None in found or len(found) != len(numbers):
            raise Refused(404, "results: one is not here", "results are kept for a while only: ask for it again")
        data = await asyncio.to_thread(zipped, [one for one in found if one])
        return Response(
            data, media_type="application/zip", headers={"content-disposition": disposition("stylecli.zip")}
        )

    async def _form(self, request: Request) -> Asked:
        """A job that brings its pictures along."""
        async with request.form(max_files=MOST_STYLES + 1, max_fields=4, max_part_size=LARGEST_JSON) as form:
            text = form.get("job", "{}")
            said = _parsed(text.encode() if isinstance(text, str) else b"")
            if not isinstance(said, dict):
                raise UsageError("job: not an object")
            for role in ("content", "style"):
                sent = [one for one in form.getlist(role) if isinstance(one, UploadFile)]
                numbers = [(await self._taken(await one.read(), one.filename or "")).number for one in sent]
                if sent:
                    said |= {"content": numbers[0]} if role == "content" else {"styles": numbers}
            return Asked.parse(said)

    async def _taken(self, data: bytes, name: str) -> Upload:
        if len(data) > self.shelf.serving.upload:
            raise Refused(413, f"more than {self.shelf.serving.upload:,} bytes", "make it smaller, or see --max-upload")
        return await asyncio.wrap_future(self._queued("quick", lambda _: self.shelf.take(data, name)).result)

    def _queued(self, lane: str, work: Callable[[Listener], T], listener: Listener = silent) -> Ticket[T]:
        try:
            return self.desk.submit(lane, work, listener)
        except Full:
            wait = f"busy: {self.desk.inside[lane]} jobs are done or wait"
            raise Refused(429, wait, "ask again in a while", {"retry-after": RETRY}) from None

    async def _waited(self, request: Request, ticket: Ticket[T]) -> T:
        """What a job gives; it ends where nobody waits for it any more."""
        result, gone = asyncio.wrap_future(ticket.result), asyncio.ensure_future(_gone(request))
        either: set[asyncio.Future[Any]] = {result, gone}
        try:
            await asyncio.wait(either, return_when=asyncio.FIRST_COMPLETED)
            if not result.done():
                raise Refused(499, "nobody waits for it")
            return result.result()
        except Exception as error:
            raise error if isinstance(error, Refused) else explain(error) from error
        finally:
            gone.cancel()
            ticket.leave()

    async def _events(
        self, ticket: Ticket[Made], steps: "asyncio.Queue[Step]", asked: Asked, start: float
    ) -> AsyncIterator[str]:
        """`queued`, `step`s, and `done` or `failed`."""
        result = asyncio.wrap_future(ticket.result)
        try:
            yield event("queued", {"ahead": ticket.ahead})
            while not result.done():
                step = asyncio.ensure_future(steps.get())
                either: set[asyncio.Future[Any]] = {result, step}
                await asyncio.wait(either, return_when=asyncio.FIRST_COMPLETED, timeout=ALIVE)
                if step.done():
                    told = step.result()
                    yield event("step", {"done": told.i, "total": told.total, "seconds": round(told.seconds, 3)})
                elif not result.done():
                    yield ": still here\n\n"
                step.cancel()
            made = result.result()
            number = token_hex(16)
            self.shelf.results.put(number, made)
            about = {key: value for key, value in vars(made).items() if key != "data"}
            words = shlex.join(self.shelf.command(asked))
            seconds = round(time.monotonic() - start, 3)
            whole = {"id": number, "url": f"/api/results/{number}", **about, "bytes": len(made.data)}
            yield event("done", {**whole, "seconds": seconds, "command": words})
        except Exception as error:
            told_of = explain(error)
            yield event("failed", {**said(told_of), "status": status(told_of)})
        finally:
            ticket.leave()


async def _gone(request: Request) -> None:
    while (await request.receive())["type"] != "http.disconnect":
        pass


async def _json(request: Request) -> object:
    return _parsed(await request.body())


def _parsed(data: bytes) -> object:
    try:
        said: object = json.loads(data)
    except (ValueError, RecursionError) as error:
        raise UsageError("body: not JSON") from error
    return said


def _number(request: Request) -> str:
    return str(request.path_params["number"])


def _side(text: str) -> int:
    if not (text.isascii() and text.isdecimal() and len(text) < 6 and 16 <= int(text) <= LARGEST_PREVIEW):
        raise UsageError(f"preview {text[:40]}: not a whole number from 16 to {LARGEST_PREVIEW}")
    return int(text)
