"""`train encoder`: VGG-19 distilled into a small encoder with the same layer names.

Collaborative Distillation (Wang, Li, Wang, Hu, Yang 2020, arXiv 2003.08436):

    loss = sum over layers l of  |max(M_l f_l(x), 0) - F_l(x)|^2 / |F_l(x)|^2  +  w_r |D(f_deep(x)) - x|^2

f_l are the student's features, F_l the teacher's, M_l an affine map to the teacher's channels, followed by the ReLU
that the teacher's features come out of, D a decoder that must rebuild the picture.

Differs from the paper: one end-to-end training instead of five stage-wise ones; the teacher's layers up to relu3_4 are
the real VGG-19's, relu4_1 and relu5_1 those of a compressed VGG-19 through its own maps, because no wider copy is
needed: what the student cannot hold of it, it could not hold of the original either.
"""

from collections.abc import Iterator, Mapping, Sequence
from itertools import pairwise
from pathlib import Path

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from stylecli.checkpoints.layouts.format import stored_config
from stylecli.checkpoints.layouts.vgg import pixels
from stylecli.checkpoints.load import load_vgg
from stylecli.checkpoints.save import save_network
from stylecli.checkpoints.store import resolve
from stylecli.device import Device, sent
from stylecli.nets.vgg import VGG, VGGConfig
from stylecli.progress import Listener
from stylecli.settings.train_encoder import TrainEncoderSettings
from stylecli.training.augment import widen
from stylecli.training.data import Crops, find_pictures
from stylecli.training.loop import Schedule, train
from stylecli.training.recipes import recipe


class VGGDecoder(nn.Module):
    """Features of the last of `widths` back to RGB.

    Args:
        widths: Channels of each block, shallow to deep; one 3x3 convolution a block, then the upsampling.
    """

    def __init__(self, widths: tuple[int, ...]) -> None:
        super().__init__()
        channels = (*reversed(widths), 3)
        self.convs = nn.ModuleList(nn.Conv2d(a, b, 3, padding=1) for a, b in pairwise(channels))

    def forward(self, x: Tensor, size: tuple[int, int]) -> Tensor:
        """`x` [N, C, H', W'] to RGB [N, 3, *size], not clamped."""
        for conv in list(self.convs)[:-1]:
            x = F.interpolate(F.relu(conv(x)), scale_factor=2.0, mode="nearest")
        made: Tensor = self.convs[-1](F.interpolate(x, size=size, mode="nearest"))
        return made


REAL_LAYERS = ("relu1_1", "relu1_2", "relu2_1", "relu2_2", "relu3_1", "relu3_4")
DEEP_LAYERS = ("relu4_1", "relu5_1")
PASSING = {"relu1_2": 0.3, "relu2_2": 0.3, "relu3_4": 0.3}
"""Weights of layers that only help the ones above them; the others weigh 1."""

WIDTHS = ((16, 16), (32, 32), (64, 64, 64, 64), (128, 128, 128, 128), (128,))
"""Those of the 16 times compressed VGG-19 of the paper."""


class Student(nn.Module):
    """The encoder and the decoder that is thrown away after training."""

    def __init__(self, config: VGGConfig) -> None:
        super().__init__()
        self.encoder = VGG(config)
        self.encoder.preprocess, self.encoder.preprocess_bias = pixels("torchvision")
        self.decoder = VGGDecoder(tuple(block[-1] for block in config.widths))
        for module in self.modules():
            if isinstance(module, nn.Conv2d):
                nn.init.kaiming_normal_(module.weight, nonlinearity="relu")
                module.bias.data.zero_()  # type: ignore[union-attr]


def run(settings: TrainEncoderSettings, device: Device, listener: Listener) -> Path:
    """Train in `settings.output`; the path of the averaged weights is returned. Errors are those of `EncoderTask`."""
    schedule = Schedule(settings.steps, settings.learning_rate, every=settings.every)
    return train(EncoderTask(settings, device), schedule, Path(settings.output), listener)


