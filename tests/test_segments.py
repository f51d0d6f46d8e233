"""Moments: fast, and with the gradient that they must have."""

import pytest
import torch

from stylecli.nets.gaussians import transport
from stylecli.nets.segments import moments
from stylecli.nets.style_changes import applied


def test_moments_and_their_gradients():
    torch.manual_seed(0)
    x = (torch.randn(2, 3, 5, 4, dtype=torch.double) * 2 + 5).requires_grad_(True)
    found = moments(x)
    assert torch.allclose(found.mean, x.mean((2, 3), keepdim=True))
    assert torch.allclose(found.covariance, x.var((2, 3), keepdim=True, correction=0))
    assert found.positions.flatten().tolist() == [20, 20]
    assert torch.autograd.gradcheck(lambda x: moments(x)[:2], (x,))
    flat = x.detach().float().to(memory_format=torch.channels_last)
    with torch.inference_mode():
        assert torch.allclose(moments(flat).covariance, found.covariance.float(), atol=1e-5)


@pytest.mark.parametrize("size", [(40, 36), (41, 37)])
@pytest.mark.parametrize("channels", [1, 3, 12, 20])
def test_moments_of_few_channels(channels: int, size: tuple[int, int]):
    x = torch.randn(2, channels, *size, generator=torch.Generator().manual_seed(0)) * 3 + 5
    for laid in (x, x.contiguous(memory_format=torch.channels_last)):
        found = moments(laid)
        variance, mean = torch.var_mean(x.double(), (2, 3), keepdim=True, correction=0)
        assert torch.allclose(found.mean.double(), mean, rtol=1e-5)
        assert torch.allclose(found.covariance.double(), variance, rtol=1e-5)


@pytest.mark.parametrize("size", [(40, 36), (41, 37), (1, 1)])
@pytest.mark.parametrize("channels", [1, 3, 20, 70])
@pytest.mark.parametrize(("mean", "deviation"), [(0.0, 1.0), (5.0, 3.0), (100.0, 0.01)])
def test_covariances_however_they_lie_in_memory(channels: int, size: tuple[int, int], mean: float, deviation: float):
    generator = torch.Generator().manual_seed(0)
    x = torch.randn(1, channels, *size, generator=generator) * deviation + mean
    around = torch.zeros(1, channels + 2, size[0] + 3, size[1] + 5).contiguous(memory_format=torch.channels_last)
    around[:, 1:-1, 2:-1, 3:-2] = x
    rows = x.double().flatten(2)
    exact, middle = torch.cov(rows[0], correction=0).reshape(channels, channels), rows.mean(2)
    laid = [x, x.contiguous(memory_format=torch.channels_last), around[:, 1:-1, 2:-1, 3:-2]]
    with torch.inference_mode():
        for one in laid:
            found = moments(one, None, True)
            assert torch.allclose(found.mean.double().flatten(1), middle, rtol=1e-6, atol=deviation * 1e-5)
            assert torch.allclose(found.covariance[0].double(), exact, rtol=0, atol=deviation**2 * 2e-4)
            assert found.positions.item() == size[0] * size[1]


def test_transport_gives_one_covariance_the_other():
    torch.manual_seed(0)
    for channels in (1, 3, 40):
        now, wanted = (x @ x.mT / 200 for x in torch.randn(2, 2, channels, 200, dtype=torch.double))
        moves = transport(now, wanted)
        assert torch.allclose(moves, moves.mT)
        assert torch.linalg.eigvalsh(moves).min() > 0
        assert torch.allclose(moves @ now @ moves, wanted)


def test_every_pixel_through_a_matrix():
    torch.manual_seed(0)
    x, matrix, offset = torch.randn(2, 5, 6, 7), torch.randn(2, 5, 5), torch.randn(2, 1, 5)
    exact = torch.einsum("ndc,nchw->ndhw", matrix, x) + offset[:, 0, :, None, None]
    for laid in (x, x.contiguous(memory_format=torch.channels_last)):
        assert torch.allclose(applied(laid, matrix, offset), exact, atol=1e-5)
        with torch.inference_mode():
            assert torch.allclose(applied(laid[:1], matrix[:1], offset[:1]), exact[:1], atol=1e-5)
