"""`train encoder`: VGG-19 distilled into a small encoder with the same layer names.

Collaborative Distillation (Wang, Li, Wang, Hu, Yang 2020, arXiv 2003.08436):

    loss = sum over layers l of  |M_l f_l(x) - F_l(x)|^2 / |F_l(x)|^2  +  w_r |D(f_deep(x)) - x|^2

f_l are the student's features, F_l the teacher's, M_l a linear map to the teacher's channels (no ReLU, so that a Gram
matrix in the teacher's channels is M_l G M_l^T), D a decoder that must rebuild the picture.

Differs from the paper: one end-to-end training instead of five stage-wise ones; the teacher's layers up to relu3_4 are
the real VGG-19's, relu4_1 and relu5_1 those of a compressed VGG-19 through its own maps, because no wider copy is
needed: what the student cannot hold of it, it could not hold of the original either.
"""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from stylecli.checkpoints.load import load_vgg
from stylecli.checkpoints.save import save_network
from stylecli.checkpoints.vgg_formats import pixels, stored_config
from stylecli.nets.vgg import VGG, VGGConfig
from stylecli.nets.vgg_decoder import VGGDecoder
from stylecli.training.augment import widen
from stylecli.training.data import Crops, find_pictures

REAL_LAYERS = ("relu1_1", "relu1_2", "relu2_1", "relu2_2", "relu3_1", "relu3_4")
DEEP_LAYERS = ("relu4_1", "relu5_1")
PASSING = {"relu1_2": 0.3, "relu2_2": 0.3, "relu3_4": 0.3}
"""Weights of layers that only help the ones above them; the others weigh 1."""

STUDENT = VGGConfig(
    widths=((16, 16), (32, 32), (64, 64, 64, 64), (128, 128, 128, 128), (128,)),
    maps=(
        *(("relu1_1", 64), ("relu1_2", 64), ("relu2_1", 128), ("relu2_2", 128)),
        *(("relu3_1", 256), ("relu3_4", 256), ("relu4_1", 512), ("relu5_1", 512)),
    ),
)
"""The widths of the 16 times compressed VGG-19 of the paper."""


class Student(nn.Module):
    """The encoder and the decoder that is thrown away after training."""

    def __init__(self, config: VGGConfig) -> None:
        super().__init__()
        self.encoder = VGG(config)
        self.encoder.preprocess, self.encoder.preprocess_bias = pixels("torchvision")
        self.decoder = VGGDecoder(tuple(block[-1] // 2 * 2 for block in config.widths))
        for module in self.modules():
            if isinstance(module, nn.Conv2d):
                nn.init.kaiming_normal_(module.weight, nonlinearity="relu")
                nn.init.zeros_(module.bias)


@dataclass(frozen=True)
class Data:
    """What to train on.

    Attributes:
        folders: Pictures below them.
        size: Side of a crop in pixels.
        batch: Crops a step.
        seed: Of initial weights and crops.
    """

    folders: Sequence[Path]
    size: int = 128
    batch: int = 16
    seed: int = 0


def sparse(layer: str, features: Tensor) -> Tensor:
    """Every fourth position of the large shallow layers: neighbors there tell the same, and cost half a step."""
    return features[:, :, ::2, ::2] if layer[4] in "12" else features


class EncoderTask:
    """Distillation for `training.loop.train`.

    Args:
        teacher: A real VGG-19 at least to relu3_4, any dialect.
        deep_teacher: A network with maps for relu4_1 and relu5_1.
        data: Pictures.
        reconstruction_weight: Factor on the decoder's mean squared error.
    """

    def __init__(self, teacher: Path, deep_teacher: Path, data: Data, reconstruction_weight: float = 1.0) -> None:
        torch.manual_seed(data.seed)
        self.model = Student(STUDENT)
        # Two digits are enough for a target, and bfloat16 halves the teacher's time, which is most of a step.
        self.teacher = load_vgg(teacher, REAL_LAYERS).to(torch.bfloat16, memory_format=torch.channels_last)
        self.deep = load_vgg(deep_teacher, DEEP_LAYERS).to(torch.bfloat16, memory_format=torch.channels_last)
        self.crops = Crops(tuple(find_pictures(data.folders)), data.size, data.batch, data.seed, widen)
        self.reconstruction_weight = reconstruction_weight
        # Caffe's activations are in the hundreds; targets of unit power spare the maps a long way to grow.
        self.scales = {layer: 1.0 for layer in (*REAL_LAYERS, *DEEP_LAYERS)}
        self.scales = {layer: 1 / float(x.square().mean().sqrt()) for layer, x in self._targets(self.crops(0)).items()}

    def batches(self, first: int, last: int) -> Iterator[Tensor]:
        """Seeded crops."""
        return self.crops.ahead(first, last)

    def losses(self, batch: Tensor) -> dict[str, Tensor]:
        """Relative squared error a layer, and the reconstruction."""
        batch = batch.contiguous(memory_format=torch.channels_last)
        targets = self._targets(batch)
        taps = self.model.encoder(batch, [*targets])
        mapped = self.model.encoder.mapped({layer: sparse(layer, x) for layer, x in taps.items()})
        losses = {
            layer: PASSING.get(layer, 1.0) * (mapped[layer] - target).square().sum() / target.square().sum()
            for layer, target in targets.items()
        }
        rebuilt = self.model.decoder(taps["relu5_1"], batch.shape[2:])
        return {**losses, "reconstruction": self.reconstruction_weight * F.mse_loss(rebuilt, batch)}

    @torch.inference_mode()
    def _targets(self, batch: Tensor) -> dict[str, Tensor]:
        half = batch.bfloat16()
        targets = self.teacher(half, REAL_LAYERS)
        deep = self.deep.mapped(self.deep(half, DEEP_LAYERS))
        targets |= {layer: F.relu(features) for layer, features in deep.items()}
        return {layer: sparse(layer, features).float() * self.scales[layer] for layer, features in targets.items()}

    def export(self, averaged: nn.Module, path: Path, steps: int) -> None:
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
                "licence": "Apache-2.0",
                "steps": steps,
            },
            sample={},
        )
