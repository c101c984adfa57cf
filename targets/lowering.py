"""Relax passes before and after scheduling: to fused kernels, and from kernels to a planned program."""

from __future__ import annotations

from typing import Any

import tvm
from torch.export import ExportedProgram
from tvm import relax

from bench.targets.approximations import LEGALIZATIONS
from bench.targets.constants import FoldConstants
from bench.targets.importing import import_program


def lower(exported: ExportedProgram, target: tvm.target.Target) -> tvm.IRModule:
    """Import, legalise and fuse; every PrimFunc of the result is one unscheduled kernel."""
    with target:
        return tvm.transform.Sequential(
            [
                FoldConstants(),
                relax.transform.CanonicalizeBindings(),
                relax.transform.DeadCodeElimination(),
                relax.transform.LegalizeOps(LEGALIZATIONS),
                relax.transform.AnnotateTIROpPattern(),
                relax.transform.FuseOps(),
                relax.transform.FuseTIR(),
                relax.transform.RewriteDataflowReshape(),
                relax.transform.DeadCodeElimination(),
            ]
        )(import_program(exported))


def finalize(module: tvm.IRModule) -> tuple[tvm.IRModule, int]:
    """Plan the memory of a scheduled module and lower its calls; also the bytes planned for activations."""
    planned = tvm.transform.Sequential(
        [
            relax.transform.ToNonDataflow(),
            relax.transform.RemovePurityChecking(),
            relax.transform.CallTIRRewrite(),
            relax.transform.StaticPlanBlockMemory(),
        ]
    )(module)
    peak = _planned_bytes(planned)
    lowered = tvm.transform.Sequential(
        [
            relax.transform.LowerAllocTensor(),
            relax.transform.KillAfterLastUse(),
            relax.transform.LowerRuntimeBuiltin(),
            relax.transform.ComputePrimValue(),
            relax.transform.VMShapeLower(),
            relax.transform.AttachGlobalSymbol(),
        ]
    )(planned)
    return lowered, peak


def _planned_bytes(module: tvm.IRModule) -> int:
    total = 0

    def visit(node: Any) -> None:
        nonlocal total
        if isinstance(node, relax.Call) and getattr(node.op, "name", "") == "relax.memory.alloc_storage":
            total += int(node.args[0].values[0])
        elif isinstance(node, relax.Call) and getattr(node.op, "name", "") == "relax.builtin.alloc_tensor":
            total += _tensor_bytes(node)

    relax.analysis.post_order_visit(module["main"], visit)
    return total


def _tensor_bytes(node: Any) -> int:
    elements = 1
    for extent in node.args[0].values:
        elements *= int(extent)
    return elements * tvm.DataType(str(node.args[1].value)).bits // 8
