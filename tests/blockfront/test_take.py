"""`bench take`: what is handed over computes what torch does, and nothing half-written is left."""

import re
import runpy
import shutil
import subprocess

import numpy as np
import pytest
import torch
from safetensors.torch import save_file
from torch import nn

from blockfront.cli import run
from blockfront.design_space import Network
from blockfront.design_space.models import find_model
from blockfront.engines import onnx_file
from blockfront.errors import RunError, UsageError
from blockfront.services.preparation import find_preparation, weights_preparation
from blockfront.services.take import weights_of
from blockfront.signature import Signature
from blockfront.study.weights import weights_path
from blockfront.training import load_weights, pack_weights
from blockfront.training.preparing import Preparation

CNN = "cnn_32_n10/stem_k3_s1_c8_nrelu/ir_r1_k3_s2_e2_c8_se0_nrelu6/head"


@pytest.fixture
def quietly(tmp_path, monkeypatch, capsys):
    """Runs a command line in an empty folder; gives its exit code, and what it said on standard error."""
    monkeypatch.chdir(tmp_path)

    def call(*arguments):
        code = run([*arguments, "--quiet"])
        return code, capsys.readouterr().err

    return call


def trained():
    torch.manual_seed(3)
    return Network.parse(CNN).build()


@pytest.mark.compiles
def test_a_network_of_a_space_is_handed_over_with_its_weights(quietly, tmp_path):
    torch.save({"state_dict": trained().state_dict()}, tmp_path / "trained.pt")
    assert quietly("take", CNN, "--weights", "trained.pt", "--threads", "1", "-o", "taken") == (0, "")
    taken = tmp_path / "taken"
    wanted = {"example.c", "libnet.a", "libnet.so", "load.py", "model.onnx", "net.h", "network.txt"}
    assert {path.name for path in taken.iterdir()} >= wanted
    assert Network.parse((taken / "network.txt").read_text()) == Network.parse(CNN)
    image = torch.randn(1, 3, 32, 32, generator=torch.Generator().manual_seed(5))
    with torch.no_grad():
        assert torch.equal(runpy.run_path(str(taken / "load.py"))["model"](image), trained().eval()(image))
    runtime = pytest.importorskip("onnxruntime")
    session = runtime.InferenceSession(str(taken / "model.onnx"), providers=["CPUExecutionProvider"])
    (found,) = session.run(None, {"image": image.numpy()})
    assert np.allclose(found, Network.parse(CNN).deploying(trained())(image).detach(), atol=1e-5)


DETECTOR = "det_32_d3/stem_k3_s2_c8_nrelu/ds_r1_k3_s2_c8_nrelu6/ssdlite_l1_sabcd"


@pytest.mark.compiles
@pytest.mark.processes
@pytest.mark.skipif(shutil.which("cc") is None, reason="needs a C compiler")
def test_the_example_of_a_detector_prints_the_boxes_of_torch(quietly, tmp_path):
    torch.manual_seed(3)
    module = Network.parse(DETECTOR).build()
    for classes, _ in module.head.own.values():
        nn.init.normal_(classes[-1].weight, std=2.0)
    prepared = Preparation((0.25,) * 3, (0.5,) * 3, "bilinear")
    facts = {"network": DETECTOR, "preparation": prepared}
    (tmp_path / "trained.safetensors").write_bytes(pack_weights(module, facts))
    assert quietly("take", "trained.safetensors", "--threads", "1", "-o", "taken") == (0, "")
    taken = tmp_path / "taken"
    image = torch.randn(1, 3, 32, 32, generator=torch.Generator().manual_seed(5))
    (tmp_path / "image.bin").write_bytes(image.numpy().tobytes())
    build = ["cc", "-Wall", "-Wextra", "-Werror", "-O2", "example.c", "libnet.a", "-lm", "-lpthread", "-o", "example"]
    subprocess.run(build, cwd=taken, check=True)
    said = subprocess.run([taken / "example", "image.bin"], cwd=tmp_path, capture_output=True, text=True, check=True)
    printed = [[float(number) for number in re.findall(r"[0-9.]+", line)] for line in said.stdout.splitlines()[:-1]]
    wanted = runpy.run_path(str(taken / "load.py"))["boxes"](image)
    assert len(printed) == len(wanted) > 10
    assert np.allclose(printed, wanted, atol=1e-3)
    for file in ("net.h", "load.py"):
        text = " ".join((taken / file).read_text().split())
        assert "is stretched to 32 x 32 pixels (bilinear), height x width. It is red, green, blue" in text
        assert "less the mean 0.25, 0.25, 0.25 and then over the standard deviation 0.5, 0.5, 0.5." in text


@pytest.mark.parametrize(
    ("name", "said"),
    [
        (
            "mobilenetv3_small_050",
            "covers 256 x 256 pixels (bicubic, antialiased), of which the middle 224 x 224 is kept",
        ),
        ("torchvision:mobilenet_v2", "covers 232 x 232 pixels (bilinear, antialiased), of which the middle 224 x 224"),
        (CNN, "covers 32 x 32 pixels (bicubic, antialiased), of which the middle 32 x 32 is kept, height x width"),
    ],
)
def test_a_classifier_says_how_pictures_are_prepared(name, said):
    model = find_model(name)
    assert said in find_preparation(model, model.build(), None).describe(*model.signature.inputs[0].shape[2:])


def test_weights_of_trainings_that_do_not_say_how_leave_it_open(tmp_path):
    path = tmp_path / "old.safetensors"
    path.write_bytes(pack_weights(trained(), {"network": CNN, "recipe": {}}))
    assert find_preparation(find_model(str(path)), trained(), weights_preparation(str(path))) is None


