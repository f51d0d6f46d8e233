"""`train fast`: an image transformation net of one or many styles, or the (gamma, beta) of one more.

The losses are those of `training.painting_losses`, at every alpha, and for nets that hold the photo as a style

    pixels   1 - alpha times the mean of |o - c|

One style more (Dumoulin et al. 2017, section 3.2): nothing is learned but its own row of each (gamma, beta), which
starts from the mean of the rows that are there; the other styles stay what they were. With `--style-scales` a style has
a row for each size of its strokes, whose losses compare with the picture at that size.
"""

import dataclasses
import math
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path

import torch
import torch.nn.functional as F
from torch import Generator, Tensor, nn

from stylecli.checkpoints import store
from stylecli.checkpoints.header import SIZED
from stylecli.checkpoints.layouts.format import stored_config
from stylecli.checkpoints.load import converted, fill, load_vgg
from stylecli.checkpoints.save import save_network
from stylecli.device import Device, pinned, sent
from stylecli.errors import UsageError
from stylecli.losses.statistics import mean_and_second
from stylecli.nets.noise import noise_like
from stylecli.nets.transformer import Norm, TransformerNet
from stylecli.nets.transformer_config import IDENTITY, TransformerConfig
from stylecli.nets.vgg import VGG
from stylecli.progress import Listener
from stylecli.settings.gatys import GatysSettings, parse_layers
from stylecli.settings.train_fast import TrainFastSettings
from stylecli.training.fast_texture import FastTextureTask
from stylecli.training.loop import Schedule, train
from stylecli.training.painting_losses import PaintingTask
from stylecli.training.teacher_features import visible

ROWS = 5.0
"""Factor on the rate of (gamma, beta)."""


def run(settings: TrainFastSettings, device: Device, listener: Listener) -> Path:
    """Train in `settings.output`; the path of the averaged weights is returned. Errors are those of `FastTask`."""
    whole = settings.from_scratch
    settings = dataclasses.replace(
        settings,
        steps=settings.steps or (10000 if whole else 400),
        batch=settings.batch or (8 if whole else 4),
        learning_rate=(1e-3 if whole else 3e-2) if settings.learning_rate is None else settings.learning_rate,
        style_weight=(14.0 if whole else 30.0) if settings.style_weight is None else settings.style_weight,
    )
    assert settings.steps is not None
    assert settings.learning_rate is not None
    schedule = Schedule(
        settings.steps,
        settings.learning_rate,
        warmup=100 if whole else 10,
        decay=0.995 if whole else 0.95,
        every=settings.every,
        clip=3.0 if settings.scaling == "relative" else math.inf,
    )
    folder = Path(settings.output)
    if settings.network == "texture-net":
        return train(FastTextureTask(settings, device), schedule, folder, listener)
    return train(FastTask(settings, device), schedule, folder, listener)


@dataclass(frozen=True)
class Batch:
    """Contents [N, 3, H, W] in [0, 1], what the net sees of them, the style of each, and its alpha, both [N]."""

    content: Tensor
    seen: Tensor
    style: Tensor
    alpha: Tensor


