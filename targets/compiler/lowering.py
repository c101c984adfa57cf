"""Relax passes before and after scheduling: to fused kernels, and from kernels to a planned program."""

from __future__ import annotations

import tvm
from tvm import relax

from blockfront.integer import exact
from blockfront.targets.compiler.exporting import Trace
from blockfront.targets.compiler.grouped import grouped_legalization
from blockfront.targets.compiler.importing import Importer
from blockfront.targets.compiler.legalizing import Legalize, legalize, remembered
from blockfront.targets.compiler.winograd import winograd_legalization
from blockfront.targets.hardware.integer import require_int8
from blockfront.targets.hardware.target import Target


def lower(trace: Trace, target: Target, threads: int) -> tvm.IRModule:
    """Import, legalise and fuse; every PrimFunc of the result is one unscheduled kernel."""
    if any(exact(node.target) for node in trace.graph.nodes):
        require_int8(target)
    legalizations = rules(target, threads)
    with target.compiler():
        return tvm.transform.Sequential(
            [
                relax.transform.DeadCodeElimination(),
                relax.transform.LegalizeOps(legalizations),
                relax.transform.AnnotateTIROpPattern(),
                relax.transform.FuseOps(),
                relax.transform.FuseTIR(),
                relax.transform.RewriteDataflowReshape(),
                relax.transform.DeadCodeElimination(),
            ]
        )(Importer(legalizations, target.machine(threads)).module(trace))


def rules(target: Target, threads: int) -> dict[str, Legalize]:
    """How each operator becomes kernels, for `threads` cores of `target`; dlight knows nothing of Winograd."""
    machine = target.machine(threads)
    if machine is None:
        return remembered()
    perhaps_winograd = winograd_legalization(target, threads)
    perhaps_padded = grouped_legalization(machine)

    def convolution(builder: relax.BlockBuilder, call: relax.Call) -> relax.Expr:
        *window, _, outputs = (int(extent) for extent in call.args[1].ty.shape)
        if int(call.attrs.groups) > 1 or outputs == 1:
            return perhaps_padded(builder, call)
        dense = window == [3, 3]
        # To infer the shape of the output takes as long as all the rest.
        return perhaps_winograd(builder, builder.normalize(call)) if dense else legalize(builder, call)

    return remembered() | {"relax.nn.conv2d": convolution}


def finalize(module: tvm.IRModule, target: tvm.target.Target | None = None) -> tuple[relax.VMExecutable, tvm.IRModule]:
    """Plan the memory of a scheduled module and turn its calls into the virtual machine's code.

    The code holds the weights; kernels in the module are built for `target`, and without any it belongs to no target.
    Also gives the module with its memory planned; see `planning`.
    """
    planned = tvm.transform.Sequential(
        [
            relax.transform.ToNonDataflow(),
            relax.transform.RemovePurityChecking(),
            relax.transform.CallTIRRewrite(),
            relax.transform.StaticPlanBlockMemory(),
        ]
    )(module)
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
    return relax.build(lowered, target, relax_pipeline=None), planned
