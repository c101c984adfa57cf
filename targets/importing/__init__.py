"""ExportedProgram to Relax with images stored channels-last.

Every value carries the order in which its logical torch dimensions are stored: `order[i]` is the logical
dimension at stored position i, so stored = logical.permute(order). Convolutions store NHWC, permutations only
change the order, and an operator without a rule here gets its inputs restored to torch's own order. Channel
shuffles, ConvNeXt's permutes and flattening thereby cost what they must and nothing more.
"""

from __future__ import annotations

import torch
from torch.export import ExportedProgram
from tvm import IRModule

from bench.targets.importing import arithmetic, images, layout, tokens
from bench.targets.importing.importer import Importer

__all__ = ["arithmetic", "images", "import_program", "layout", "tokens"]


def import_program(exported: ExportedProgram) -> IRModule:
    """Convert to a Relax module whose function `main` takes the image in torch's NCHW order.

    Operators TVM has no converter for are decomposed by torch first.
    """
    importer = Importer()
    missing = importer.missing(exported)
    if missing:
        table = torch.export.default_decompositions()
        exported = exported.run_decompositions({op: table[op] for op in missing if op in table})
        importer = Importer()
    return importer.from_exported_program(
        exported,
        keep_params_as_input=False,
        unwrap_unit_return_tuple=True,
        no_bind_return_tuple=False,
        custom_convert_map=None,
    )
