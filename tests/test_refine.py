"""`--refine`: steps of `gatys` that go on from the picture of a network."""

import json
from collections.abc import Callable
from pathlib import Path

import psutil
import pytest
import torch
from conftest import Result as Ended
from PIL import Image
from torch import Tensor

from stylecli import api
from stylecli.backends.refine import Refiner
from stylecli.device import Device
from stylecli.errors import MemoryLimitError
from stylecli.method import Request, Result
from stylecli.settings.adain import AdainSettings

Cli = Callable[..., Ended]


def blurred(height: int, width: int, seed: int) -> Tensor:
    small = torch.rand(1, 3, height // 8, width // 8, generator=torch.Generator().manual_seed(seed))
    return torch.nn.functional.interpolate(small, (height, width), mode="bilinear")[0]


def losses(cli: Cli, *words: object) -> list[float]:
    """The style loss of each job."""
    done = cli(*words, "--json", "--overwrite")
    assert done.exit_code == 0, done.stderr
    found = [json.loads(line)["losses"] for line in done.stdout.splitlines()]
    return [sum(value for name, value in row.items() if name.startswith("style")) for row in found]


def test_more_steps_come_nearer_to_the_style(cli: Cli, picture: Callable[..., Path], tiny_adain: Path):
    picture("a.png", size=(70, 64)), picture("wave.png", size=(64, 64), seed=3)
    words = ("adain", "a.png", "--style", "wave.png", "--weights", tiny_adain, "--device", "cpu")
    one, five, twenty = losses(cli, *words, "--refine", 1, "--refine", 5, "--refine", 20)
    assert one > five > twenty
    with Image.open("a_adain_wave_refine20.png") as made:
        assert made.size == (70, 64)
    again = cli(*words, "--refine", "20", "-o", "a_adain_wave_refine20.png", "--skip-existing", "--json")
    assert json.loads(again.stdout)["skipped"]
    assert cli("replay", "a_adain_wave_refine20.png").exit_code == 0
    assert Path("a_adain_wave_refine20_replay.png").read_bytes() == Path("a_adain_wave_refine20.png").read_bytes()


def test_the_encoder_is_in_the_record_of_what_was_refined_alone(
    cli: Cli, picture: Callable[..., Path], tiny_adain: Path
):
    from stylecli.media.stored_settings import read_settings

    picture("a.png", size=(64, 64)), picture("wave.png", size=(64, 64), seed=3)
    cli("adain", "a.png", "--style", "wave.png", "--weights", tiny_adain, "--refine", "0", "--refine", "1")
    recorded = [json.loads(read_settings(f"a_adain_wave_refine{steps}.png"))["weights"] for steps in (0, 1)]
    assert ["encoder" in weights for weights in recorded] == [False, True]


def test_no_strength_is_the_content(tiny_adain: Path):
    content, style = torch.rand(3, 64, 70), torch.rand(3, 64, 64)
    options = {"weights": str(tiny_adain), "device": "cpu"}
    made = api.adain(content, style, alpha=0.0, refine=2, **options)
    assert (made - api.adain(content, style, alpha=0.0, **options)).abs().max() == 0
    half, full = (api.adain(content, style, alpha=alpha, refine=8, **options) for alpha in (0.3, 1.0))
    assert (half - content).abs().mean() < (full - content).abs().mean()


def test_styles_that_a_net_knows_by_name(cli: Cli, picture: Callable[..., Path], tiny_fast: Path):
    picture("a.png", size=(64, 70))
    words = ("fast", "a.png", "--weights", tiny_fast, "--style", "wave", "--device", "cpu")
    few, many = losses(cli, *words, "--refine", 1, "--refine", 12)
    assert few > many


def test_a_net_without_looks_is_told_what_to_do(cli: Cli, picture: Callable[..., Path], tmp_path: Path):
    from stylecli.checkpoints.layouts.format import stored_config
    from stylecli.checkpoints.save import save_network
    from stylecli.nets.transformer import TransformerNet
    from stylecli.nets.transformer_config import TransformerConfig

    net = TransformerNet(TransformerConfig(("wave",), (4, 6, 8), (1,), pixels=1.0))
    save_network(net, tmp_path / "old.safetensors", network="transformer", config=stored_config(net.config), about={})
    picture("a.png", size=(64, 64))
    done = cli("fast", "a.png", "--weights", tmp_path / "old.safetensors", "--style", "wave", "--refine", "2")
    assert done.exit_code != 0
    assert "holds nothing of the pictures of its styles" in done.stderr
    assert "Traceback" not in done.stderr


def test_levels_stay_levels_and_masks_masks(tiny_adain: Path):
    content, style = (blurred(64, 72, seed).mul(255).byte() for seed in (1, 2))
    made = api.stylize("adain", content, style, weights=str(tiny_adain), refine=2, device="cpu")
    assert (made.dtype, made.shape) == (torch.uint8, content.shape)
    mask = torch.zeros(1, 64, 72)
    mask[:, :, :36] = 1
    floats = content.float() / 255
    made = api.stylize("adain", floats, style, masks=[mask], weights=str(tiny_adain), refine=4, device="cpu")
    moved = (made - floats).abs().mean((0, 1))
    assert float(moved[:30].mean()) > 3 * float(moved[-20:].mean())


@pytest.mark.parametrize("kept", ["luminance", "coral"])
def test_the_colors_of_the_content(kept: str, tiny_adain: Path):
    content, style = blurred(64, 72, 1) * 0.3 + 0.5, blurred(64, 64, 2)
    options = {"weights": str(tiny_adain), "refine": 3, "device": "cpu"}
    plain, colored = (api.adain(content, style, preserve_color=each, **options) for each in ("none", kept))
    away = [float((each.mean((1, 2)) - content.mean((1, 2))).abs().max()) for each in (colored, plain)]
    assert away[0] < away[1]


def test_memory_that_is_not_there(cli: Cli, picture: Callable[..., Path], tiny_adain: Path):
    picture("a.png", size=(1600, 1600)), picture("wave.png", size=(64, 64), seed=3)
    # Enough for tiles of the network beside what this process holds, too little for a descent.
    limit = f"{psutil.Process().memory_info().rss // 2**20 + 600}M"
    words = ("adain", "a.png", "--style", "wave.png", "--weights", tiny_adain, "--device", "cpu")
    done = cli(*words, "--refine", 2, "--max-memory", limit)
    assert (done.exit_code, "needs about" in done.stderr) == (4, True), done.stderr
    assert not list(Path().glob("a_adain*"))


def test_jobs_at_once_share_the_memory():
    refiner = Refiner(Device(torch.device("cpu"), max_memory=2**30))
    picture = torch.rand(3, 64, 64)
    with pytest.raises(MemoryLimitError):
        refiner.refined(Result(picture), Request(AdainSettings(), picture), [picture], 1, 1000, 1.0)
    refiner = Refiner(Device(torch.device("cpu"), max_memory=2**30))
    made = refiner.refined(Result(picture), Request(AdainSettings(), picture), [picture], 1, 1, 1.0)
    assert made.picture.shape == (3, 64, 64)
