"""What pretrained weights compute, beside the files that they come from: fetches them, and Debian's photographs.

    python benchmarks/pretrained.py

The features of DINOv2's encoder against those that ONNX Runtime finds in its own file, with that file's positions and
with timm's; which photograph of OpenCV's documentation (96 MB) is nearest to which by DINOv2's class token; and what
EfficientNet-Lite sees on them. They have no labels: judge by their names.
"""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import torch

PHOTOGRAPHS = ("squirrel_cls", "baboon", "messi5", "fruits", "orange", "apple", "home", "building")
PAIRS = ("aloeL", "aloeR", "leuvenA", "leuvenB", "left01", "right01")
"""Three scenes, each taken twice."""
FEATURES, POSITIONS = "/backbone/layernorm/Add_1_output_0", "/backbone/embeddings/Concat_6_output_0"
"""Values within the encoder's graph."""


def encoder() -> None:
    import onnx
    import onnxruntime
    import timm

    from blockfront.training import PRETRAINED, give_weights

    model: Any = timm.create_model("vit_small_patch14_dinov2", img_size=224).eval()
    give_weights(model, "dinov2_small")
    file = onnx.load_from_string(PRETRAINED["dinov2_small"].fetch())
    for name in (FEATURES, POSITIONS):
        file.graph.output.append(onnx.helper.make_tensor_value_info(name, onnx.TensorProto.FLOAT, None))
    session = onnxruntime.InferenceSession(file.SerializeToString(), providers=["CPUExecutionProvider"])
    image = torch.randn(1, 3, 224, 224, generator=torch.Generator().manual_seed(0))
    features, positions = map(torch.from_numpy, session.run([FEATURES, POSITIONS], {"input_image": image.numpy()}))
    with torch.no_grad():
        resampled = (model.forward_features(image) - features).abs().max()
        model.pos_embed.copy_(positions)
        own = (model.forward_features(image) - features).abs().max()
    print(f"features up to {features.abs().max():.1f}: off by {own:.1e}, with timm's positions {resampled:.2f}")


def found(name: str) -> Path:
    """A photograph of Debian's package by the end of its path without .jpg or .png; it is fetched once."""
    from blockfront.content_store import cache_folder
    from blockfront.debian import unpack

    folder = cache_folder() / "opencv-doc"
    if not folder.exists():
        unpack(["opencv-doc"], "all", folder)
    return next(path for suffix in ("jpg", "png") for path in sorted(folder.rglob(f"{name}.{suffix}")))


def prepared(model: Any, names: Sequence[str]) -> torch.Tensor:
    """Photographs as the configuration of a network of timm's says, (photographs, 3, height, width)."""
    from PIL import Image
    from timm.data import create_transform, resolve_data_config

    views = create_transform(**resolve_data_config({}, model=model, use_test_size=True))
    return torch.stack([views(Image.open(found(name)).convert("RGB")) for name in names])


def outputs(model: Any, names: Sequence[str]) -> torch.Tensor:
    """What a network of timm's gives for photographs, (photographs, outputs)."""
    with torch.no_grad():
        return model.eval()(prepared(model, names))


def neighbours() -> None:
    import timm

    from blockfront.training import give_weights

    model = timm.create_model("vit_small_patch14_dinov2", img_size=224)
    give_weights(model, "dinov2_small")
    model.pretrained_cfg = {**model.pretrained_cfg, "input_size": (3, 224, 224)}
    names = [*PAIRS, *PHOTOGRAPHS]
    features = torch.nn.functional.normalize(outputs(model, names), dim=1)
    cosines = features @ features.T - 2 * torch.eye(len(names))
    for name, its in zip(names, cosines, strict=True):
        print(f"dinov2_small {name}: {names[int(its.argmax())]} {its.max():.2f}")


def classes() -> None:
    import timm
    from timm.data import ImageNetInfo

    from blockfront.training import give_weights

    info = ImageNetInfo()
    for size in range(3):
        model = timm.create_model(f"tf_efficientnet_lite{size}")
        give_weights(model, f"efficientnet_lite{size}")
        for name, shares in zip(PHOTOGRAPHS, outputs(model, PHOTOGRAPHS).softmax(1), strict=True):
            best = int(shares.argmax())
            print(f"efficientnet_lite{size} {name}: {info.index_to_description(best)} {shares[best]:.2f}")


if __name__ == "__main__":
    encoder()
    neighbours()
    classes()
