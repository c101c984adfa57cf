"""How pictures are prepared for a network that is handed over, as far as its weights or its source say."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from torch import nn

    from blockfront.design_space.models import Model
    from blockfront.training.preparing import Preparation

UNKNOWN = "What becomes of a picture before it gets here is not known: whoever trained the weights knows."
_TORCHVISION = "torchvision:"


def weights_preparation(weights: str | None) -> str | None:
    """What a file of weights says of it, as JSON; None of anything else, and an empty text of trainings that do not."""
    from blockfront.training import weights_facts

    if weights is None or not weights.lower().endswith(".safetensors"):
        return None
    facts = weights_facts(Path(weights))
    return facts.get("preparation", "" if "recipe" in facts else None)


def weights_adaptations(weights: str | None) -> str | None:
    """What a file of weights says that data decided of its network after training, as JSON; None without any."""
    from blockfront.training import weights_facts

    if weights is None or not weights.lower().endswith(".safetensors"):
        return None
    return weights_facts(Path(weights)).get("adaptations")


def find_preparation(model: Model, module: nn.Module, said: str | None) -> Preparation | None:
    """That of the tests of a model's weights, of which `said` is what their file says; None where nobody knows.

    Without weights it is what this suite's training would do.
    """
    import msgspec

    from blockfront.design_space import Network
    from blockfront.tasks import CLASSIFICATION, DETECTION
    from blockfront.training.preparing import Preparation, usual_preparation

    if said is not None:
        return msgspec.json.decode(said, type=Preparation) if said else None
    if not model.signature.is_image or model.signature.inputs[0].shape[1] != 3:
        return None
    resolution = model.signature.inputs[0].shape[2]
    if model.network is not None:
        return usual_preparation(module, resolution, Network.parse(model.network).task)
    if getattr(module, "pretrained_cfg", None):
        return usual_preparation(module, resolution, DETECTION if hasattr(module, "decoding") else CLASSIFICATION)
    return _of_torchvision(model.name)


def _of_torchvision(name: str) -> Preparation | None:
    """That of the last of a classifier's weights, whose size a model has as well."""
    from torchvision import models
    from torchvision.transforms._presets import ImageClassification

    from blockfront.training.preparing import Preparation

    if not name.startswith(_TORCHVISION):
        return None
    known = [one.transforms() for one in models.get_model_weights(name.removeprefix(_TORCHVISION))]
    views: Any = known[-1] if known else None
    if not isinstance(views, ImageClassification):
        return None
    antialiased = f"{views.interpolation.value}, antialiased"
    crop = views.crop_size[0] / views.resize_size[0]
    return Preparation(tuple(views.mean), tuple(views.std), antialiased, crop, "center")