def sparse(layer: str, features: Tensor) -> Tensor:
    """Every fourth position of the large shallow layers: neighbors there tell the same, and cost half a step."""
    return features[:, :, ::2, ::2] if layer[4] in "12" else features


class EncoderTask:
    """Distillation for `training.loop.train`.

    Raises:
        WeightsError: A teacher is missing or of another family.
        UsageError: A teacher without the layers that are learned.
        InputError: No pictures.
    """

    def __init__(self, settings: TrainEncoderSettings, device: Device) -> None:
        torch.manual_seed(settings.seed)
        self.settings, self.device, self.dtype = settings, device.torch, device.training().dtype
        teacher, deep = resolve(settings.teacher), resolve(settings.deep_teacher or settings.teacher)
        self.teacher = _frozen(teacher, REAL_LAYERS, settings.pixels).to(self.device, self.dtype)
        self.deep = _frozen(deep, DEEP_LAYERS, settings.pixels).to(self.device, self.dtype)
        teachers = (*((layer, self.teacher) for layer in REAL_LAYERS), *((layer, self.deep) for layer in DEEP_LAYERS))
        maps = tuple((layer, net.mapped_width(layer)) for layer, net in teachers)
        self.model = Student(VGGConfig(WIDTHS, maps=maps)).to(self.device)
        paths = tuple(find_pictures([Path(folder) for folder in settings.content]))
        self.crops = Crops(paths, settings.crop, settings.batch, settings.seed, augment=widen)
        # Caffe's activations are in the hundreds; targets of unit power spare the maps a long way to grow.
        self.scales = dict.fromkeys((*REAL_LAYERS, *DEEP_LAYERS), 1.0)
        self.scales = {layer: 1 / float(x.square().mean().sqrt()) for layer, x in self._targets(self.crops(0)).items()}

    def batches(self, first: int, last: int) -> Iterator[Tensor]:
        """Seeded crops."""
        return self.crops.ahead(first, last)

    def losses(self, batch: Tensor) -> dict[str, Tensor]:
        """Relative squared error a layer, and the reconstruction."""
        batch = sent(batch, self.device, torch.channels_last)
        targets = self._targets(batch)
        taps = self.model.encoder(batch, [*targets])
        mapped = self.model.encoder.mapped({layer: sparse(layer, x) for layer, x in taps.items()})
        losses = {
            layer: PASSING.get(layer, 1.0) * (mapped[layer] - target).square().sum() / target.square().sum()
            for layer, target in targets.items()
        }
        height, width = batch.shape[2:]
        rebuilt = self.model.decoder(taps["relu5_1"], (height, width))
        return {**losses, "reconstruction": self.settings.reconstruction_weight * F.mse_loss(rebuilt, batch)}

    @torch.inference_mode()
    def _targets(self, batch: Tensor) -> dict[str, Tensor]:
        # Two digits are enough for a target, and bfloat16, where it is fast, halves the teacher's time: most of a step.
        typed = batch.to(self.device, self.dtype)
        targets = self.teacher(typed, REAL_LAYERS)
        targets |= self.deep.mapped(self.deep(typed, DEEP_LAYERS))
        return {layer: sparse(layer, features).float() * self.scales[layer] for layer, features in targets.items()}

    def export(self, averaged: nn.Module, path: Path, row: Mapping[str, float]) -> None:
        """The averaged encoder, with a sample that proves it."""
        encoder = averaged.encoder
        assert isinstance(encoder, VGG)
        save_network(
            encoder,
            path,
            network="vgg",
            config=stored_config(encoder.config),
            about={
                "title": "small VGG-19 encoder",
                "paper": "Collaborative Distillation, arXiv 2003.08436",
                "licence": self.settings.licence,
                "data": self.settings.data,
                "pictures": len(self.crops.paths),
                "recipe": recipe("train encoder", self.settings),
                "losses": row,
            },
        )


def _frozen(path: Path, layers: Sequence[str], pixels: str) -> VGG:
    net = load_vgg(path, layers, pixels=pixels)
    for conv in net.convs.values():
        conv.to(memory_format=torch.channels_last)
    return net
