"""What the options of `gatys` do, on a tiny network."""

from pathlib import Path
from typing import Any

import pytest
import torch
from torch import Tensor

from stylecli import api
from stylecli.backends.gatys import Gatys
from stylecli.device import Device, resolve
from stylecli.errors import MemoryLimitError, UsageError
from stylecli.method import Request, Result
from stylecli.optimise.descent import Average, Descent, descend
from stylecli.optimise.descent import Path as Trail
from stylecli.optimise.objective import Objective, Term
from stylecli.progress import Step
from stylecli.settings.gatys import STYLE_LOSSES, GatysSettings, parse_layers
from stylecli.settings.values import build


def noise(height: int, width: int, seed: int) -> Tensor:
    return torch.rand(3, height, width, generator=torch.Generator().manual_seed(seed))


CONTENT, STYLE = noise(40, 48, 1), noise(36, 44, 2).square()
STRIPES = (torch.arange(36)[:, None] + torch.arange(44)).div(2).sin().mul(0.4).add(0.5) * torch.tensor([1.0, 0.6, 0.2])[
    :, None, None
]


@pytest.fixture
def stylize(tiny_encoder: Path) -> Any:
    def run(styles: list[Tensor] | None = None, content: Tensor = CONTENT, **options: Any) -> Result:
        given = {
            name: options.pop(name)
            for name in ("masks", "blend", "listener", "snapshot", "init_picture")
            if name in options
        }
        given["shares"] = given.pop("blend", None)
        if "init_picture" in given:
            given["pictures"] = {"init": given.pop("init_picture")}
        known = {"weights": str(tiny_encoder), "steps": 4, "min_size": 32, "init": "content"}
        settings = build(GatysSettings, {**known, **options})
        return Gatys(settings, resolve("cpu"))(Request(settings, content, styles or [STYLE], **given))

    return run


def test_it_starts_from_the_picture_of_adain(stylize: Any) -> None:
    assert GatysSettings().init == "adain"
    steps = {"steps": 1, "min_size": 0, "optimizer": "adam", "learning_rate": 0.0}
    masks = [torch.zeros(1, 40, 48), torch.ones(1, 40, 48)]
    masks[0][:, :20] = 1
    for more, given in (
        ({}, {}),
        ({"shares": [0.3, 0.7]}, {"blend": [0.3, 0.7]}),
        ({"masks": masks}, {"masks": masks}),
    ):
        styles = [STYLE, STRIPES] if more else [STYLE]
        begun = stylize(styles, init="adain", style_scale=0.5, **steps, **given).image
        painted = api.adain(CONTENT, styles, style_scale=0.5, device="cpu", **more)
        assert torch.allclose(begun, painted, atol=1e-5)
    # From size to size, what is too fine for the one before is not lost.
    fine = stylize(init="adain", **{**steps, "min_size": 20}).image
    assert torch.allclose(fine, stylize(init="adain", **steps).image, atol=1e-4)


def style_loss(result: Result) -> float:
    return sum(value for name, value in result.losses.items() if name.startswith("style"))


@pytest.mark.parametrize("loss", STYLE_LOSSES)
def test_every_style_loss_falls(stylize: Any, loss: str) -> None:
    options = {"style_loss": loss, "content_weight": 0.0, "tv_weight": 0.0}
    first, last = (style_loss(stylize([STRIPES], steps=steps, **options)) for steps in (1, 25))
    assert last < 0.7 * first


def test_memory_is_asked_for_what_a_job_sees(tiny_encoder: Path) -> None:
    layers = {"style_layers": "relu1_1", "content_layers": "relu1_1", "strokes_layers": "relu5_1", "init": "content"}
    for strokes, fits in ((0.0, True), (0.3, False)):
        given = {"weights": str(tiny_encoder), "steps": 1, "size": 40, "strokes_weight": strokes, **layers}
        settings = build(GatysSettings, given)
        request = Request(settings, CONTENT, [STYLE])
        method = Gatys(settings, resolve("cpu", max_memory=900_000))
        if fits:
            assert method(request).picture.shape == CONTENT.shape
        else:
            with pytest.raises(MemoryLimitError):
                method(request)


@pytest.mark.parametrize("optimizer", [{}, {"optimizer": "adam", "learning_rate": 0.02, "average": 0.9}])
@pytest.mark.parametrize("init", ["content", "noise", "style-stats"])
def test_pictures_stay_in_range_and_size(stylize: Any, init: str, optimizer: dict[str, Any]) -> None:
    image = stylize(init=init, **optimizer).image
    assert image.shape == CONTENT.shape
    assert float(image.min()) >= 0
    assert float(image.max()) <= 1


def test_size_is_the_short_side(stylize: Any) -> None:
    assert stylize(size=36).image.shape == (3, 36, 43)


def test_steps_of_all_sizes_are_told(stylize: Any) -> None:
    steps: list[Step] = []
    stylize(content=noise(64, 70, 1), first_steps=2, coarse_steps=3, steps=4, listener=steps.append)
    assert [step.what for step in steps] == ["32 px"] * 2 + ["45 px"] * 3 + ["64 px"] * 4
    assert [step.i for step in steps] == list(range(1, 10))
    assert {step.total for step in steps} == {9}


def test_same_seed_same_picture(stylize: Any) -> None:
    first, again, other = (stylize(init="noise", seed=seed).image for seed in (1, 1, 2))
    assert torch.equal(first, again)
    assert not torch.equal(first, other)


def test_start_from_a_picture(stylize: Any) -> None:
    start = noise(40, 48, 5)
    near = stylize(init="start.png", init_picture=start, steps=1, min_size=0).image
    assert float((near - start).abs().mean()) < float((near - CONTENT).abs().mean())


