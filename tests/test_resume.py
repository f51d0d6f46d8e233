"""What `--skip-existing` does again, by one process and by a cluster, and what the record of a folder says of it."""

import json
import os
from collections.abc import Callable
from pathlib import Path

import pytest
import torch
from conftest import FakeGatys, Result

from stylecli.batch.ledger import LEDGER, LOCK

Run = Callable[..., list[str]]


@pytest.fixture(params=["serial", "ray"])
def run(
    request: pytest.FixtureRequest, cli: Callable[..., Result], picture: Callable[..., Path], tiny_encoder: Path
) -> Run:
    """Stylizes two pictures into a folder; gives the states that its record then tells of them.

    With a cluster each run starts workers anew: only where STYLECLI_CLUSTER is set.
    """
    engine: tuple[str, ...] = ()
    if request.param == "ray":
        if not os.environ.get("STYLECLI_CLUSTER"):
            pytest.skip("STYLECLI_CLUSTER is not set")
        engine = ("--engine", "ray", "--address", request.getfixturevalue("cluster").address)
    for name in ("in/a.png", "in/b.png", "s.png"):
        picture(name, size=(40, 36))
    Path("net.safetensors").write_bytes(tiny_encoder.read_bytes())
    words = ("gatys", "in", "--style", "s.png", "--weights", "net.safetensors", "--steps", 2, "--size", 32)

    def call(folder: str, *more: object) -> list[str]:
        cli(*words, "--device", "cpu", "--threads", 1, "-o", f"{folder}/", "--skip-existing", *engine, *more)
        return [json.loads(line)["state"] for line in Path(folder, LEDGER).read_text().splitlines()][-2:]

    return call


def files(folder: str) -> dict[str, bytes]:
    return {each.name: each.read_bytes() for each in Path(folder).iterdir() if each.name not in (LEDGER, LOCK)}


def another_network() -> None:
    from stylecli.checkpoints.layouts.format import stored_config
    from stylecli.checkpoints.save import save_network
    from stylecli.nets.vgg import VGG, VGGConfig

    torch.manual_seed(1)
    net = VGG(VGGConfig(((4, 4), (4, 4), (8, 8, 8, 8), (8, 8, 8, 8), (8, 8, 8, 8))))
    save_network(net, Path("net.safetensors"), network="vgg", config=stored_config(net.config), about={}, half=False)


CHANGES: dict[str, tuple[Callable[[Callable[..., Path]], object], tuple[str, ...], list[str]]] = {
    "nothing": (lambda picture: None, (), ["skipped", "skipped"]),
    "a setting": (lambda picture: None, ("--style-weight", "3"), ["done", "done"]),
    "the style": (lambda picture: picture("s.png", size=(40, 36), seed=1), (), ["done", "done"]),
    "the weights": (lambda picture: another_network(), (), ["done", "done"]),
    "one content": (lambda picture: picture("in/b.png", size=(40, 36), seed=1), (), ["skipped", "done"]),
    "one result": (lambda picture: Path("out/b_gatys_s.png").write_bytes(b"torn"), (), ["skipped", "done"]),
}


@pytest.mark.parametrize("change", CHANGES)
def test_what_has_changed_is_done_again(run: Run, picture: Callable[..., Path], change: str):
    act, words, states = CHANGES[change]
    assert run("out") == ["done", "done"]
    before = files("out")
    act(picture)
    if "done" in states:
        # Only the user may say that what is there goes.
        kept = files("out")
        assert run("out", *words) == [state.replace("done", "failed") for state in states]
        assert files("out") == kept
    assert run("out", "--overwrite", *words) == states
    assert run("new", *words) == ["done", "done"]
    assert files("out") == files("new")
    assert (files("out") == before) == (change in ("nothing", "one result"))


def test_what_was_interrupted_is_told_and_done_again(
    cli: Callable[..., Result], picture: Callable[..., Path], gatys: FakeGatys
):
    picture("in/a.png"), picture("in/b.png"), picture("s.png")
    words = ("gatys", "in", "--style", "s.png", "-o", "out/", "--skip-existing", "--overwrite")
    states = lambda: [json.loads(line)["state"] for line in Path("out", LEDGER).read_text().splitlines()]
    gatys.interrupted = True
    assert cli(*words).exit_code == 130
    assert states() == ["interrupted"]
    gatys.interrupted = False
    assert cli(*words).exit_code == 0
    assert states() == ["interrupted", "done", "done"]
    assert cli(*words).exit_code == 0
    assert states()[3:] == ["skipped", "skipped"]
