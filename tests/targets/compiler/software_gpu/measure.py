"""Compiles networks for the GPU in software and measures one of them there; prints what came out as JSON."""

import json
import sys
import tempfile
from pathlib import Path

import loader

with tempfile.TemporaryDirectory() as folder:
    loader.load(Path(folder))

    import msgspec
    import timm
    import torch

    from blockfront.blocks import deploy
    from blockfront.blocks.tokens import reduce_tokens
    from blockfront.design_space import Network
    from blockfront.signature import Signature
    from blockfront.targets import METERS, RunOptions, compile_model, get_target

    loader.use_compiler(Path(folder))
    gpu = get_target("cuda")
    torch.manual_seed(0)
    patches = timm.create_model("vit_tiny_patch16_224", img_size=32, patch_size=4, depth=1, num_classes=10)
    networks = {
        "families": deploy(Network.parse(sys.argv[1]).build()),
        "transformer": timm.create_model("vit_tiny_patch16_224", img_size=32, depth=1, num_classes=10),
        "fewer tokens": reduce_tokens(patches, "tome", r=20),
    }
    programs = {name: compile_model(module, Signature.image(32), gpu, seed=0) for name, module in networks.items()}
    options = RunOptions(target=gpu, threads=gpu.check_threads(None), seconds=0, repeats=2, sample_ms=0)
    METERS["local"].check(options)
    latency = METERS["local"].latency(programs["transformer"], options)
    print(
        json.dumps(
            {
                "programs": {
                    name: {
                        "max_rel_error": program.max_rel_error,
                        "verified_on": program.verified_on,
                        "rules": {kernel.name: kernel.rule for kernel in program.kernels},
                    }
                    for name, program in programs.items()
                },
                "latency": msgspec.to_builtins(latency),
            }
        )
    )
