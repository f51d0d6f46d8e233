"""`train fast`: an image transformation net of one or many styles, or the (gamma, beta) of one more.

The losses of the embedded net are what a stylization is for, in features of a fixed network, at every alpha:

    style    alpha times the mean over relu1_1, 2_1, 3_1, 4_1 of |G(o) - G(s)|^2 / |G(s)|^2,  G = F F^T / (h w)
    content  |N(o) - N(c)|^2 / |N(c)|^2,  N = relu4_1 with each channel at zero mean and unit deviation
    pixels   1 - alpha times the mean of |o - c|

With `--scaling mean` they are Johnson's: mean squared errors of features, and of Gram matrices divided by their
channels, summed over layers, with weights as pytorch/examples@77f55b9 (neural_style.py) has them; see `presets`.

One style more (Dumoulin et al. 2017, section 3.2): nothing is learned but its own row of each (gamma, beta), which
starts from the mean of the rows that are there; the other styles stay what they were.
"""

import csv
import dataclasses
import math
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import torch
from torch import Generator, Tensor, nn

from stylecli.checkpoints import store
from stylecli.checkpoints.load import converted, fill
from stylecli.checkpoints.save import save_network
from stylecli.checkpoints.transformer_formats import stored_config
from stylecli.device import Device
from stylecli.errors import InputError, UsageError
from stylecli.losses.total_variation import nine_point
from stylecli.media.images import read_picture
from stylecli.media.resize import resize, short_side
from stylecli.nets.transformer import IDENTITY, Norm, TransformerConfig, TransformerNet
from stylecli.progress import Listener
from stylecli.settings.train_fast import TrainFastSettings
from stylecli.training.data import Crops, find_pictures
from stylecli.training.judge import Judge, shift, squared, visible
from stylecli.training.loop import Schedule, train

ROWS = 5.0
"""Factor on the rate of (gamma, beta)."""


