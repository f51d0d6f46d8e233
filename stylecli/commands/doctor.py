"""Show versions, devices and weights, and prove each embedded network."""

import json
import os
import platform
from typing import Any

import typer

from stylecli import __version__
from stylecli.errors import ExitCode, StyleCliError

PANEL = "Tools"
PACKAGES = ("torch", "torchvision", "numpy", "pillow", "safetensors", "librosa", "soundfile", "imagecodecs", "pooch")


def command(as_json: bool = typer.Option(False, "--json", metavar="", help="One JSON object on stdout.")) -> ExitCode:
    """Show versions, devices, threads and the weights folder, and run each embedded network on its stored sample.

    It runs on the device that --device auto takes, in float32, and in float16 where `auto` chooses that. The exit code
    is 3 when a network does not give what it must.
    """
    report: dict[str, Any] = {
        "versions": {"stylecli": __version__, "python": platform.python_version(), **_versions()},
        "system": f"{platform.system()} {platform.machine()}",
        "devices": _devices(),
        "weights": _folder(),
        "networks": _networks(),
    }
    failed = any(each["error"] for each in report["networks"])
    if as_json:
        print(json.dumps(report))
    else:
        _tell(report)
    return ExitCode.WEIGHTS if failed else ExitCode.DONE


def _versions() -> dict[str, str | None]:
    from importlib.metadata import PackageNotFoundError, version

    found: dict[str, str | None] = {}
    for name in PACKAGES:
        try:
            found[name] = version(name)
        except PackageNotFoundError:  # noqa: PERF203 - a handful
            found[name] = None
    return found


def _devices() -> dict[str, object]:
    import torch

    from stylecli.device import resolve

    try:
        used = str(resolve().torch)
    except StyleCliError as error:
        used = error.message
    return {
        "auto": used,
        "cpu": {"threads": torch.get_num_threads(), "cores": os.cpu_count()},
        "cuda": [torch.cuda.get_device_name(index) for index in range(torch.cuda.device_count())],
        "mps": torch.backends.mps.is_available(),
    }


def _folder() -> dict[str, object]:
    from stylecli.checkpoints import store

    folder = store.folder()
    there = next(path for path in (folder, *folder.parents) if path.exists())
    return {
        "folder": str(folder),
        "writable": there.is_dir() and os.access(there, os.W_OK),
        "offline": store.offline(),
        "pulled": [name for name, known in store.known().items() if known.state == "pulled"],
    }


# Any, here and below: a report becomes JSON.
def _networks() -> list[dict[str, Any]]:
    from stylecli.checkpoints import store
    from stylecli.checkpoints.load import prove
    from stylecli.device import resolve

    try:
        device = resolve(precision="float32")
        half = resolve().one_pass()
    except StyleCliError:
        device = half = resolve("cpu", "float32")
    rows = []
    for name, known in store.known().items():
        if known.state != "embedded":
            continue
        row: dict[str, Any] = {"name": name, "difference": None, "error": None}
        try:
            row["difference"] = prove(known.path, device)
            if half.dtype != device.dtype:
                row["half"] = prove(known.path, half)
        except StyleCliError as error:
            row["error"] = error.message
        if row["difference"] is None and not row["error"]:
            row["error"] = f"{known.path}: carries no sample"
        rows.append(row)
    return rows


def _tell(report: dict[str, Any]) -> None:
    devices, weights = report["devices"], report["weights"]
    for name, version in report["versions"].items():
        print(f"{name:14} {version or 'missing'}")
    print(f"{'system':14} {report['system']}")
    print(f"{'device':14} {devices['auto']}")
    print(f"{'cpu':14} {devices['cpu']['threads']} threads, {devices['cpu']['cores']} cores")
    print(f"{'cuda':14} {', '.join(devices['cuda']) or 'none'}")
    print(f"{'mps':14} {'yes' if devices['mps'] else 'no'}")
    notes = ["not writable"] * (not weights["writable"]) + ["offline"] * weights["offline"]
    print(f"{'weights':14} {weights['folder']}{' (' * bool(notes)}{', '.join(notes)}{')' * bool(notes)}")
    print(f"{'pulled':14} {', '.join(weights['pulled']) or 'none'}")
    for each in report["networks"]:
        half = f", {each['half']:.3g} in float16" if each.get("half") is not None else ""
        proved = f"proved, max abs difference {each['difference'] or 0:.3g}{half}"
        said = f"failed: {each['error']}" if each["error"] else proved
        print(f"{each['name']:14} {said}")
    if not report["networks"]:
        print(f"{'networks':14} none embedded")
