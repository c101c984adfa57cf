"""ExecuTorch with XNNPACK."""

from __future__ import annotations

import logging
import warnings
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING

from blockfront.engines.engine import Engine, Inference
from blockfront.errors import RunError, first_line
from blockfront.signature import Signature, leaves

if TYPE_CHECKING:
    import numpy as np
    from torch import nn


class ExecuTorch(Engine):
    """What XNNPACK takes is its; the rest are ExecuTorch's portable kernels, which are slow."""

    name = "executorch"
    title = "ExecuTorch, operators delegated to XNNPACK"
    packages = ("executorch", "torchao")
    extra = "executorch"

    def write(self, module: nn.Module, signature: Signature, folder: Path) -> None:
        """By torch.export and ExecuTorch's lowering, which takes up to minutes."""
        import torch
        from executorch.backends.xnnpack.partition.xnnpack_partitioner import XnnpackPartitioner
        from executorch.exir import to_edge_transform_and_lower

        try:
            with torch.no_grad(), warnings.catch_warnings():
                warnings.simplefilter("ignore")
                logging.disable(logging.WARNING)
                exported = torch.export.export(module, signature.zeros())
                lowered = to_edge_transform_and_lower(exported, partitioner=[XnnpackPartitioner()]).to_executorch()
        except Exception as error:  # Whatever torch and ExecuTorch raise for what they cannot take.
            raise RunError(f"ExecuTorch cannot lower it: {first_line(error)[:300]}") from error
        finally:
            logging.disable(logging.NOTSET)
        (folder / "model.pte").write_bytes(lowered.buffer)

    def start(self, folder: Path, inputs: Sequence[np.ndarray], threads: int) -> Inference:
        """ExecuTorch's own thread pool; its wheel takes and gives tensors of torch, which has no work then."""
        import torch
        from executorch.extension.pybindings.portable_lib import _unsafe_reset_threadpool
        from executorch.runtime import Runtime

        torch.set_num_threads(1)
        _unsafe_reset_threadpool(threads)
        program = Runtime.get().load_program(folder / "model.pte")
        method, tensors = program.load_method("forward"), [torch.from_numpy(array) for array in inputs]
        return lambda: [leaf.numpy() for _, leaf in leaves(list(method.execute(tensors)))]
