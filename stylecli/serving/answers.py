"""What the server answers with: archives, events, errors as JSON, and what the page may do."""

import json
import re
import zipfile
from base64 import b64encode
from collections.abc import Mapping, Sequence
from hashlib import sha256
from io import BytesIO
from pathlib import PurePosixPath
from urllib.parse import quote

from starlette.exceptions import HTTPException
from starlette.requests import Request
from starlette.responses import JSONResponse, Response

from stylecli.batch.failures import explain
from stylecli.errors import InputError, MemoryLimitError, StyleCliError, UsageError, printable
from stylecli.serving.gate import Refused
from stylecli.serving.shelf import Made, MissingError


def zipped(some: Sequence[Made]) -> bytes:
    """An archive of results; of one name, the later ones get a number."""
    file, taken = BytesIO(), set()
    with zipfile.ZipFile(file, "w") as archive:
        for one in some:
            path = PurePosixPath(one.name)
            names = (path.name, *(f"{path.stem}_{index}{path.suffix}" for index in range(2, len(some) + 2)))
            name = next(each for each in names if each not in taken)
            taken.add(name)
            archive.writestr(name, one.data)
    return file.getvalue()


def disposition(name: str) -> str:
    """The header that saves an answer under `name`, of any letters (RFC 6266)."""
    plain = re.sub(r"[^A-Za-z0-9._+ -]", "_", name)
    return f"attachment; filename=\"{plain}\"; filename*=UTF-8''{quote(name, safe='')}"


def event(kind: str, told: Mapping[str, object]) -> str:
    """One event of a stream (server-sent events)."""
    return f"event: {kind}\ndata: {json.dumps(told)}\n\n"


def policy(page: str) -> str:
    """What the page may do: run its own script, show pictures, and ask its own server."""
    hashes = {
        tag: " ".join(
            f"'sha256-{b64encode(sha256(text.encode()).digest()).decode()}'"
            for text in re.findall(rf"<{tag}>(.*?)</{tag}>", page, re.DOTALL)
        )
        for tag in ("script", "style")
    }
    rules = {"script-src": hashes["script"], "style-src": hashes["style"], "img-src": "blob: data:"}
    whole = " ".join(f"{name} {value};" for name, value in rules.items())
    return (
        f"default-src 'none'; {whole} connect-src 'self'; base-uri 'none'; form-action 'none'; frame-ancestors 'none'"
    )


def said(error: StyleCliError) -> dict[str, str]:
    """An error as JSON."""
    return {"error": printable(error.message), "hint": printable(error.hint)}


def status(error: StyleCliError) -> int:
    """Its status of HTTP."""
    known = {MissingError: 404, UsageError: 400, InputError: 400, MemoryLimitError: 413}
    return next((status for kind, status in known.items() if isinstance(error, kind)), 500)


def refused(request: Request, error: Exception) -> Response:
    """What the gate did not let in."""
    assert isinstance(error, Refused)
    return JSONResponse(error.told, error.status, error.headers)


def failed(request: Request, error: Exception) -> Response:
    """An error of ours, or any other."""
    told = explain(error)
    return JSONResponse(said(told), status(told))


def unknown(request: Request, error: Exception) -> Response:
    """A path or method that is not there."""
    status = error.status_code if isinstance(error, HTTPException) else 500
    why = {404: "nothing here", 405: "not this way"}.get(status, str(getattr(error, "detail", "")))
    told = {"error": printable(f"{request.method} {request.url.path[:80]}: {why.lower()}"), "hint": "see /openapi.json"}
    return JSONResponse(told, status)
