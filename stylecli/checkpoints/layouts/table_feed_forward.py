"""Rows of `table`: networks of one pass, of textures too."""

from stylecli.checkpoints.layouts import feed_forward, stargan, texture_net, transformer
from stylecli.checkpoints.layouts.format import LAST_PASS, Format, own

FORMATS = (
    Format(
        "StarGAN v1, yunjey",
        "feed-forward",
        {"main.0.weight": (None, None, 7, 7), "main.3.weight": (None, None, 4, 4), "main.9.main.0.weight": (None,) * 4},
        stargan.first,
    ),
    own(
        "transformer",
        {"convs.down1.weight": (None, None, 9, 9), "convs.out.weight": (None, None, 9, 9)},
        transformer.ours,
    ),
    Format(
        "transformation net, pytorch/examples",
        "transformer",
        {"conv1.conv2d.weight": (None, 3, 9, 9), "deconv3.conv2d.weight": (3, None, 9, 9), "in1.weight": (None,)},
        transformer.examples,
        # Instance norms of PyTorch before 0.4 saved statistics that they did not use.
        (r"(res\d+\.)?in\d+\.(running_mean|running_var|num_batches_tracked)",),
    ),
    Format(
        "transformation net, ONNX (onnx/models)",
        "transformer",
        {
            "Conv.0.weight": (None, 3, 9, 9),
            "InstanceNormalization.0.weight": (None,),
            "Conv.15.weight": (3, None, 9, 9),
        },
        transformer.onnx,
    ),
    Format(
        "transformation net, lengstrom/fast-style-transfer",
        "transformer",
        {"conv1.conv.weight": (None, 3, 9, 9), "conv4.conv.weight": (3, None, 9, 9), "conv4.norm.weight": (3,)},
        transformer.lengstrom,
    ),
    Format(
        "transformation net, TensorFlow (lengstrom/fast-style-transfer)",
        "transformer",
        {"Variable": (9, 9, 3, None), "Variable_1": (None,), "Variable_45": (9, 9, None, 3)},
        transformer.tensorflow,
        # What the training keeps.
        (r".+/Adam(_\d+)?", r"beta\d_power(_\d+)?", r"global_step"),
    ),
    own(
        "feed-forward",
        {"chain.parts.0.weight": (None, None, None, None)},
        feed_forward.ours,
    ),
    Format(
        "transformation net, Torch 7 (jcjohnson/fast-neural-style)",
        "feed-forward",
        {"modules.2.weight": (None, 3, 9, 9), "modules.3.weight": (None,), "modules.5.weight": (None, None, 3, 3)},
        feed_forward.torch7,
        (LAST_PASS,),
    ),
    Format(
        "transformation net, Torch 7, zeros at its borders",
        "feed-forward",
        {"modules.1.weight": (None, 3, 9, 9), "modules.2.weight": (None,), "modules.4.weight": (None, None, 3, 3)},
        feed_forward.torch7,
        (LAST_PASS,),
    ),
    Format(
        "transformation net, rrmina/fast-neural-style-pytorch",
        "feed-forward",
        {
            "ConvBlock.0.conv_layer.weight": (None, 3, 9, 9),
            "ResidualBlock.0.conv1.conv_layer.weight": (None, None, 3, 3),
            "DeconvBlock.4.conv_layer.weight": (3, None, 9, 9),
        },
        feed_forward.rrmina,
    ),
    Format(
        "generator of CycleGAN, with residual blocks",
        "feed-forward",
        {"model.1.weight": (None, 3, 7, 7), "model.10.conv_block.1.weight": (None, None, 3, 3)},
        feed_forward.cyclegan,
    ),
    Format(
        "generator of AnimeGANv2",
        "feed-forward",
        {
            "block_a.0.1.weight": (None, 3, 7, 7),
            "block_c.1.layers.1.1.weight": (None, 1, 3, 3),
            "out_layer.0.weight": (3, None, 1, 1),
        },
        feed_forward.animegan,
    ),
    own(
        "texture-net",
        {
            "level1.conv1.weight": (None, None, None, None),
            "out.weight": (3, None, 1, 1),
            "level1.norm1.weight": (None,),
        },
        texture_net.ours,
    ),
    Format(
        "texture net with branches",
        "texture-net",
        {
            "branch1.conv1.weight": (None, None, None, None),
            "branch1.join.weight": (None,),
            "out.weight": (3, None, 1, 1),
        },
        texture_net.readable,
        (r"sample\..+",),
    ),
    Format(
        "texture net, Torch 7 (DmitryUlyanov/texture_nets)",
        "texture-net",
        {
            "modules.2.modules.2.weight": (None, None, 3, 3),
            "modules.3.running_mean": (None,),
            "modules.5.modules.2.weight": (None, None, 3, 3),
        },
        texture_net.torch7,
        # Statistics of training that are never used, and what was left over from the last pass.
        (r"(.+\.)?(running_mean|running_var|save_mean|save_std|output|f?grad\w+|finput|gradInput)",),
    ),
    Format(
        "texture net, PyTorch port (JorgeGtz/TextureNets_implementation)",
        "texture-net",
        {"cb1_1.conv1.weight": (None, None, 3, 3), "up1.bn.weight": (None,), "last_conv.weight": (3, None, 1, 1)},
        texture_net.port,
        (r".+\.num_batches_tracked",),
    ),
)
