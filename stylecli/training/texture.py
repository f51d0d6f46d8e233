"""`train texture`: a generator whose samples have the features of an exemplar (Ulyanov et al. 2016).

    loss = mean over octaves and layers of log(1 + |G_l(x) - G_l(e)|^2 / |G_l(e)|^2),   G_l = F_l F_l^T / (H W)
         + sliced_weight * the mean of log(1 + sliced Wasserstein distance of F_l(x) from F_l(e)), see `losses.sliced`,
                           where F_0 are the colors, whitened as those of e: features of a VGG hardly tell faint hues

for each sample x of noise by itself. Differs from the paper: losses are relative to their targets, so that no gradient
has to be normalized; every sample is also looked at in half its size, for structures larger than the network's view.
Gram matrices alone can be met by islands of strong features in dull surroundings, distributions cannot; and samples
smaller than the exemplar have little room for islands. The norms of what is written hold the statistics of `SAMPLES`
samples of the averaged weights.
"""

from collections.abc import Iterator, Mapping
from pathlib import Path

import torch
from torch import Generator, Tensor, nn

from stylecli.checkpoints.layouts.format import stored_config
from stylecli.checkpoints.save import save_network
from stylecli.device import Device
from stylecli.errors import UsageError
from stylecli.losses.distributions import directions, sliced_wasserstein
from stylecli.media.images import read_picture
from stylecli.media.resize import resize, short_side
from stylecli.nets.texture_net import TextureConfig, TextureNet, calibrated, sizes
from stylecli.optimise.octaves import halved
from stylecli.progress import Listener
from stylecli.settings.train_texture import TrainTextureSettings
from stylecli.training.loop import Schedule, train
from stylecli.training.recipes import recipe
from stylecli.training.teacher_features import TeacherFeatures, sampled, unlike, visible

SAMPLES = 8
STORED = 2**16
"""Feature vectors of the exemplar that are kept of each layer."""
DRAWN = 1024
"""Those of them, and of a sample, that a step compares."""
DIRECTIONS = 32
"""Along which it does."""
FAINT = 1e-3
"""Variance of colors, in [0, 1], below which they count less."""


def run(settings: TrainTextureSettings, device: Device, listener: Listener) -> Path:
    """Train in `settings.output`; the path of the averaged weights is returned. Errors are those of `TextureTask`."""
    schedule = Schedule(settings.steps, settings.learning_rate, warmup=20, decay=0.9, every=settings.every, clip=1.0)
    return train(TextureTask(settings, device), schedule, Path(settings.output), listener)


