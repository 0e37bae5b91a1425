import numpy as np
import pytest
import torch
from torch import nn

from viecomrec.errors import ArtifactError
from viecomrec.models.int8_linear import Int8Linear, int8_problem, to_int8


@pytest.fixture
def linear() -> nn.Linear:
    torch.manual_seed(0)
    return nn.Linear(64, 48).eval()


@torch.inference_mode()
def test_eight_bits_are_close_to_full_precision(linear):
    values = torch.randn(7, 5, 64)
    full, short = linear(values), Int8Linear(linear)(values)
    assert short.shape == full.shape
    cosines = torch.cosine_similarity(full.reshape(-1, 48), short.reshape(-1, 48))
    assert cosines.min() > 0.999


@torch.inference_mode()
def test_the_result_of_a_row_is_the_same_bytes_whatever_its_neighbours(linear):
    layer = Int8Linear(linear)
    row = torch.randn(1, 64)
    alone = layer(row)
    # A neighbour a thousand times larger would ruin a scale that the batch shares.
    together = layer(torch.cat([1000 * torch.randn(3, 64), row]))
    assert torch.equal(alone[0], together[3])


@torch.inference_mode()
def test_rows_of_zeros_give_the_bias(linear):
    np.testing.assert_allclose(
        Int8Linear(linear)(torch.zeros(2, 64))[1].numpy(), linear.bias.numpy(), atol=1e-7
    )


@torch.inference_mode()
def test_a_layer_without_bias_and_a_zero_weight_row():
    linear = nn.Linear(16, 4, bias=False)
    linear.weight[2].zero_()
    out = Int8Linear(linear)(torch.ones(1, 16))
    assert torch.isfinite(out).all()
    assert out[0, 2] == 0


def test_all_linear_layers_of_a_network_are_replaced():
    network = nn.Sequential(nn.Linear(4, 4), nn.Sequential(nn.GELU(), nn.Linear(4, 2)))
    to_int8(network)
    assert not [part for part in network.modules() if type(part) is nn.Linear]
    assert len([part for part in network.modules() if isinstance(part, Int8Linear)]) == 2


def test_this_torch_multiplies_8_bit_matrices_exactly():
    assert int8_problem() is None


def test_a_torch_without_the_private_product_is_recognised_and_refused_with_the_remedy(monkeypatch):
    monkeypatch.delattr(torch, "_int_mm")
    assert "has no product of 8-bit matrices" in int8_problem()
    with pytest.raises(ArtifactError, match=r"Remove artifacts/numeric_formats\.json"):
        to_int8(nn.Sequential(nn.Linear(4, 4)))


def test_a_product_that_saturates_is_not_trusted(monkeypatch):
    honest = torch._int_mm

    def in_16_bits(left, right):
        return honest(left, right).clamp(-32_768, 32_767)

    monkeypatch.setattr(torch, "_int_mm", in_16_bits)
    assert "multiplies 8-bit matrices wrongly here: [[32767]]" in int8_problem()


def test_a_product_that_this_machine_refuses_is_a_reason_too(monkeypatch):
    def refuse(*_):
        raise RuntimeError("not on this processor")

    monkeypatch.setattr(torch, "_int_mm", refuse)
    assert "not on this processor" in int8_problem()
