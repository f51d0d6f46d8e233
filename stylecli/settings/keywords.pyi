"""Keywords of the functions of `stylecli.api`; `python tests/keywords.py` makes them of the settings."""

from collections.abc import Sequence
from typing import Literal, TypedDict

from stylecli.progress import Listener

class _Machine(TypedDict, total=False):
    device: str
    precision: str
    threads: int | None
    max_memory: str | None
    listener: Listener

class Gatys(_Machine, total=False):
    weights: str
    recipe: Literal["stylecli", "neural-style", "notebook", "wasserstein"]
    size: int | None
    seed: int
    style_weight: float
    content_weight: float
    strokes_weight: float
    tv_weight: float
    style_size: int | None
    style_scale: float
    preserve_color: Literal["none", "luminance", "histogram", "coral"]
    style_loss: Literal["gram", "moments", "wasserstein", "mmd-linear", "mmd-poly", "mmd-gaussian", "correlations", "neighbors", "earth-mover"]
    style_layers: str
    strokes_layers: str
    content_layers: str
    scaling: Literal["relative", "channels", "mean"]
    normalize_weights: bool
    normalize_gradients: bool
    pooling: Literal["max", "average", "l2"]
    pool_scale: float | None
    pixels: Literal["auto", "caffe", "torchvision"]
    first_padding: Literal["zeros", "reflect", "replicate"] | None
    optimizer: Literal["lbfgs", "adam"]
    steps: int
    coarse_steps: int | None
    first_steps: int | None
    min_size: int | None
    learning_rate: float
    history: int
    average: float
    init: str
    save_every: int

class Adain(_Machine, total=False):
    refine: int
    alpha: float
    size: int | None
    style_size: int | None
    style_scale: float
    preserve_color: Literal["none", "luminance", "histogram", "coral"]
    crop: bool
    weights: str
    vgg: str
    recipe: Literal["stylecli", "pytorch-adain"]

class Fast(_Machine, total=False):
    refine: int
    weights: str
    style: Sequence[str] | str
    alpha: float
    style_scale: float
    size: int | None
    preserve_color: Literal["none", "luminance", "histogram", "coral"]
    recipe: Literal["reference", "stylecli"]

class Texture(_Machine, total=False):
    method: Literal["gatys", "net"]
    style: str
    weights: str
    recipe: Literal["stylecli", "deeptextures"]
    out_size: str
    size: int | None
    seed: int
    seamless: bool
    guide: Sequence[str] | str
    style_loss: Literal["gram", "moments", "wasserstein", "mmd-linear", "mmd-poly", "mmd-gaussian", "correlations", "neighbors", "earth-mover"]
    style_layers: str
    scaling: Literal["relative", "mean"]
    pooling: Literal["max", "average", "l2"]
    pixels: Literal["auto", "caffe", "torchvision"]
    octaves: int
    histogram: bool
    steps: int
    min_size: int
    history: int
    save_every: int

class Stargan(_Machine, total=False):
    refine: int
    weights: str
    domains: str
    alpha: float
    content_domain: str
    fit: Literal["pad", "crop", "stretch"]
    size: int | None
    align: bool
    mean_face: str
    no_masks: bool
    fan: str
    domain: str
    frames: int | None
    seeds: str | int
    psi: float

class Stylegan(_Machine, total=False):
    weights: str
    size: int | None
    class_: str | int
    noise: str
    center: str
    cutoff: int | None
    batch: int
    seeds: str | int
    psi: Sequence[float] | float | str
    grid: bool
    columns: int | str | None
    save_latents: bool
    rows: str | int
    layers: str
    plain: bool
    space: Literal["z", "w"] | Literal["w", "z"]
    steps: int
    seconds: float
    photo: str
    learning_rate: float
    pixel_weight: float
    center_weight: float
    encoder: str
    seed: int
    samples: int
    ends: bool
    crop: bool
    epsilon: float
    lpips: str

class Audio(_Machine, total=False):
    style_weight: float
    content_weight: float
    alpha: float
    kernel: int
    filters: int
    ensemble: int
    rhythm: int
    steps: int
    phase_steps: int
    wave_steps: int | None
    momentum: float
    chunk: float
    overlap: float
    clip: Literal["limit", "rescale", "none"]
    seed: int
    recipe: Literal["stylecli", "ulyanov"]