class FastTask(PaintingTask):
    """For `training.loop.train`; see `PaintingTask`.

    Raises:
        WeightsError: A teacher or the net is missing or of another family.
        UsageError: A layer that the teacher does not have, or a style that the net has already.
        InputError: No pictures, or a catalog that cannot be read.
    """

    def __init__(self, settings: TrainFastSettings, device: Device) -> None:
        super().__init__(settings, device)
        self.base: dict[str, object] = {}
        # What `--refine` looks through.
        refined = GatysSettings()
        self.encoder = load_vgg(store.resolve(refined.weights), list(parse_layers(refined.style_layers)))
        net = self._fresh() if settings.from_scratch else self._extended()
        self.model = net.to(memory_format=torch.channels_last).to(self.device)
        self.first = len(net.config.styles) - len(self.shown)

    def _fresh(self) -> TransformerNet:
        s = self.settings
        names = ((IDENTITY,) if s.identity else ()) + tuple(self.shown)
        if len(s.blocks) > len(s.widths):
            raise UsageError("--blocks: more numbers than --widths", "one for each size, the smallest first")
        shape = TransformerConfig(names, s.widths, s.blocks, s.stem, s.norm, pixels=1.0, colors=s.colors, noise=s.noise)
        net = TransformerNet(dataclasses.replace(shape, looks=looks_of(self.encoder)))
        self._remember(net)
        looks = {name: value for name, value in net.state_dict().items() if name.startswith("look_")}
        for name, norm in net.norms.items():
            if name.startswith("block") and name.endswith("b"):
                nn.init.constant_(norm.gamma, 0.3)  # type: ignore[arg-type]
        if s.colors:
            # The photo as a style has no colors of its own: those of a middling picture.
            nn.init.constant_(net.norms["out"].gamma, 0.25)  # type: ignore[arg-type]
            nn.init.constant_(net.norms["out"].beta, 0.5)  # type: ignore[arg-type]
            self._tint(net)
        else:
            nn.init.constant_(net.convs["out"].bias, 0.5)  # type: ignore[arg-type]
        if s.start:
            path = store.resolve(s.start)
            state = converted(path, "transformer", TransformerConfig)[1] | looks
            stem = net.convs["down1"].weight
            assert isinstance(stem, Tensor)
            # A net of before there was noise begins by not hearing it.
            missing = stem.shape[1] - state["convs.down1.weight"].shape[1]
            if missing > 0:
                state["convs.down1.weight"] = F.pad(state["convs.down1.weight"], (0, 0, 0, 0, 0, missing))
            fill(net, state, str(path))
        return net

    def _extended(self) -> TransformerNet:
        """The given net with rows for the new styles, which alone are learned."""
        path = store.resolve(self.settings.weights)
        config, state = converted(path, "transformer", TransformerConfig)
        self.base = store.about(path)
        if known := next((name for name in self.shown if name in config.styles), None):
            raise UsageError(f"{self.shown[known][0]}: the net has a style {known}", "rename the picture")
        old = len(config.styles)
        names = (path.stem,) if config.styles == ("style",) else config.styles
        before = self.base.get("styles")
        self.told = [
            *(before if isinstance(before, list) else ()),
            *(one for one in self.told if one["name"] not in names),
        ]
        extended = TransformerNet(dataclasses.replace(config, styles=(*names, *self.shown)))
        self._remember(extended)
        for name, rows in list(state.items()):
            if name.startswith("look_"):
                state[name] = torch.cat([rows, extended.get_buffer(name)[-len(self.shown) :].to(rows)])
            if name.endswith((".gamma", ".beta")):
                rows = rows.float()
                mean = rows[int(config.identity) :].mean(0)
                # A style at another size starts from what it is.
                bases = [name.rpartition(SIZED)[0] for name in self.shown]
                new = [rows[names.index(base)] if base in names else mean for base in bases]
                state[name] = torch.cat([rows, torch.stack(new)])
        fill(extended, state, str(path))
        if config.colors:
            self._tint(extended)
        extended.requires_grad_(False)
        for norm in extended.norms.values():
            assert isinstance(norm, Norm)
            for rows in (norm.gamma, norm.beta):
                mask = torch.ones(len(rows), 1, device=self.device)
                mask[:old] = 0
                # Adam leaves alone whatever never had a gradient.
                rows.requires_grad_(True).register_hook(lambda gradient, mask=mask: gradient * mask)
        return extended

    def _remember(self, net: TransformerNet) -> None:
        """Keep what `--refine` needs to know of the new styles beside the net."""
        count = len(self.shown)
        with torch.no_grad():
            for row, shown in enumerate(self.shown.values(), -count):
                taps = self.encoder(self._picture(*shown).cpu(), [layer for layer, _ in net.config.looks])
                for layer, x in taps.items():
                    moments = mean_and_second(x)
                    for part, value in zip(("mean", "second"), moments, strict=True):
                        net.get_buffer(f"look_{part}_{layer}")[row] = value[0]

    def _tint(self, net: TransformerNet) -> None:
        """Begin the new styles at the mean and the deviation of each color of theirs."""
        norm, count = net.norms["out"], len(self.shown)
        assert isinstance(norm, Norm)
        pixels = [self._picture(*shown).flatten(2)[0] * net.config.pixels for shown in self.shown.values()]
        with torch.no_grad():
            norm.beta[-count:] = torch.stack([one.mean(1) for one in pixels]).to(norm.beta)
            norm.gamma[-count:] = torch.stack([one.std(1) for one in pixels]).to(norm.gamma)

    def groups(self) -> list[dict[str, object]]:
        """Rows of (gamma, beta) learn faster in a new net: each sees only the crops of its own style."""
        factor = ROWS if self.settings.from_scratch else 1.0
        return [
            {"params": list(self.model.convs.parameters())},
            {"params": list(self.model.norms.parameters()), "factor": factor},
        ]

    def batches(self, first: int, last: int) -> Iterator[Batch]:
        """Seeded crops; every style as often as any other; one alpha of eight is anywhere, the others are 1."""
        count, size, seed = len(self.shown), self.content.batch, self.settings.seed
        for step, content in enumerate(self.content.ahead(first, last), first):
            places = range((step - 1) * size, step * size)
            style = torch.tensor([_order(count, seed + place // count)[place % count] for place in places])
            alpha = torch.ones(size)
            if self.model.config.identity and self.settings.from_scratch:
                free = max(size // 8, 1)
                alpha[size - free :] = torch.rand(free, generator=Generator().manual_seed(seed + step))
            seen = torch.cat([content, noise_like(content, places[0])], 1) if self.model.config.noise else content
            yield pinned(Batch(content, seen, style, alpha))

    def losses(self, batch: Batch) -> dict[str, Tensor]:
        """Style, content, pixels and roughness, each with its weight."""
        content = sent(batch.content, self.device, torch.channels_last)
        alpha, style = sent(batch.alpha, self.device), sent(batch.style, self.device)
        mix = torch.zeros(len(style), len(self.model.config.styles), device=self.device)
        mix[:, 0] = 1 - alpha
        mix[torch.arange(len(style)), self.first + style] = alpha
        with self.half():
            raw = self.model(sent(batch.seen, self.device, torch.channels_last), mix)
        output, outside = visible(raw[:, :, : content.shape[2], : content.shape[3]])
        losses = self.compared(output, content, style, alpha)
        if self.model.config.identity:
            away = (raw.float() - content).abs().mean((1, 2, 3))
            losses["pixels"] = self.settings.pixel_weight * (away * (1 - alpha)).mean()
        return {**losses, "range": outside}

    def export(self, averaged: nn.Module, path: Path, row: Mapping[str, float]) -> None:
        """The averaged net, with what is known of its styles and a sample that proves it."""
        assert isinstance(averaged, TransformerNet)
        paper = "Johnson 2016, arXiv 1603.08155; Dumoulin 2017, arXiv 1610.07629"
        about = self.about(f"transformation net of {len(self.told)} styles", paper, row)
        if not self.settings.from_scratch:
            about["base"] = {key: value for key, value in self.base.items() if key not in ("styles", "config")}
        config = stored_config(averaged.config)
        save_network(averaged, path, network="transformer", config=config, about={**about, "styles": self.told})


def looks_of(encoder: VGG) -> tuple[tuple[str, int], ...]:
    """The layers that `gatys` compares styles at, and their channels."""
    return tuple((layer, encoder.width(layer)) for layer in parse_layers(GatysSettings().style_layers))


def _order(count: int, seed: int) -> list[int]:
    return torch.randperm(count, generator=Generator().manual_seed(seed)).tolist()
