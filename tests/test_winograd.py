"""`nets.winograd` against PyTorch's own convolution."""

import pytest
import torch
import torch.nn.functional as F
from hypothesis import given, settings
from hypothesis import strategies as st
from torch import nn

from stylecli.nets import winograd
from stylecli.nets.winograd import Conv2d, conv2d

SIDES = st.integers(32, 75)


@pytest.fixture(autouse=True, params=["MKL", "oneDNN"])
def _narrow(monkeypatch: pytest.MonkeyPatch, request: pytest.FixtureRequest) -> None:
    one = request.param == "oneDNN"
    if one and not hasattr(torch.ops.mkldnn, "_linear_pointwise"):
        pytest.skip("PyTorch without oneDNN")
    monkeypatch.setattr(winograd, "_half_as_fast", lambda: one)
    monkeypatch.setattr(winograd, "WIDE", 1)
    monkeypatch.setattr(winograd, "WIDER", 1)
    monkeypatch.setattr(winograd, "AT_ONCE", 40)


@settings(max_examples=30, deadline=None)
@given(SIDES, SIDES, st.integers(1, 2), st.integers(1, 9), st.integers(1, 9), st.integers(0, 1), st.booleans())
def test_any_size_and_its_gradient(
    height: int, width: int, samples: int, channels: int, out: int, border: int, biased: bool
) -> None:
    torch.manual_seed(height * width)
    x = torch.randn(samples, channels, height + 2, width + 2, requires_grad=True)
    weight, bias = torch.randn(out, channels, 3, 3) / (9 * channels) ** 0.5, torch.randn(out) if biased else None
    ours, plain = conv2d(x, weight, bias, border), F.conv2d(x, weight, bias, padding=border)
    assert "_Convolution" in type(ours.grad_fn).__name__
    torch.testing.assert_close(ours, plain, atol=1e-4, rtol=0)
    weights = torch.randn_like(plain)
    (theirs,) = torch.autograd.grad((plain * weights).sum(), x)
    (gradient,) = torch.autograd.grad((ours * weights).sum(), x)
    torch.testing.assert_close(gradient, theirs, atol=1e-4, rtol=0)


@pytest.mark.parametrize("mode", ["zeros", "reflect", "replicate", "circular"])
@pytest.mark.parametrize(
    ("size", "stride", "padding", "groups"), [(3, 1, 1, 1), (3, 1, 0, 1), (3, 2, 1, 1), (5, 1, 2, 1), (3, 1, 1, 2)]
)
def test_the_layer_is_that_of_pytorch(mode: str, size: int, stride: int, padding: int, groups: int) -> None:
    plain = nn.Conv2d(4, 6, size, stride, padding, groups=groups, padding_mode=mode)  # type: ignore[arg-type]
    ours = Conv2d(4, 6, size, stride, padding, groups=groups, padding_mode=mode)  # type: ignore[arg-type]
    ours.load_state_dict(plain.state_dict())
    x = torch.randn(2, 4, 41, 37).contiguous(memory_format=torch.channels_last)
    with torch.no_grad():
        torch.testing.assert_close(ours(x), plain(x), atol=1e-4, rtol=0)


def test_weights_that_change_are_seen() -> None:
    x, weight = torch.randn(1, 3, 40, 40), torch.randn(5, 3, 3, 3)
    first = conv2d(x, weight)
    weight.mul_(2)
    torch.testing.assert_close(conv2d(x, weight), first * 2, atol=1e-4, rtol=1e-4)
    with torch.inference_mode():
        torch.testing.assert_close(conv2d(x, weight * 2), first * 4, atol=1e-4, rtol=1e-4)


def test_a_training_has_gradients_of_its_weights() -> None:
    layer, x = Conv2d(3, 5, 3), torch.randn(1, 3, 40, 40)
    layer(x).square().mean().backward()
    assert layer.weight.grad is not None
    assert layer.weight.grad.abs().sum() > 0


def test_what_does_not_pay_is_left_alone(monkeypatch: pytest.MonkeyPatch) -> None:
    x, weight = torch.randn(1, 3, 40, 40), torch.randn(5, 3, 3, 3)
    monkeypatch.setattr(winograd, "WIDE", 16)
    monkeypatch.setattr(winograd, "WIDER", 16)
    assert torch.equal(conv2d(x, weight), F.conv2d(x, weight))
    monkeypatch.setattr(winograd, "WIDE", 1)
    monkeypatch.setattr(winograd, "WIDER", 1)
    assert torch.equal(conv2d(x.double(), weight.double()), F.conv2d(x.double(), weight.double()))
    assert torch.equal(conv2d(x[:, :, :20], weight), F.conv2d(x[:, :, :20], weight))


@pytest.mark.parametrize("mode", ["zeros", "reflect"])
@pytest.mark.parametrize("gradients", [False, True])
@pytest.mark.parametrize("groups", [1, 2])
def test_a_relu_behind_it(mode: str, gradients: bool, groups: int) -> None:
    layer = Conv2d(4, 6, 3, padding=1, groups=groups, padding_mode=mode)  # type: ignore[arg-type]
    for x in (torch.randn(2, 4, 20, 17), torch.randn(2, 4, 41, 37).contiguous(memory_format=torch.channels_last)):
        with torch.set_grad_enabled(gradients):
            made, plain = layer.active(x), layer(x).relu()
        torch.testing.assert_close(made, plain, atol=1e-6, rtol=0)
        assert made.requires_grad == gradients


@pytest.mark.parametrize("relu", [False, True])
@pytest.mark.parametrize("gradients", [False, True])
def test_what_it_is_added_to(relu: bool, gradients: bool) -> None:
    torch.manual_seed(0)
    weight, bias = torch.randn(6, 4, 3, 3, requires_grad=gradients), torch.randn(6)
    for side in (20, 41):
        for memory in (torch.contiguous_format, torch.channels_last):
            x = torch.randn(2, 4, side, 37).contiguous(memory_format=memory)
            before = torch.randn(2, 6, side - 2, 35).contiguous(memory_format=memory)
            with torch.set_grad_enabled(gradients):
                made = conv2d(x, weight, bias, relu=relu, onto=before.clone())
            plain = before + F.conv2d(x, weight, bias)
            torch.testing.assert_close(made, plain.relu() if relu else plain, atol=1e-4, rtol=0)
            assert made.requires_grad == gradients
