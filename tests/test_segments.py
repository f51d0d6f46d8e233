"""Moments: fast, and with the gradient that they must have."""

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
