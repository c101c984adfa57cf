"""Modules in the forms that torch gives them: exported programs are taken, TorchScript is refused where it stands."""

from __future__ import annotations

from pathlib import Path

import pytest

from blockfront.design_space.image_size import OWN_SIZE, ImageSize
from blockfront.design_space.models import Model, find_model
from blockfront.errors import RunError, UsageError
from blockfront.services.deployed import build_model
from blockfront.targets import compile_model, get_target

FACTORIES = """
import torch
from torch import nn

def plain():
    torch.manual_seed(0)
    return nn.Sequential(nn.Conv2d(3, 4, 3), nn.BatchNorm2d(4), nn.Dropout(0.5)).eval()

def program():
    return torch.export.export(plain(), (torch.zeros(1, 3, 12, 15),))

def module():
    return program().module()

def named():
    return torch.export.export(plain(), (), {"input": torch.zeros(1, 3, 12, 15)})

def traced():
    return nn.Sequential(torch.jit.trace(plain(), torch.zeros(1, 3, 12, 15)), nn.ReLU())
"""


@pytest.fixture(scope="module")
def factories(tmp_path_factory: pytest.TempPathFactory) -> Path:
    path = tmp_path_factory.mktemp("factories") / "exported_forms.py"
    path.write_text(FACTORIES)
    return path


def _model(factories: Path, name: str, size: ImageSize = OWN_SIZE) -> Model:
    return find_model(f"{factories}:{name}", size)


@pytest.mark.compiles
@pytest.mark.parametrize("name", ["program", "module"])
def test_an_exported_program_is_the_module_that_was_exported(factories: Path, name: str) -> None:
    size = ImageSize(12, 15)
    model = _model(factories, name, OWN_SIZE if name == "program" else size)
    assert model.signature == _model(factories, "plain", size).signature
    module, cost = build_model(model)
    assert cost == build_model(_model(factories, "plain", size))[1]
    assert compile_model(module, model.signature, get_target("host"), threads=1, seed=1).max_rel_error < 1e-5


def test_a_program_of_named_inputs_is_refused(factories: Path) -> None:
    with pytest.raises(UsageError, match="exported with other inputs than tensors, each by its position"):
        _model(factories, "named")


@pytest.mark.filterwarnings("ignore:.*torch.jit.trace")
def test_torchscript_is_refused_by_the_name_of_its_part(factories: Path) -> None:
    with pytest.raises(RunError, match=r"^0 of .*:traced is TorchScript, which hides its operators"):
        build_model(_model(factories, "traced"))
