"""List, show, pull, check, convert and remove weights."""

import json
import sys
from pathlib import Path
from typing import Any

import typer

from stylecli.checkpoints import store
from stylecli.errors import ExitCode, StyleCliError, UsageError, printable
from stylecli.files import present

PANEL = "Tools"
app = typer.Typer(help="List, show, pull, check, convert and remove weights.")
_NAME = typer.Argument(metavar="NAME|PATH", autocompletion=store.complete)
_JSON = typer.Option(False, "--json", metavar="", help="JSON on stdout, one object a line.")


@app.callback(invoke_without_command=True)
def _help(context: typer.Context) -> None:
    if context.invoked_subcommand is None:
        print(context.get_help())


@app.command("list")
def list_(as_json: bool = _JSON) -> None:
    """Show every name that --weights takes.

    Embedded ones come with stylecli, available ones can be pulled.
    """
    for known in store.known().values():
        entry, said = known.entry, store.about(known.path) if known.entry is None else {}
        here = known.path.is_file()
        row: dict[str, Any] = {
            "name": known.name,
            "state": known.state,
            "title": entry.title if entry else said.get("title", ""),
            "commands": list(entry.commands) if entry else said.get("commands", []),
            "bytes": known.path.stat().st_size if here else entry.size if entry else None,
            "licence": entry.licence if entry else said.get("licence", ""),
            "path": str(known.path) if here else None,
        }
        size = f"{row['bytes'] / 1e6:.1f} MB" if row["bytes"] else ""
        print(json.dumps(row) if as_json else f"{known.name:27} {known.state:9} {size:>9}  {row['title']}".rstrip())


@app.command()
def show(name: str = _NAME, as_json: bool = _JSON) -> None:
    """Show what a file is and holds.

    Format, config, licence and recipe; `weights check` tells whether the network gives its stored sample.
    """
    from stylecli.checkpoints.header import described as header_of

    known = store.known().get(name)
    path = store.resolve(name)
    described = header_of(path)
    if described is None:
        # Only PyTorch can open what others wrote.
        from stylecli.checkpoints.load import describe

        described = describe(path)
    rows: dict[str, Any] = {"name": name, **vars(described), "path": str(path), "sha256": store.sha256(path)}
    if known and known.entry:
        rows |= {"licence": known.entry.licence, "paper": known.entry.paper, "url": known.entry.urls[0]}
    # What was measured and what we know stand; the file may only add to it.
    rows |= {key: value for key, value in rows.pop("about").items() if key not in rows}
    if as_json:
        print(json.dumps(rows, default=str))
        return
    rows["sample"] = f"stored; `stylecli weights check {name}` runs it" if rows["sample"] else "none"
    for key, value in rows.items():
        said = value if isinstance(value, str) else json.dumps(value, default=str)
        print(f"{printable(key[:500]):12} {printable(said)}")


@app.command()
def pull(
    names: list[str] = typer.Argument(metavar="NAME...", autocompletion=store.complete),
    quiet: bool = typer.Option(False, "-q", "--quiet", metavar="", help="No progress bar."),
) -> None:
    """Fetch public weights into the weights folder.

    A broken pull goes on where it stopped. STYLECLI_WEIGHTS names another folder.
    """
    from stylecli.checkpoints.pull import pull as fetch
    from stylecli.commands._bars import Bar

    known = store.known()
    for name in names:
        if name not in known:
            store.resolve(name)
            raise UsageError(f"{name}: a file, not a name of `stylecli weights list`")
    for name in names:
        show_bar = not quiet and sys.stderr.isatty()
        print(fetch(known[name], Bar(name) if show_bar else None))


