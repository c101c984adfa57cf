"""Operators that nothing here computes, and what to do about each kind."""

from __future__ import annotations

from typing import Any, NoReturn

import torch

from blockfront.errors import RunError
from blockfront.targets.compiler.decompositions.registry import Decomposition, decomposes

_COMPLEX = (
    "computes with complex numbers, which nothing here does: write a Fourier transform of a fixed size as products "
    "with matrices of cosines and sines, and a rotation as the two parts that it is made of"
)
_MATRICES = (
    "solves or factorises matrices, for which there is no kernel: do it before, of what does not depend on the input, "
    "or leave it to the program around the network"
)
_QUANTISED = (
    "makes tensors of a quantised type, which nothing here computes with: give the module in float32 as it was before "
    "its conversion"
)
_BOXES = (
    "chooses boxes, and how many depends on the values of the input, while compiled code has fixed sizes: give the "
    "module that ends before it, as benchmarks/zoo.py does with detectors"
)

REFUSED = {
    _COMPLEX: "_fft_r2c _fft_c2r _fft_c2c view_as_complex view_as_real complex polar",
    _MATRICES: "linalg_inv_ex _linalg_det _linalg_slogdet _linalg_solve_ex linalg_cholesky_ex _linalg_svd linalg_qr "
    "_linalg_eigh linalg_eig _linalg_eigvals linalg_pinv linalg_matrix_exp linalg_solve_triangular linalg_lu "
    "linalg_lu_factor_ex linalg_lstsq linalg_lu_solve linalg_ldl_factor_ex cholesky_inverse cholesky_solve "
    "triangular_solve geqrf",
    _QUANTISED: "quantize_per_tensor quantize_per_channel quantize_per_tensor_dynamic",
}
"""Packets of ATen by the reason."""


def _refusal(name: str, reason: str) -> Decomposition:
    def refuse(*_: Any, **__: Any) -> NoReturn:
        raise RunError(f"operator {name} {reason}")

    return refuse


decomposes("torchvision.nms.default")(_refusal("torchvision.nms", _BOXES))
for _reason, _packets in REFUSED.items():
    for _packet in _packets.split():
        for _overload in getattr(torch.ops.aten, _packet).overloads():
            if "out" not in _overload:
                decomposes(f"{_packet}.{_overload}")(_refusal(f"aten.{_packet}", _reason))