def run(settings: TrainFastSettings, device: Device, listener: Listener) -> Path:
    """Train in `settings.output`; the path of the averaged weights is returned. Errors are those of `FastTask`."""
    whole = settings.from_scratch
    settings = dataclasses.replace(
        settings,
        steps=settings.steps or (10000 if whole else 400),
        batch=settings.batch or (8 if whole else 4),
        learning_rate=(1e-3 if whole else 1e-2) if settings.learning_rate is None else settings.learning_rate,
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
    return train(FastTask(settings, device), schedule, Path(settings.output), listener)


@dataclass(frozen=True)
class Batch:
    """Contents [N, 3, H, W] in [0, 1], the style of each, and its alpha, both [N]."""

    content: Tensor
    style: Tensor
    alpha: Tensor


class FastTask:
    """For `training.loop.train`; `steps`, `batch` and `learning_rate` of the settings are given.

    Raises:
        WeightsError: A teacher or the net is missing or of another family.
        UsageError: A layer that the teacher does not have, or a style that the net has already.
        InputError: No pictures, or a catalog that cannot be read.
    """

    def __init__(self, settings: TrainFastSettings, device: Device) -> None:
        torch.manual_seed(settings.seed)
        self.settings, self.device = settings, device.torch
        assert settings.batch
        contents = tuple(find_pictures([Path(folder) for folder in settings.content]))
        self.content = Crops(contents, settings.crop, settings.batch, settings.seed, zoom=settings.zoom)
        self.pictures = _styles(settings.style)
        self.about: dict[str, Any] = {"styles": []}
        net = self._fresh() if settings.from_scratch else self._extended()
        self.model = net.to(memory_format=torch.channels_last).to(self.device)
        self.first = len(net.config.styles) - len(self.pictures)
        self.about["styles"] += _told(self.pictures, settings.catalog)
        self.judge = Judge(
            settings.teacher,
            settings.deep_teacher,
            settings.pixels,
            self.device,
            settings.style_layers,
            settings.content_layer,
        )
        with torch.inference_mode():
            found = [self.judge.grams(self._picture(path))[0] for path in self.pictures.values()]
        # Out of inference mode again: the losses are differentiated.
        self.grams = [torch.cat([grams[layer] for grams in found]).clone() for layer in range(len(found[0]))]

    def _picture(self, path: Path) -> Tensor:
        pixels = read_picture(path).pixels
        height, width = pixels.shape[1:]
        size = short_side(height, width, min(self.settings.style_size, height, width))
        return resize(pixels, size)[None].to(self.device)

    def _fresh(self) -> TransformerNet:
        s = self.settings
        names = ((IDENTITY,) if s.identity else ()) + tuple(self.pictures)
        if len(s.blocks) > len(s.widths):
            raise UsageError("--blocks: more numbers than --widths", "one for each size, the smallest first")
        net = TransformerNet(TransformerConfig(names, s.widths, s.blocks, s.stem, s.norm, pixels=1.0))
        for name, norm in net.norms.items():
            if name.startswith("block") and name.endswith("b"):
                nn.init.constant_(norm.gamma, 0.3)  # type: ignore[arg-type]
        bias = net.convs["out"].bias
        assert isinstance(bias, Tensor)
        nn.init.constant_(bias, 0.5)
        return net

    def _extended(self) -> TransformerNet:
        """The given net with rows for the new styles, which alone are learned."""
        path = store.resolve(self.settings.weights)
        config, state = converted(path, "transformer")
        self.about = {**store.about(path), "styles": list(store.about(path).get("styles", []))}
        if known := next((name for name in self.pictures if name in config.styles), None):
            raise UsageError(f"{self.pictures[known]}: the net has a style {known}", "rename the picture")
        old = len(config.styles)
        names = (path.stem,) if config.styles == ("style",) else config.styles
        extended = TransformerNet(dataclasses.replace(config, styles=(*names, *self.pictures)))
        for name, rows in list(state.items()):
            if name.endswith((".gamma", ".beta")):
                mean = rows[int(config.identity) :].float().mean(0, keepdim=True)
                state[name] = torch.cat([rows.float(), mean.expand(len(self.pictures), -1)])
        fill(extended, state, str(path))
        extended.requires_grad_(False)
        for norm in extended.norms.values():
            assert isinstance(norm, Norm)
            for rows in (norm.gamma, norm.beta):
                mask = torch.ones(len(rows), 1, device=self.device)
                mask[:old] = 0
                # Adam leaves alone whatever never had a gradient.
                rows.requires_grad_(True).register_hook(lambda gradient, mask=mask: gradient * mask)
        return extended

    def groups(self) -> list[dict[str, Any]]:
        """Rows of (gamma, beta) learn faster in a new net: each sees only the crops of its own style."""
        factor = ROWS if self.settings.from_scratch else 1.0
        return [
            {"params": list(self.model.convs.parameters())},
            {"params": list(self.model.norms.parameters()), "factor": factor},
        ]

    def batches(self, first: int, last: int) -> Iterator[Batch]:
        """Seeded crops; every style as often as any other; one alpha of eight is anywhere, the others are 1."""
        count, size, seed = len(self.pictures), self.content.batch, self.settings.seed
        for step, content in enumerate(self.content.ahead(first, last), first):
            places = range((step - 1) * size, step * size)
            style = torch.tensor([_order(count, seed + place // count)[place % count] for place in places])
            alpha = torch.ones(size)
            if self.model.config.identity and self.settings.from_scratch:
                free = max(size // 8, 1)
                alpha[size - free :] = torch.rand(free, generator=Generator().manual_seed(seed + step))
            yield Batch(content, style, alpha)

    def losses(self, batch: Batch) -> dict[str, Tensor]:
        """Style, content, pixels and roughness, each with its weight."""
        content = batch.content.to(self.device, memory_format=torch.channels_last)
        alpha, style = batch.alpha.to(self.device), batch.style.to(self.device)
        mix = torch.zeros(len(style), len(self.model.config.styles), device=self.device)
        mix[:, 0] = 1 - alpha
        mix[torch.arange(len(style)), self.first + style] = alpha
        with torch.autocast(self.device.type, torch.bfloat16):
            raw = self.model(content, mix)
        output, outside = visible(raw[:, :, : content.shape[2], : content.shape[3]])
        with torch.no_grad():
            own = self.judge.deep(content)
        given, deep = self.judge.grams(output)
        s = self.settings
        wanted = [grams[style] for grams in self.grams]
        if s.scaling == "mean":
            distances = torch.stack(
                [(g - w).square().mean((1, 2)) / len(w[0]) ** 2 for g, w in zip(given, wanted, strict=True)]
            )
            strokes, structure = distances.sum(0), (deep.float() - own.float()).square().mean((1, 2, 3))
        else:
            # The logarithm keeps a hopeless start from throwing the rest off; near zero it changes nothing.
            distances = torch.stack([(squared(g - w) / squared(w)).log1p() for g, w in zip(given, wanted, strict=True)])
            strokes, structure = distances.mean(0), shift(deep, own)
        losses = {"style": s.style_weight * (strokes * alpha).mean(), "content": s.content_weight * structure.mean()}
        if self.model.config.identity:
            away = (raw.float() - content).abs().mean((1, 2, 3))
            losses["pixels"] = s.pixel_weight * (away * (1 - alpha)).mean()
        if s.tv_weight:
            losses["tv"] = s.tv_weight * nine_point(output)
        return {**losses, "range": outside}

    def export(self, averaged: nn.Module, path: Path, row: Mapping[str, float]) -> None:
        """The averaged net, with what is known of its styles and a sample that proves it."""
        assert isinstance(averaged, TransformerNet)
        config = stored_config(averaged.config)
        s = self.settings
        about = {
            "title": f"transformation net of {len(self.about['styles'])} styles",
            "paper": "Johnson 2016, arXiv 1603.08155; Dumoulin 2017, arXiv 1610.07629",
            "commands": ["fast"],
            "licence": s.licence,
            "data": s.data,
            "pictures": len(self.content.paths),
            "recipe": {"command": "train fast", **{key: _named(key, value) for key, value in asdict(s).items()}},
            "losses": row,
        }
        if not s.from_scratch:
            about["base"] = {key: value for key, value in self.about.items() if key not in ("styles", "config")}
        save_network(
            averaged, path, network="transformer", config=config, about={**about, "styles": self.about["styles"]}
        )


def _named(key: str, value: Any) -> Any:
    """Files and folders by their names: where they lay is nobody's business."""
    if key in ("style", "content"):
        return [Path(word).name for word in value]
    return Path(value).name if key in ("weights", "output", "catalog", "teacher", "deep_teacher") else value


def _order(count: int, seed: int) -> list[int]:
    return torch.randperm(count, generator=Generator().manual_seed(seed)).tolist()


def _styles(words: Sequence[str]) -> dict[str, Path]:
    """Pictures by the names of their styles."""
    paths = [
        found for word in words for found in (find_pictures([Path(word)]) if Path(word).is_dir() else [Path(word)])
    ]
    named = {path.stem: path for path in paths}
    if len(named) < len(paths):
        raise UsageError("--style: two pictures of one name", "a style is called as its file: rename one")
    if IDENTITY in named:
        raise UsageError(f"--style {named[IDENTITY]}: the name of the photo itself", "rename the picture")
    return named


def _told(pictures: Mapping[str, Path], catalog: str) -> list[dict[str, str]]:
    """Name, title, artist and year of each style, as far as the catalog has them."""
    rows: dict[str, dict[str, str]] = {}
    if catalog:
        try:
            with Path(catalog).open(encoding="utf-8-sig", newline="") as file:
                rows = {row.get("file", ""): row for row in csv.DictReader(file)}
        except (OSError, ValueError, csv.Error) as error:
            raise InputError(
                f"{catalog}: not a readable catalog", "CSV with columns file, title, artist, year"
            ) from error
    keys = ("title", "artist", "year")
    return [
        {"name": name, **{key: rows.get(path.name, {}).get(key) or "" for key in keys}}
        for name, path in pictures.items()
    ]
