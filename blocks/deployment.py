"""From the network that is trained to the network that runs."""

from __future__ import annotations

import copy

from torch import Tensor, nn

from blockfront.evaluation import in_evaluation

_FUSED = "_branches_are_fused"
_METHODS = ("fuse", "reparameterize", "switch_to_deploy")
"""What modules that can be re-parameterised call it: timm's, and repositories of papers'."""
_KEEPING_TO_IT = ("timm", __name__.partition(".")[0])
"""Packages whose `fuse` gives what takes the module's place, and whose other methods change it in place."""


def deploy(module: nn.Module) -> nn.Module:
    """A copy in evaluation mode with re-parameterisable branches fused into single convolutions.

    The module given is left as it is. Outputs agree with it, in evaluation mode, up to rounding.
    """
    return fuse_branches(_copy(module))


def fuse_branches(module: nn.Module) -> nn.Module:
    """`deploy` without the copy: changes `module` and returns it; what is fused already stays as it is.

    Modules say how themselves, by a method `fuse`, `reparameterize` or `switch_to_deploy`. Methods of the user's own
    modules and of other packages' may mean anything: they are tried on a copy, and what comes of it is taken unless
    they raise or `fuse` gives no module. (That of Ultralytics' heads takes their layers away.)
    """
    if not getattr(module, _FUSED, False):
        root = nn.Sequential(in_evaluation(module))
        _fuse_children(root, {})
        module = root[0]
        setattr(module, _FUSED, True)
    return in_evaluation(module)


def _fuse_children(parent: nn.Module, done: dict[int, nn.Module]) -> None:
    for name, child in parent._modules.items():
        if child is None:
            continue
        if id(child) not in done:
            done[id(child)] = _fused(child)
            _fuse_children(done[id(child)], done)
        if done[id(child)] is not child:
            setattr(parent, name, done[id(child)])


def _fused(module: nn.Module) -> nn.Module:
    method = next((name for name in _METHODS if callable(getattr(module, name, None))), None)
    if method is None:
        return module
    if type(module).__module__.partition(".")[0] in _KEEPING_TO_IT:
        given = getattr(module, method)()
        return given if method == _METHODS[0] else module
    try:
        changed = _copy(module)
        given = getattr(changed, method)()
    except Exception:
        return module
    if method == _METHODS[0]:
        return given if isinstance(given, nn.Module) else module
    return changed


def _copy(module: nn.Module) -> nn.Module:
    computed = {
        id(value): value.detach().clone()
        for part in module.modules()
        for value in vars(part).values()
        if isinstance(value, Tensor) and not value.is_leaf
    }  # Such as a pruned layer's weight; torch copies what it was computed from, and not it.
    return copy.deepcopy(module, dict(computed))