class TextureTask:
    """For `training.loop.train`.

    Raises:
        WeightsError: The teacher is missing or of another family.
        UsageError: A layer that the teacher does not have, or an exemplar too small for the deepest.
        InputError: The exemplar cannot be read.
    """

    def __init__(self, settings: TrainTextureSettings, device: Device) -> None:
        torch.manual_seed(settings.seed)
        self.settings, self.device = settings, device.torch
        pixels = read_picture(settings.exemplar).pixels
        height, width = pixels.shape[1:]
        self.exemplar = resize(pixels, short_side(height, width, min(settings.size, height, width)))
        if settings.branch:
            config = TextureConfig(settings.widths, settings.branch, (3, 3, 1), norm=settings.norm, joined="both")
        else:
            config = TextureConfig(settings.widths, norm=settings.norm, smooth=True)
        net = TextureNet(config)
        with torch.no_grad():
            assert net.out.bias is not None
            net.out.bias.copy_(self.exemplar.mean((1, 2)))
            _balance(net)
        self.model = net.to(memory_format=torch.channels_last).to(self.device).train()
        layers = settings.style_layers
        self.judge = TeacherFeatures(
            settings.teacher, settings.deep_teacher, settings.pixels, device, layers, max(layers)
        )
        spread, axes = torch.linalg.eigh(torch.cov(self.exemplar.flatten(1)))
        self.whitening = (axes / (spread + FAINT).sqrt() @ axes.T).to(self.device)
        with torch.no_grad():
            stored = self._measured(self.exemplar[None].to(self.device), "reflect", STORED, Generator().manual_seed(0))
        self.grams, self.points = stored

    def batches(self, first: int, last: int) -> Iterator[tuple[list[Tensor], Generator]]:
        """Seeded noise for every scale, the coarsest first, and what the step draws its directions from."""
        for step in range(first, last + 1):
            seed = self.settings.seed + step
            side = min(self.settings.sample, self.settings.size)
            yield self._noise(self.settings.batch, seed, side), Generator().manual_seed(seed)

    def losses(self, batch: tuple[list[Tensor], Generator]) -> dict[str, Tensor]:
        """Style of what is visible, and what is not in the range of pixels."""
        noise, generator = batch
        output, outside = visible(self.model([each.to(self.device) for each in noise]))
        grams, points = self._measured(output, "circular", DRAWN, generator)
        distances: list[Tensor] = []
        for found, (stored,) in zip(points, self.points, strict=True):
            along = directions(DIRECTIONS, len(stored), generator).to(stored)
            distances.append(sliced_wasserstein(found, sampled(stored, DRAWN, generator), along))
        style = torch.stack(list(map(unlike, grams, self.grams))).mean()
        sliced = torch.stack(distances).log1p().mean()
        return {"style": style, "sliced": self.settings.sliced_weight * sliced, "range": outside}

    def export(self, averaged: nn.Module, path: Path, row: Mapping[str, float]) -> None:
        """The averaged net with settled norms, and a sample that proves it."""
        s = self.settings
        net = self._settled(averaged)
        about = {
            "title": s.title or Path(s.exemplar).stem.replace("_", " "),
            "paper": "Texture networks, arXiv 1603.03417",
            "commands": ["texture"],
            "licence": s.licence,
            "data": s.data,
            "recipe": recipe("train texture", s),
            "losses": row,
        }
        save_network(net, path, network="texture-net", config=stored_config(net.config), about=about)

    def sheet(self, averaged: nn.Module) -> Tensor:
        """The exemplar beside two samples, [3, H, W]."""
        with torch.no_grad():
            drawn = self._settled(averaged)([each.to(self.device) for each in self._noise(2, 0, self.settings.size)])
        side = self.settings.size
        parts = [resize(self.exemplar, (side, side)), *drawn.float().clamp(0, 1).cpu()]
        return torch.cat(parts, 2)

    def _settled(self, averaged: nn.Module) -> TextureNet:
        assert isinstance(averaged, TextureNet)
        inputs = [each.to(self.device) for each in self._noise(SAMPLES, 1, self.settings.size)]
        return averaged if averaged.config.norm == "instance" else calibrated(averaged, inputs)

    def _noise(self, count: int, seed: int, side: int) -> list[Tensor]:
        generator, config = Generator().manual_seed(seed), self.model.config
        return [torch.rand(count, config.channels, *size, generator=generator) for size in sizes(config, side, side)]

    def _measured(
        self, picture: Tensor, mode: str, count: int, generator: Generator
    ) -> tuple[list[Tensor], list[Tensor]]:
        """Gram matrices at every octave and layer, and vectors there of `count` positions, those of colors too."""
        grams: list[Tensor] = []
        points: list[Tensor] = []
        for octave in range(self.settings.octaves):
            if octave:
                picture = halved(picture, mode)
            if min(picture.shape[2:]) < 16:
                raise UsageError(
                    f"{self.settings.exemplar}: too small for {self.settings.octaves} octaves", "--octaves 1"
                )
            found, some = self.judge.grams_and_points(picture, count, generator)
            grams += found
            points += [self.whitening @ sampled(picture.flatten(2), count, generator), *some]
        return grams, points


def _balance(net: TextureNet) -> None:
    """Noise starts as loud as what comes from below: else the coarsest noise alone decides, which makes blobs."""
    for scale, below in enumerate(net.config.widths[:-1], 2):
        if not net.config.branch:
            # Three channels of variance 1/12 against `below` ones of about 1/3.
            getattr(net, f"level{scale}").conv1.weight[:, below:] *= (4 / 3 * below) ** 0.5
