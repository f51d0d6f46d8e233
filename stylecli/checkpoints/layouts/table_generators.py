"""Rows of `table`: StyleGAN 1 and 2, StarGAN v2, landmarks of faces."""

from stylecli.checkpoints.layouts import lucidrains, stargan, stylegan1, stylegan2
from stylecli.checkpoints.layouts.format import Format, own
from stylecli.nets.lucidrains import LucidrainsConfig
from stylecli.nets.stylegan1 import StyleGAN1Config
from stylecli.nets.stylegan2 import StyleGAN2Config

FORMATS = (
    own(
        "stylegan2",
        {"const": (None, 4, None), "layers.0.strength": (), "rgbs.0.weight": (3, None, 1, 1)},
        stylegan2.ours(StyleGAN2Config),
    ),
    Format(
        "StyleGAN 2, rosinality, with a mean latent",
        "stylegan2",
        {"latent_avg": (None,), "g_ema.input.input": (1, None, 4, 4), "g_ema.to_rgb1.conv.weight": (1, 3, None, 1, 1)},
        stylegan2.rosinality,
        (r"(g|d)\..+",),
    ),
    Format(
        "StyleGAN 2, rosinality",
        "stylegan2",
        {"input.input": (1, None, 4, 4), "to_rgb1.conv.weight": (1, 3, None, 1, 1), "style.1.weight": (None, None)},
        stylegan2.rosinality,
    ),
    Format(
        "StyleGAN 2, NVlabs",
        "stylegan2",
        {"synthesis.b4.const": (None, 4, None), "synthesis.b4.torgb.weight": (3, None, 1, 1)},
        stylegan2.nvlabs,
    ),
    Format(
        "StyleGAN 2, TensorFlow",
        "stylegan2",
        {"synthesis/4x4/Const/const": (1, None, 4, 4), "synthesis/4x4/ToRGB/weight": (1, 1, None, 3)},
        stylegan2.tensorflow,
    ),
    Format(
        "StyleGAN 3",
        "stylegan3",
        {"synthesis.input.freqs": (None, 2), "synthesis.input.phases": (None,)},
        stylegan2.refused("StyleGAN 3", "its continuous convolutions are another network"),
    ),
    Format(
        "StyleGAN 2, lucidrains",
        "lucidrains",
        {
            "GE.initial_block": (1, None, 4, 4),
            "GE.initial_conv.weight": (None, None, 3, 3),
            "GE.blocks.0.to_style1.weight": (None, None),
            "GE.blocks.0.to_rgb.conv.weight": (None, None, 1, 1),
            "SE.net.0.weight": (None, None),
        },
        lucidrains.lucidrains,
        # What was trained, of which these are the averages.
        (r"(S|G|D|D_aug|D_cl)\..+",),
    ),
    own(
        "lucidrains",
        {"const": (None, 4, None), "layers.1.noise_weight": (None,), "rgbs.0.weight": (3, None, 1, 1)},
        stylegan2.ours(LucidrainsConfig),
    ),
    own(
        "stylegan1",
        {"const": (None, 4, 4), "layers.0.noise_weight": (None,), "rgb.weight": (3, None, 1, 1)},
        stylegan2.ours(StyleGAN1Config),
    ),
    Format(
        "StyleGAN 1, rosinality",
        "stylegan1",
        {"generator.progression.0.conv1.input": (1, None, 4, 4), "style.1.linear.weight_orig": (None, None)},
        stylegan1.rosinality,
    ),
    Format(
        "StyleGAN 1, genforce",
        "stylegan1",
        {"synthesis.layer0.const": (1, None, 4, 4), "synthesis.output0.weight": (3, None, 1, 1)},
        stylegan1.genforce,
    ),
    own(
        "stargan",
        {
            "generator.from_rgb.weight": (None, 3, 3, 3),
            "mapping.shared.0.weight": (None, None),
            "encoder.shared.0.weight": (None, 3, 3, 3),
        },
        stargan.ours,
    ),
    Format(
        "StarGAN v2, clovaai",
        "stargan",
        {
            "generator.from_rgb.weight": (None, 3, 3, 3),
            "mapping_network.shared.0.weight": (None, None),
            "style_encoder.shared.0.weight": (None, 3, 3, 3),
        },
        stargan.clovaai,
        # Files of trainings hold it too.
        (r"discriminator\..+",),
    ),
    own(
        "fan",
        {"conv1.conv.weight": (64, 6, 7, 7), "bn1.weight": (64,), "l0.weight": (None, 256, 1, 1)},
        stargan.landmarks,
    ),
    Format(
        "landmarks of faces, clovaai's wing.ckpt",
        "fan",
        {"conv1.conv.weight": (64, 6, 7, 7), "bn1.running_mean": (64,), "l0.weight": (None, 256, 1, 1)},
        stargan.wing,
        # More hourglasses, of which only the first is used.
        (r"(m|top_m_|conv_last|bn_end|l|bl|al)[1-9]\..+", r"(bl|al)0\..+", r".+\.num_batches_tracked"),
    ),
)
