"""A page in the browser with a slider, and an interface over HTTP for other programs."""

import os
import secrets
import socket
import sys
import tempfile
from html import escape
from importlib.util import find_spec
from pathlib import Path

from stylecli.commands._options import from_settings
from stylecli.errors import ExitCode, UsageError
from stylecli.settings.serving import Serving
from stylecli.settings.shared import Machine

PANEL = "Tools"
EXTRA = ("starlette", "uvicorn", "python_multipart")
TOKEN = "STYLECLI_TOKEN"


@from_settings
def command(serving: Serving, compute: Machine) -> ExitCode:
    """Serve a page: drop a picture, choose a style or drop one, move the slider, save. Ctrl-C ends it.

    It listens to this machine alone, and serves who has the token in the address that it prints (STYLECLI_TOKEN sets
    one for scripts). Nothing but pictures that were uploaded can be read by it, nothing stays on the disk, and the page
    loads nothing from elsewhere. /openapi.json describes the interface.

    \b
      stylecli serve --open
      stylecli serve --port 0 --max-memory 4G
    """
    if missing := [name for name in EXTRA if not find_spec(name)]:
        raise UsageError(f"serve: needs {', '.join(missing)}", "pip install 'stylecli[serve]'")
    token = None if serving.no_token else os.environ.get(TOKEN) or secrets.token_urlsafe(24)
    if token is not None and not (token.isascii() and token.isprintable() and len(token) >= 16):
        raise UsageError(f"{TOKEN}: not a token", "16 or more plain characters")
    with _bound(serving) as listener:
        port = listener.getsockname()[1]
        host = f"[{serving.host}]" if ":" in serving.host else serving.host
        _run(serving, compute, listener, token, f"http://{host}:{port}/" + (f"#{token}" if token else ""))
    return ExitCode.DONE


def _run(serving: Serving, compute: Machine, listener: socket.socket, token: str | None, url: str) -> None:
    from contextlib import suppress

    import uvicorn

    from stylecli.device import resolve
    from stylecli.serving.app import Service
    from stylecli.serving.desk import Desk
    from stylecli.serving.shelf import Shelf

    device = resolve(compute.device, compute.precision, compute.threads, compute.max_bytes)
    shelf, desk = Shelf(serving, device, compute), Desk(serving.queue)
    # The first picture finds it open.
    desk.submit("quick", lambda _: shelf.method("fast"))
    config = uvicorn.Config(
        Service(shelf, desk).app(token),
        log_level="warning",
        access_log=False,
        server_header=False,
        lifespan="off",
        ws="none",
        proxy_headers=False,
        limit_concurrency=128,
        timeout_graceful_shutdown=1,
    )
    print(url, flush=True)
    if not serving.local:
        print("open to the network, and not encrypted: who reads along sees the token", file=sys.stderr)
    with suppress(KeyboardInterrupt), tempfile.TemporaryDirectory(prefix="stylecli-") as folder:
        if serving.open:
            _show(url, Path(folder) / "open.html")
        uvicorn.Server(config).run([listener])
    desk.close()


def _bound(serving: Serving) -> socket.socket:
    family = socket.AF_INET6 if ":" in serving.host else socket.AF_INET
    listener = socket.socket(family)
    try:
        listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        listener.bind((serving.host, serving.port))
    except OSError as error:
        listener.close()
        why = (error.strerror or str(error)).lower()
        raise UsageError(f"{serving.host}:{serving.port}: {why}", "--port 0 takes any that is free") from error
    return listener


def _show(url: str, page: Path) -> None:
    """Opens the page by a file of the user's alone: others see the words that processes are started with."""
    import webbrowser

    page.write_text(f'<meta http-equiv="refresh" content="0;url={escape(url)}">', encoding="utf-8")
    webbrowser.open(page.as_uri())
