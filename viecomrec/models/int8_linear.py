"""Linear layers in 8-bit integers whose result for a row depends on that row alone.

Weights are scaled per output, activations per row, at run time; sums are exact integers. Torch's
own dynamic quantisation scales the whole batch by its largest number, so that a text's vector
would change with its neighbours.
"""

from collections.abc import Iterator
from typing import Any

import numpy as np
import torch
from torch import nn

from viecomrec.errors import ArtifactError
from viecomrec.models.int8_kernels import quantise_rows, rescale


class Int8Linear(nn.Module):
    """Stands in for an `nn.Linear` on the CPU, for inference only."""

    def __init__(self, linear: nn.Linear) -> None:
        super().__init__()
        weight = linear.weight.detach().float()
        scales = (weight.abs().amax(dim=1) / 127).clamp_(min=1e-12)
        quantised = (weight / scales[:, None]).round_().to(torch.int8)
        bias = torch.zeros(len(weight)) if linear.bias is None else linear.bias.detach().float()
        self.in_features = linear.in_features
        self.out_features = linear.out_features
        self._weight = quantised.t().contiguous()
        self._scales = scales.numpy()
        self._bias = bias.numpy()

    def forward(self, values: torch.Tensor) -> torch.Tensor:
        rows = values.reshape(-1, self.in_features).numpy()
        quantised = np.empty(rows.shape, dtype=np.int8)
        row_scales = np.empty(len(rows), dtype=np.float32)
        quantise_rows(rows, quantised, row_scales)
        sums = torch._int_mm(torch.from_numpy(quantised), self._weight)  # noqa: SLF001
        out = torch.empty(sums.shape, dtype=torch.float32)
        rescale(sums.numpy(), row_scales, self._scales, self._bias, out.numpy())
        return out.view(*values.shape[:-1], self.out_features)


def int8_problem() -> str | None:
    """Why 8-bit layers cannot be used with this torch on this machine; None where they can.

    They rest on a private name, since the public product of integer matrices takes 8 to 23 times
    the time: another torch may lack it, or sum otherwise.
    """
    if not hasattr(torch, "_int_mm"):
        return f"torch {torch.__version__} has no product of 8-bit matrices"
    row = torch.tensor([[127, -127, 1, 0] * 160], dtype=torch.int8)
    exact = int((row.long() ** 2).sum())
    try:
        found = torch._int_mm(row, row.t().contiguous())  # noqa: SLF001
    except (RuntimeError, TypeError, NotImplementedError) as error:
        return f"torch {torch.__version__} cannot multiply 8-bit matrices here ({error})"
    if found.dtype is torch.int32 and int(found) == exact:
        return None
    return (
        f"torch {torch.__version__} multiplies 8-bit matrices wrongly here: "
        f"{found.tolist()} instead of {exact}"
    )


def to_int8(model: Any) -> Any:
    """Put 8-bit layers in place of the linear ones, for good; returns the same model.

    ArtifactError where 8 bits were chosen once and this torch cannot calculate in them.
    """
    if problem := int8_problem():
        raise ArtifactError(
            f"{problem}. Remove artifacts/numeric_formats.json: the format is then chosen again, "
            "and full precision is used where 8 bits cannot be."
        )
    for parent, name, linear in list(_linears(model)):
        setattr(parent, name, Int8Linear(linear))
    return model


def _linears(model: nn.Module) -> Iterator[tuple[nn.Module, str, nn.Linear]]:
    for parent in model.modules():
        for name, child in parent.named_children():
            if isinstance(child, nn.Linear):
                yield parent, name, child
