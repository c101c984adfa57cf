"""Which network of timm's or torchvision's a name in tables of NPUs means, and which model is like which device."""

from __future__ import annotations

from dataclasses import dataclass

_SSD = "a detector, whose heads and anchors are not published with it"
_VARIANT = "a variant of its own that the table's names do not define"


@dataclass(frozen=True)
class NpuDevice:
    """A device in tables of published latencies, by how its name begins.

    `target`: the model that is like it, None where none is. `throughput`: its figures are 1000 / frames a second of
    a pipeline, which only rank networks.
    """

    prefix: str
    target: str | None = None
    throughput: bool = False


DEVICES = (
    NpuDevice("Coral", "edge_tpu_like"),
    NpuDevice("STM32N6"),
    NpuDevice("Hailo", throughput=True),
    NpuDevice("Dragonwing RB3 Gen 2"),
)

SAME = {
    # Coral's benchmarks.
    "Inception v1": "torchvision:googlenet",
    "MobileNet v1": "mobilenetv1_100",
    "MobileNet v2": "mobilenetv2_100",
    "ResNet-50 V1": "resnet50",
    "ResNet-50 V2": "resnetv2_50",
    "VGG16": "vgg16",
    "Inception v4": "inception_v4",
    "EfficientNet-EdgeTpu-S": "efficientnet_es",
    "EfficientNet-EdgeTpu-M": "efficientnet_em",
    # ST's model zoo.
    "mobilenetv2_w035": "mobilenetv2_035",
    "mobilenetv2_a050": "mobilenetv2_050",
    "mobilenetv2_a075": "mobilenetv2_075",
    "mobilenet_v2_0.35": "mobilenetv2_035",
    "mobilenet_v2_1.0": "mobilenetv2_100",
    "mobilenet_v2_1.4": "mobilenetv2_140",
    "mobilenet_v1_1.0": "mobilenetv1_100",
    "shufflenetv2_x050": "torchvision:shufflenet_v2_x0_5",
    "semnasnet100": "semnasnet_100",
    # Hailo's model zoo.
    "deit_tiny": "deit_tiny_patch16_224",
    "deit_small": "deit_small_patch16_224",
    "vit_tiny": "vit_tiny_patch16_224",
    "efficientnet_lite0": "efficientnet_lite0",
    "mobilenet_v1": "mobilenetv1_100",
    "repghost_1_0x": "repghostnet_100",
    "resnet_v1_18": "resnet18",
    "resnet_v1_50": "resnet50",
    "squeezenet_v1.1": "torchvision:squeezenet1_1",
    # Qualcomm's AI Hub.
    "ConvNext-Tiny": "convnext_tiny",
    "MobileNet-v2": "mobilenetv2_100",
    "MobileNet-v3-Large": "mobilenetv3_large_100",
    "ResNet18": "resnet18",
    "ResNet50": "resnet50",
    "SqueezeNet-1.1": "torchvision:squeezenet1_1",
}
"""Published name to the network that is its own, or all but: TensorFlow's ResNet-50 V1 strides in the 1 × 1 convolution
of a block, timm's in the 3 × 3 one (6 % more MACs), and torchvision's GoogLeNet has 3 × 3 for the paper's 5 × 5."""

UNMATCHED = {
    "SqueezeNet": "1.0 or 1.1 is not stated",
    "DenseNet": "its depth is not stated",
    "Unet Mv2": "no network of timm's or torchvision's",
    "DeepLab V3": "its backbone is not stated",
    "MobileNet v1 SSD": _SSD,
    "MobileNet v2 SSD": _SSD,
    "ssd_mobilenet_v1": _SSD,
    "ssd_mobilenet_v2": _SSD,
    "regnetx_800mf": "ZigZag takes more than ten minutes for its grouped layers",
    "mobilenet_v3": "large or small is not stated",
    "RegNet": "which one is not stated",
    "Shufflenet-v2": "its width is not stated",
    "VIT": "its size is not stated",
    "mnasnet_d050": _VARIANT,
    **dict.fromkeys(("mobilenetv2b_a025", "mobilenetv2b_a075", "mobilenetv2b_a100", "shufflenetv2b_x050"), _VARIANT),
    **dict.fromkeys(("shufflenetv2b_x100", "mobilenetb_a050", "mobilenetb_a075"), _VARIANT),
}
"""Why a published name stands for no network here; other names are not known at all."""


def npu_device(name: str) -> NpuDevice | None:
    """The device that a published name begins with; None for one of which nothing is known here."""
    return next((one for one in DEVICES if name.startswith(one.prefix)), None)