@app.command()
def check(
    names: list[str] = typer.Argument(None, metavar="[NAME|PATH...]", autocompletion=store.complete),
    as_json: bool = _JSON,
) -> ExitCode:
    """Check hash, format, values and stored sample.

    Without a name, everything that is here is checked.
    """
    known = store.known()
    chosen = names or [name for name, each in known.items() if each.path.is_file()]
    failed = False
    for name in chosen:
        row, error = _checked(name, known.get(name))
        failed |= error is not None
        if as_json:
            print(json.dumps(row | {"error": error and error.message, "hint": error and error.hint}), flush=True)
        elif error:
            from stylecli.commands._report import complain

            complain(error.message, error.hint)
        else:
            sample = "" if row["difference"] is None else f", sample off by {row['difference']:.3g}"
            print(f"{printable(name)}: ok, {row['format']}{sample}", flush=True)
    if not chosen:
        print("nothing to check: no weights are here", file=sys.stderr)
    return ExitCode.WEIGHTS if failed else ExitCode.DONE


def _checked(name: str, known: store.Known | None) -> tuple[dict[str, object], StyleCliError | None]:
    from stylecli.checkpoints.load import check_whole, describe, prove
    from stylecli.checkpoints.pull import check_known

    row: dict[str, object] = {"name": name, "path": None, "sha256": None, "format": None, "difference": None}
    try:
        path = store.resolve(name)
        row["path"] = str(path)
        row["sha256"] = check_known(known) if known else store.sha256(path)
        row["format"] = describe(path).format
        check_whole(path)
        row["difference"] = prove(path)
    except StyleCliError as error:
        return row, error
    return row, None


@app.command()
def convert(
    source: str = typer.Argument(metavar="IN", autocompletion=store.complete),
    target: Path = typer.Argument(metavar="OUT.safetensors|OUT.onnx"),
    half: bool = typer.Option(False, "--half", metavar="", help="Store float16: half the size."),
    overwrite: bool = typer.Option(False, "--overwrite", metavar="", help="Replace OUT if it exists (never IN)."),
) -> None:
    """Write any known format as our own safetensors, or a net of `fast` as ONNX.

    The new safetensors carry their config, where they came from, and a sample that proves them. ONNX is float32, for
    pictures of any size: `content` [1, 3, H, W] in [0, 1]; of several styles `mix` [1, S], the share of each; of nets
    with noise `noise` [1, 1, H, W], as `stylecli.nets.noise.noise_like` makes it, or 0.5 everywhere.
    """
    path = store.resolve(source)
    if target.suffix not in (".safetensors", ".onnx"):
        raise UsageError(f"{target}: not a .safetensors or .onnx file", f"name it {target.stem}.safetensors")
    if half and target.suffix == ".onnx":
        raise UsageError("--half: ONNX stays float32", "convert to .safetensors for half the size")
    same = target.exists() and target.samefile(path)
    if present([target]) and (same or not overwrite):
        hint = "choose another name" if same else "add --overwrite to replace it"
        raise UsageError(f"{target}: exists", hint)
    from stylecli.checkpoints.layouts.networks import NETWORKS
    from stylecli.checkpoints.load import build, check_whole, describe
    from stylecli.checkpoints.save import save_network

    check_whole(path)
    described, known = describe(path), store.known().get(source)
    network, config, net = build(path, dict(known.entry.options) if known and known.entry else None)
    if target.suffix == ".onnx":
        from stylecli.checkpoints.onnx import save_onnx

        save_onnx(net, target)
        print(target)
        return
    about = {"source": {"file": path.name, "sha256": store.sha256(path), "format": described.format}, **described.about}
    if known and known.entry:
        about |= {"title": known.entry.title, "licence": known.entry.licence, "paper": known.entry.paper}
    save_network(net, target, network=network, config=NETWORKS[network].stored(config), about=about, half=half)
    print(target)


@app.command()
def remove(
    names: list[str] = typer.Argument(metavar="NAME...", autocompletion=store.complete),
) -> None:
    """Delete pulled weights.

    Embedded ones and your own files stay.
    """
    for name in names:
        print(store.remove(name))
