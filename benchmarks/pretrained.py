"""What pretrained weights compute, beside the files that they come from: fetches them, and Debian's photographs.

    python benchmarks/pretrained.py

The features of DINOv2's encoder against those that ONNX Runtime finds in its own file, with that file's positions and
with timm's; and what EfficientNet-Lite sees on photographs of OpenCV's documentation (96 MB), which have no labels.
"""

from __future__ import annotations

from pathlib import Path
from typing import Any

import torch

PHOTOGRAPHS = ("squirrel_cls", "baboon", "messi5", "fruits", "orange", "apple", "home", "building")
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


def photographs() -> None:
    import timm
    from PIL import Image
    from timm.data import ImageNetInfo, create_transform, resolve_data_config

    from blockfront.content_store import cache_folder
    from blockfront.debian import unpack
    from blockfront.training import give_weights

    folder, names = cache_folder() / "opencv-doc", ImageNetInfo()
    if not folder.exists():
        unpack(["opencv-doc"], "all", folder)
    for size in range(3):
        model = timm.create_model(f"tf_efficientnet_lite{size}").eval()
        give_weights(model, f"efficientnet_lite{size}")
        views = create_transform(**resolve_data_config({}, model=model))
        for name in PHOTOGRAPHS:
            path = next(Path(folder).rglob(f"{name}.jpg"))
            with torch.no_grad(), Image.open(path) as picture:
                shares = model(views(picture.convert("RGB"))[None]).softmax(1)[0]
            best = int(shares.argmax())
            print(f"efficientnet_lite{size} {name}: {names.index_to_description(best)} {shares[best]:.2f}")


if __name__ == "__main__":
    encoder()
    photographs()
