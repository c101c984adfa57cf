"""Transformers of a space through the compiler, the command and the training."""

from __future__ import annotations

import pytest

import blockfront as suite
from blockfront.blocks import deploy
from blockfront.design_space import Network, VitNetwork
from blockfront.signature import Signature
from blockfront.sweep.stages import Job, train_network
from blockfront.targets import compile_model, get_target
from blockfront.training import Recipe, get_dataset, seeded

pytestmark = pytest.mark.processes

SPACE = """
from blockfront.design_space import Reduction, TransformerSpace, choice

space = TransformerSpace(
    "vits",
    resolution=16,
    num_classes=10,
    patch=4,
    depth=3,
    width=32,
    head_width=choice(8, 16),
    mlp_ratio=2,
    reductions=[Reduction("none"), Reduction("tome", r=3), Reduction("cropr", r=3)],
)
"""


@pytest.mark.parametrize("reduction", ["", "/tome_r5", "/cropr_r5", "/evit_keep0.7", "/random_r5"])
def test_a_transformer_compiles_for_a_board_with_every_kernel_scheduled(reduction):
    network = Network.parse(f"vit_32_n10/p4_d3_w32_h2_m2{reduction}")
    program = compile_model(deploy(network.build()), Signature.image(32), get_target("rk3399"), seed=0)
    assert program.unscheduled_kernels == ()
    assert program.max_rel_error <= 1e-4
    # Attention pads its keys to whole vectors, so kernels multiply more than the layers.
    assert sum(kernel.macs * kernel.calls for kernel in program.kernels) >= network.cost.macs


@pytest.mark.long
def test_a_sweep_profiles_trains_and_resumes(commands):
    (commands.folder / "tiny.py").write_text(SPACE)
    for n in (2, 3):
        done = commands.sample(n, "--workers", "1")
        assert done.returncode == 0, done.stderr
    frame = suite.load("vits-rk3399", commands.storage)
    assert sorted(frame["family"]) == ["vit", "vit_cropr", "vit_tome"]
    assert (frame["state"] == "complete").all()
    assert (frame["unscheduled_kernels"] == 0).all()
    assert frame["top1"].between(0, 1).all()
    assert list(frame["macs"]) == [Network.parse(text).cost.macs for text in frame["network"]]


def test_what_scores_tokens_is_learned_with_the_network(monkeypatch):
    network = Network.parse("vit_16_n10/p4_d3_w32_h2_m2/cropr_r3")
    with seeded(0):
        untrained = network.build().reducer
    built = []
    build = VitNetwork.build
    monkeypatch.setattr(VitNetwork, "build", lambda self: built.append(build(self)) or built[-1])
    job = Job(network.id, str(network), seed=0, threads=1)
    train_network(job, get_dataset("digits"), Recipe(epochs=1), "cpu")
    (trained,) = built
    after = trained.reducer.state_dict()
    changes = {name: value.ne(after[name]).any() for name, value in untrained.state_dict().items()}
    assert changes
    assert all(changes.values())
