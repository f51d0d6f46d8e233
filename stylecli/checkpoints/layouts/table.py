"""THE table of checkpoint formats: what tells each one, what may be spare, and how it becomes a network of ours.

A row matches when every required name is there with its shape (None = any extent). Names and shapes decide, never the
file's name; a training file's state dict is looked into. Conversion is total both ways: every tensor is used or on the
row's list of spares, and `load` checks that every parameter and buffer of ours was filled.
"""

from stylecli.checkpoints.header import OURS
from stylecli.checkpoints.layouts import (
    any_style,
    feed_forward,
    stargan,
    stylegan1,
    stylegan2,
    texture_net,
    transformer,
    vgg,
)
from stylecli.checkpoints.layouts.format import Format

_PASS = r"(.+\.)?(output|f?grad\w+|finput|gradInput|_\w+)"
"""What modules of Torch 7 keep of their last pass."""

FORMATS = (
    Format(
        OURS["vgg"],
        "vgg",
        {"convs.conv1_1.weight": (None, 3, 3, 3), "preprocess": (3, 3), "preprocess_bias": (3,)},
        vgg.ours,
        (r"sample\..+",),
    ),
    Format(
        "VGG, torchvision or Caffe-style",
        "vgg",
        {"features.0.weight": (64, 3, 3, 3), "features.2.weight": (64, 64, 3, 3), "features.5.weight": (128, 64, 3, 3)},
        vgg.numbered,
        (r"classifier\.\d\.(weight|bias)",),
    ),
    Format(
        "VGG, Gatys' vgg_conv",
        "vgg",
        {"conv1_1.weight": (64, 3, 3, 3), "conv1_2.weight": (64, 64, 3, 3)},
        vgg.named,
    ),
    Format(
        "LPIPS, its weights of channels",
        "lpips",
        {f"lin{index}.model.1.weight": (1, None, 1, 1) for index in range(5)},
        vgg.lpips,
    ),
    Format(
        "VGG-19, normalised (AdaIN)",
        "vgg",
        {"0.weight": (3, 3, 1, 1), "2.weight": (64, 3, 3, 3), "5.weight": (64, 64, 3, 3), "9.weight": (128, 64, 3, 3)},
        vgg.normalised,
    ),
    Format(
        "VGG-19, normalised (AdaIN), Torch 7",
        "vgg",
        {"modules.1.weight": (3, 3, 1, 1), "modules.3.weight": (64, 3, 3, 3), "modules.6.weight": (64, 64, 3, 3)},
        vgg.torch7,
        (_PASS,),
    ),
    Format(
        "VGG-19, compressed by Collaborative Distillation",
        "vgg",
        {"conv0.weight": (3, 3, 1, 1), "conv11.weight": (None, 3, 3, 3), "conv12.weight": (None, None, 3, 3)},
        vgg.distilled,
    ),
    Format(
        OURS["stylegan2"],
        "stylegan2",
        {"const": (None, 4, None), "layers.0.strength": (), "rgbs.0.weight": (3, None, 1, 1)},
        stylegan2.ours,
        (r"sample\..+",),
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
        OURS["stylegan1"],
        "stylegan1",
        {"const": (None, 4, 4), "layers.0.noise_weight": (None,), "rgb.weight": (3, None, 1, 1)},
        stylegan1.ours,
        (r"sample\..+",),
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
    Format(
        OURS["stargan"],
        "stargan",
        {
            "generator.from_rgb.weight": (None, 3, 3, 3),
            "mapping.shared.0.weight": (None, None),
            "encoder.shared.0.weight": (None, 3, 3, 3),
        },
        stargan.ours,
        (r"sample\..+",),
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
    Format(
        "StarGAN v1, yunjey",
        "feed-forward",
        {"main.0.weight": (None, None, 7, 7), "main.3.weight": (None, None, 4, 4), "main.9.main.0.weight": (None,) * 4},
        stargan.first,
    ),
    Format(
        OURS["fan"],
        "fan",
        {"conv1.conv.weight": (64, 6, 7, 7), "bn1.weight": (64,), "l0.weight": (None, 256, 1, 1)},
        stargan.landmarks,
        (r"sample\..+",),
    ),
    Format(
        "landmarks of faces, clovaai's wing.ckpt",
        "fan",
        {"conv1.conv.weight": (64, 6, 7, 7), "bn1.running_mean": (64,), "l0.weight": (None, 256, 1, 1)},
        stargan.wing,
        # More hourglasses, of which only the first is used.
        (r"(m|top_m_|conv_last|bn_end|l|bl|al)[1-9]\..+", r"(bl|al)0\..+", r".+\.num_batches_tracked"),
    ),
    Format(
        OURS["transport"],
        "transport",
        {
            "decoder.conv2_last.weight": (None, None, 3, 3),
            "decoder.conv1.weight": (3, None, 3, 3),
            "code_mean": (None,),
        },
        any_style.transport,
        (r"sample\..+",),
    ),
    Format(
        OURS["adain"],
        "adain",
        {"vgg.convs.conv1_1.weight": (None, 3, 3, 3), "decoder.convs.conv1_1.weight": (3, None, 3, 3)},
        any_style.pair,
        (r"sample\..+",),
    ),
    Format(
        OURS["microast"],
        "microast",
        {
            "content_encoder.0.weight": (None, 3, 9, 9),
            "weights.0.weight": (None, 1, 3, 3),
            "up.10.weight": (3, None, 9, 9),
        },
        any_style.microast,
        (r"sample\..+",),
    ),
    Format(
        "MicroAST",
        "microast",
        {
            "content_encoder.enc1.0.conv_layer.weight": (None, 3, 9, 9),
            "style_encoder.enc1.0.conv_layer.weight": (None, 3, 9, 9),
            "modulator.weight1.0.conv_layer.weight": (None, 1, 3, 3),
            "decoder.dec3.10.conv_layer.weight": (3, None, 9, 9),
        },
        any_style.microast,
    ),
    Format(
        OURS["msgnet"],
        "msgnet",
        {"inspiration": (None, None), "stem.weight": (None, 3, 7, 7), "blocks.0.narrow.weight": (None, None, 1, 1)},
        any_style.own_msgnet,
        (r"sample\..+",),
    ),
    Format(
        "MSG-Net",
        "msgnet",
        {
            "ins.weight": (1, None, None),
            "model1.0.conv2d.weight": (None, 3, 7, 7),
            "model.2.conv_block.2.weight": (None,) * 4,
        },
        any_style.msgnet,
        (r"model\.[01]\..+", r".+\.(running_mean|running_var|num_batches_tracked)"),
    ),
    Format(
        "AdaIN decoder (pytorch-AdaIN)",
        "adain-decoder",
        {"1.weight": (None, None, 3, 3), "5.weight": (None, None, 3, 3), "28.weight": (3, None, 3, 3)},
        any_style.numbered_decoder,
    ),
    Format(
        "AdaIN decoder, Torch 7",
        "adain-decoder",
        {
            "modules.2.weight": (None, None, 3, 3),
            "modules.6.weight": (None, None, 3, 3),
            "modules.29.weight": (3, None, 3, 3),
        },
        any_style.torch7_decoder,
        (_PASS,),
    ),
    Format(
        OURS["adain-decoder"],
        "adain-decoder",
        {"convs.conv4_1.weight": (None, None, 3, 3), "convs.conv1_1.weight": (3, None, 3, 3)},
        any_style.decoder,
        (r"sample\..+",),
    ),
    Format(
        OURS["transformer"],
        "transformer",
        {"convs.down1.weight": (None, None, 9, 9), "convs.out.weight": (None, None, 9, 9)},
        transformer.ours,
        (r"sample\..+",),
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
    Format(
        OURS["feed-forward"],
        "feed-forward",
        {"chain.parts.0.weight": (None, None, None, None)},
        feed_forward.ours,
        (r"sample\..+",),
    ),
    Format(
        "transformation net, Torch 7 (jcjohnson/fast-neural-style)",
        "feed-forward",
        {"modules.2.weight": (None, 3, 9, 9), "modules.3.weight": (None,), "modules.5.weight": (None, None, 3, 3)},
        feed_forward.torch7,
        (_PASS,),
    ),
    Format(
        "transformation net, Torch 7, zeros at its borders",
        "feed-forward",
        {"modules.1.weight": (None, 3, 9, 9), "modules.2.weight": (None,), "modules.4.weight": (None, None, 3, 3)},
        feed_forward.torch7,
        (_PASS,),
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
    Format(
        OURS["texture-net"],
        "texture-net",
        {
            "level1.conv1.weight": (None, None, None, None),
            "out.weight": (3, None, 1, 1),
            "level1.norm1.weight": (None,),
        },
        texture_net.ours,
        (r"sample\..+",),
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