def test_masks_keep_each_style_in_its_place(stylize: Any) -> None:
    red, blue = torch.zeros(3, 40, 40), torch.zeros(3, 40, 40)
    red[0], blue[2] = 1, 1
    left = torch.zeros(1, 40, 48)
    left[..., :24] = 1
    image = stylize(
        [red, blue],
        masks=[left, 1 - left],
        steps=60,
        style_layers="relu1_1",
        content_weight=0.0,
        tv_weight=0.0,
        min_size=0,
    ).image
    redness = image[0] - image[2]
    assert float(redness[:, :20].mean()) > float(redness[:, 28:].mean()) + 0.2


def test_an_empty_mask_harms_nothing(stylize: Any) -> None:
    empty = torch.zeros(1, 40, 48)
    assert stylize([STYLE, CONTENT], masks=[empty, 1 - empty]).image.isfinite().all()


def test_blend_weights_matter(stylize: Any) -> None:
    other = noise(30, 30, 9).sqrt()
    plain = {"content_weight": 0.0, "steps": 20}
    pure, mixed = stylize(**plain).image, stylize([STYLE, other], blend=[1.0, 0.0], **plain).image
    assert torch.allclose(pure, mixed, atol=1e-4)
    assert not torch.allclose(pure, stylize([STYLE, other], blend=[0.5, 0.5], **plain).image, atol=1e-2)


def test_luminance_keeps_the_colors_of_the_content(stylize: Any) -> None:
    gray = CONTENT.mean(0, keepdim=True).expand(3, -1, -1)
    image = stylize(content=gray, preserve_color="luminance").image
    assert float((image - image.mean(0)).abs().max()) < 3 / 255


@pytest.mark.parametrize("kind", ["histogram", "coral"])
def test_recolored_styles_move_the_result_towards_the_content(stylize: Any, kind: str) -> None:
    dark = CONTENT * 0.3
    settings = {"content": dark, "steps": 20, "content_weight": 0.0}
    kept, free = stylize(preserve_color=kind, **settings).image, stylize(**settings).image
    assert abs(float(kept.mean() - dark.mean())) < abs(float(free.mean() - dark.mean()))


def test_save_every(stylize: Any) -> None:
    seen: list[tuple[int, tuple[int, ...]]] = []
    stylize(save_every=3, snapshot=lambda step, image: seen.append((step, tuple(image.shape))))
    assert [step for step, _ in seen] == [3]


def test_interrupted_runs_give_the_best_so_far(stylize: Any) -> None:
    def stop(step: Step) -> None:
        if step.i == 3:
            raise KeyboardInterrupt

    result = stylize(content=noise(64, 70, 1), listener=stop)
    assert result.interrupted
    assert result.image.shape == (3, 64, 70)


@pytest.mark.parametrize("pooling", ["max", "average", "l2"])
def test_pooling(stylize: Any, pooling: str) -> None:
    assert stylize(pooling=pooling).image.isfinite().all()


def test_bfloat16_stays_near_float32(tiny_encoder: Path) -> None:
    settings = GatysSettings(weights=str(tiny_encoder), steps=3, min_size=0)
    images = [
        Gatys(settings, Device(torch.device("cpu"), dtype))(Request(settings, CONTENT, [STYLE])).picture
        for dtype in (torch.float32, torch.bfloat16)
    ]
    assert float((images[0] - images[1]).abs().mean()) < 0.02


def test_bad_input(stylize: Any) -> None:
    with pytest.raises(UsageError, match="relu9_1: not in this network"):
        stylize(style_layers="relu9_1")
    with pytest.raises(UsageError, match="too small for relu"):
        stylize(content=noise(7, 5, 1))
    with pytest.raises(UsageError, match="cannot use 'relu1_1:x'"):
        stylize(style_layers="relu1_1:x")
    assert parse_layers(" relu1_1 , relu2_1:0.5,") == {"relu1_1": 1.0, "relu2_1": 0.5}


def test_constant_pictures_give_no_nan(stylize: Any) -> None:
    flat = torch.full((3, 40, 40), 0.5)
    for loss in STYLE_LOSSES:
        assert stylize([flat], content=flat, style_loss=loss).image.isfinite().all()


def test_bounded_lbfgs_finds_the_minimum_within_bounds() -> None:
    # A badly scaled bowl whose minimum lies outside the box in half of the pixels.
    goal = torch.linspace(-0.5, 1.5, 192).reshape(1, 3, 8, 8)
    scale = torch.logspace(0, 3, 192).reshape(1, 3, 8, 8)
    objective = Objective(None, [Term("bowl", 1.0, lambda x: (scale * (x - goal).square()).sum())])  # type: ignore[arg-type]
    start = torch.full((1, 3, 8, 8), 0.5)
    trail = Trail(start, Average.starting_at(0.0, start))
    descend(objective, trail, Descent("lbfgs", 120, clamp=True), lambda *_: None)
    assert torch.allclose(trail.result, goal.clamp(0, 1), atol=0.01)


def test_recipes_in_network_space_can_go_coarse_to_fine(tiny_encoder: Path) -> None:
    options = {"recipe": "neural-style", "init": "content", "size": 70, "min_size": 32, "steps": 1}
    settings = build(GatysSettings, {"weights": str(tiny_encoder), **options})
    backend = Gatys(settings, resolve("cpu"))
    backend.net.preprocess *= 255
    # The picture between two sizes is in the network's pixel scale, where [0, 1] is almost black.
    white = torch.full((3, 64, 70), 0.9)
    assert float((backend(Request(settings, white, [STYLE])).picture - white).abs().mean()) < 0.1
