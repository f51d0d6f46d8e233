"""Moments: fast, and with the gradient that they must have."""

import pytest
import torch

from stylecli.nets.segments import moments


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
