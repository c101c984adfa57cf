"""One step of a recurrent layer, and bags of embeddings."""

from __future__ import annotations

from collections.abc import Callable, Sequence

import torch
import torch.nn.functional as F
from torch import Tensor

from blockfront.errors import RunError
from blockfront.targets.compiler.decompositions.registry import decomposes


@decomposes("lstm_cell.default")
def _long_short_term(
    input: Tensor, hx: Sequence[Tensor], w_ih: Tensor, w_hh: Tensor, b_ih: Tensor | None, b_hh: Tensor | None
) -> tuple[Tensor, Tensor]:
    gates = F.linear(input, w_ih, b_ih) + F.linear(hx[0], w_hh, b_hh)
    read, forget, new, write = gates.chunk(4, 1)
    cell = forget.sigmoid() * hx[1] + read.sigmoid() * new.tanh()
    return write.sigmoid() * cell.tanh(), cell


@decomposes("gru_cell.default")
def _gated(input: Tensor, hx: Tensor, w_ih: Tensor, w_hh: Tensor, b_ih: Tensor | None, b_hh: Tensor | None) -> Tensor:
    reset, update, new = F.linear(input, w_ih, b_ih).chunk(3, 1)
    old_reset, old_update, old = F.linear(hx, w_hh, b_hh).chunk(3, 1)
    fresh = (new + (reset + old_reset).sigmoid() * old).tanh()
    kept = (update + old_update).sigmoid()
    return fresh + kept * (hx - fresh)


def _plain(activation: Callable[[Tensor], Tensor]) -> Callable[..., Tensor]:
    def step(input: Tensor, hx: Tensor, w_ih: Tensor, w_hh: Tensor, b_ih: Tensor | None, b_hh: Tensor | None) -> Tensor:
        return activation(F.linear(input, w_ih, b_ih) + F.linear(hx, w_hh, b_hh))

    return step


decomposes("rnn_tanh_cell.default")(_plain(torch.tanh))
decomposes("rnn_relu_cell.default")(_plain(torch.relu))


_BAGS: dict[int, Callable[..., Tensor]] = {0: Tensor.sum, 1: Tensor.mean, 2: Tensor.amax}


@decomposes("_embedding_bag.default", "_embedding_bag_forward_only.default")
def _bags(
    weight: Tensor,
    indices: Tensor,
    offsets: Tensor,
    scale_grad_by_freq: bool = False,
    mode: int = 0,
    sparse: bool = False,
    per_sample_weights: Tensor | None = None,
    include_last_offset: bool = False,
    padding_idx: int = -1,
) -> tuple[Tensor, None, None, None]:
    """The sum (mode 0), mean (1) or maximum (2) of the rows of each bag; a bag of none is zeros."""
    if padding_idx >= 0:
        raise RunError("an embedding bag with padding_idx is not supported: its bags depend on the values of the input")
    rows = F.embedding(indices, weight)
    if per_sample_weights is not None:
        rows = rows * per_sample_weights.unsqueeze(1)
    starts = offsets.tolist()
    ends = [*starts[1:], *([] if include_last_offset else [len(indices)])]
    reduced = _BAGS[mode]
    lengths = {end - start for start, end in zip(starts, ends, strict=False)}
    if len(lengths) == 1 and (length := lengths.pop()) and not starts[0]:
        return reduced(rows.unflatten(0, (-1, length)), 1), None, None, None
    bags = [
        reduced(rows[start:end], 0) if end > start else torch.zeros(weight.shape[1])
        for start, end in zip(starts, ends, strict=False)
    ]
    return torch.stack(bags), None, None, None
