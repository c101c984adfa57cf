"""Which network of timm's or torchvision's a name in tables of NPUs means, and which model is like which device."""

from __future__ import annotations

from dataclasses import dataclass

from blockfront.design_space.image_size import ImageSize
from blockfront.design_space.models import Model, find_model
from blockfront.signature import Signature
from blockfront.validation.st_networks import ST_NETWORKS

_ST = "st:"
_SSD = "a detector, whose heads and anchors are not published with it"


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
    NpuDevice("STM32N6", "stm32n6_like"),
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
    # ST's model zoo. Its TensorFlow networks are timm's, or of the same layers.
    "mobilenet_v1_0.25": "st:mobilenet_025",
    "mobilenet_v1_0.5": "st:mobilenet_050",
    "mobilenet_v1_1.0": "mobilenetv1_100",
    "mobilenet_v2_0.35": "mobilenetv2_035",
    "mobilenet_v2_1.0": "mobilenetv2_100",
    "mobilenet_v2_1.4": "mobilenetv2_140",
    # Its PyTorch networks: whose each is, `model_implementation_dict.py` of stm32ai-modelzoo-services says.
    "dla46c": "dla46_c",
    "dla46xc": "dla46x_c",
    "dla60xc": "dla60x_c",
    "mnasnet_d050": "torchvision:mnasnet0_5",
    "mobilenetv2_a050": "mobilenetv2_050",
    "mobilenetv2_a100": "mobilenetv2_100",
    "mobilenetv2_w035": "mobilenetv2_035",
    "mobilenetv2b_a100": "mobilenetv2_100",
    "mobilenetv4small": "mobilenetv4_conv_small",
    "proxylessnas": "st:proxyless_mobile",
    "preresnet18_a025": "st:preresnet18_quarter",
    "regnetx002": "regnetx_002",
    "resnet18wd4": "st:resnet18_quarter",
    "semnasnet100": "semnasnet_100",
    "shufflenetv2_x050": "torchvision:shufflenet_v2_x0_5",
    "shufflenetv2_x100": "torchvision:shufflenet_v2_x1_0",
    "squeezenetv10": "torchvision:squeezenet1_0",
    **{f"fdmobilenet_a{width}": f"st:fdmobilenet_{width}" for width in ("025", "050", "075")},
    **{f"mobilenet{form}_a{width}": f"st:mobilenet_{width}" for form in ("", "b") for width in ("025", "050", "075")},
    **{f"mobilenetv2_a{width}": f"st:mobilenetv2_cut_{width}" for width in ("025", "075")},
    **{f"mobilenetv2b_a{width}": f"st:mobilenetv2b_cut_{width}" for width in ("025", "050", "075")},
    **{f"shufflenetv2b_x{width}": f"st:shufflenetv2b_{width}" for width in ("050", "100")},
    **{f"st_resnet{size}_actrelu": f"st:st_resnet_{size}" for size in ("pico", "nano", "micro", "milli", "tiny")},
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
"""Published name to the network that is its own (`st:` of `ST_NETWORKS`), or all but: TensorFlow's ResNet-50 V1 strides
in the 1 × 1 convolution of a block, timm's in the 3 × 3 one (6 % more MACs), and torchvision's GoogLeNet has 3 × 3 for
the paper's 5 × 5."""
SLOW = frozenset(name for name, network in SAME.items() if network.startswith(_ST)) | {
    "dla46xc",
    "dla60xc",
    "regnetx002",
}
"""What ZigZag is not asked about: it would take hours, ten minutes where layers have groups, for ranks alone."""

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
    "ssd_mobilenetv2_pt (COCO, 80 classes)": _SSD,
    "ssd_mobilenetv2_pt (VOC, 20 classes)": _SSD,
    "ssdlite_mobilenetv3large_pt (COCO, 80 classes)": _SSD,
}
"""Why a published name stands for no network here; other names are not known at all."""


def npu_device(name: str) -> NpuDevice | None:
    """The device that a published name begins with; None for one of which nothing is known here."""
    return next((one for one in DEVICES if name.startswith(one.prefix)), None)


def npu_model(network: str, resolution: int | None) -> Model:
    """A network that `SAME` names, at its own size where no other is given; raises UsageError for no such network."""
    if network.startswith(_ST):
        return Model(network, ST_NETWORKS[network.removeprefix(_ST)], Signature.image(resolution or 224))
    return find_model(network, ImageSize(resolution, resolution))