@pytest.mark.compiles
@pytest.mark.parametrize(
    ("arguments", "expected", "code"),
    [
        ("--target rpi44", "unknown target 'rpi44'", 2),
        ("--target jetson_orin_nano_gpu", "is a GPU", 2),
        ("--target eyeriss", "eyeriss", 2),
        ("-o full", "full is not empty", 2),
        ("-o full/file", "full/file is a file", 2),
        ("-o no/such/folder", "cannot write no/such/folder", 1),
        ("--precision int4", "C libraries are made in float32, float16 or int8, not in int4", 2),
        ("--precision int8", "with the weights of a study in int8", 2),
        ("--target visionfive2 --precision int8", "visionfive2 has no instruction that int8 kernels use", 2),
        ("--target rpi4 --precision float16", "rpi4 has no arithmetic that float16 kernels use", 2),
        ("--name 2nd", "cannot begin the names of a C library", 2),
        ("--threads 0", "--threads must be 1 to", 2),
        ("--weights absent.pt", "there is no file absent.pt", 2),
        ("--weights full/file", "holds no weights that can be read without running its code", 2),
        ("--weights foreign.safetensors", "it lacks", 2),
        ("--weights short.safetensors", "does not fit the network: ", 2),
    ],
)
def test_a_wrong_call_leaves_nothing(quietly, tmp_path, arguments, expected, code):
    (tmp_path / "full").mkdir()
    (tmp_path / "full" / "file").write_text("none")
    save_file({"other": torch.zeros(1)}, tmp_path / "foreign.safetensors")
    save_file({name: torch.zeros(1) for name in trained().state_dict()}, tmp_path / "short.safetensors")
    before = sorted(tmp_path.rglob("*"))
    given = arguments.split()
    output = [] if "-o" in given else ["-o", "taken"]
    found, said = quietly("take", CNN, *given, *output)
    assert (found, said.count("\n")) == (code, 1)
    assert expected in said
    assert sorted(tmp_path.rglob("*")) == before


def test_weights_that_do_not_fit_are_refused_before_anything_is_compiled(quietly, tmp_path, monkeypatch):
    monkeypatch.setenv("BENCH_CACHE", str(tmp_path / "cache"))
    save_file({"stem": torch.zeros(1)}, "short.safetensors")
    code, said = quietly("take", CNN, "--target", "rpi5", "--weights", "short.safetensors", "-o", "taken")
    assert code == 2
    assert "does not fit the network" in said
    assert not (tmp_path / "cache" / "kernels").exists()


def test_weights_of_a_pickle_that_runs_code_are_not_read(tmp_path):
    class Harmful:
        def __reduce__(self):
            return (open, (str(tmp_path / "written"), "w"))

    torch.save({"state_dict": Harmful()}, tmp_path / "harmful.pt")
    with pytest.raises(ValueError, match="without running its code"):
        load_weights(nn.Linear(1, 1), tmp_path / "harmful.pt")
    assert not (tmp_path / "written").exists()


def test_weights_fit_under_the_names_of_parallel_training(tmp_path):
    module, other = nn.Linear(2, 3), nn.Linear(2, 3)
    torch.save({f"module.{name}": tensor for name, tensor in module.state_dict().items()}, tmp_path / "w.pth")
    load_weights(other, tmp_path / "w.pth")
    assert torch.equal(module.weight, other.weight)


def test_weights_of_frozen_norms_lack_the_counts_of_batches_and_fit(tmp_path):
    module, other = nn.BatchNorm2d(3), nn.BatchNorm2d(3)
    nn.init.normal_(module.weight)
    frozen = {name: tensor for name, tensor in module.state_dict().items() if name != "num_batches_tracked"}
    torch.save(frozen, tmp_path / "w.pth")
    load_weights(other, tmp_path / "w.pth")
    assert torch.equal(module.weight, other.weight)
    torch.save({**frozen, "other": module.bias}, tmp_path / "w.pth")
    with pytest.raises(UsageError, match="1 tensor such as other"):
        load_weights(other, tmp_path / "w.pth")


def test_what_torch_cannot_export_is_said_in_a_line_and_leaves_no_file(tmp_path, monkeypatch):
    class Odd(nn.Module):
        def forward(self, x):
            raise NotImplementedError("nothing\nat all")

    monkeypatch.setattr(onnx_file, "find_spec", lambda name: None)  # The other exporter takes seconds to import.
    with pytest.raises(RunError, match=r"^torch cannot write it as ONNX: .* pip install 'blockfront\[peers\]'$"):
        onnx_file.write_onnx(Odd(), Signature.image(4), tmp_path / "model.onnx")
    assert not list(tmp_path.iterdir())


def test_a_module_with_a_state_that_is_no_tensor_is_written(tmp_path):
    class Versioned(nn.Conv2d):
        def get_extra_state(self):
            return {"version": 2}

    onnx_file.write_onnx(Versioned(3, 4, 3).eval(), Signature.image(4), tmp_path / "model.onnx")
    assert [path.name for path in tmp_path.iterdir()] == ["model.onnx"]


def test_weights_that_a_sweep_kept_are_found_by_the_network(tmp_path):
    storage = f"sqlite:///{tmp_path / 'bench.db'}"
    model = find_model(CNN)
    assert weights_of(model, storage) is None
    for seed in (3, 1):
        path = weights_path(storage, "a study", Network.parse(CNN).id, seed)
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(pack_weights(trained(), {"network": CNN}))
    assert weights_of(model, storage) == path
    assert weights_of(find_model("resnet18"), storage) is None
