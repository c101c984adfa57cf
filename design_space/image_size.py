"""The image that a network is asked to take."""

from __future__ import annotations

import re
from dataclasses import dataclass, replace

from blockfront.errors import UsageError
from blockfront.signature import Signature


@dataclass(frozen=True)
class ImageSize:
    """The image that a model is asked to take; what is None is as the model has it of its own."""

    height: int | None = None
    width: int | None = None
    channels: int | None = None

    @classmethod
    def asked(cls, resolution: int | None, size: str | None, channels: int | None) -> ImageSize:
        """What `--resolution`, `--input` and `--channels` ask for together.

        >>> ImageSize.asked(None, "1x224x320", None)
        ImageSize(height=224, width=320, channels=1)

        Raises UsageError for what is no size, and for options that say the same twice.
        """
        for option, value in (("--resolution", resolution), ("--channels", channels)):
            if value is not None and value < 1:
                raise UsageError(f"{option} must be 1 or more, not {value}")
        if size is None:
            return cls(resolution, resolution, channels)
        if resolution is not None:
            raise UsageError("--input says the height and width: leave --resolution out")
        if not re.fullmatch(r"([1-9][0-9]*[x×]){1,2}[1-9][0-9]*", size):
            raise UsageError(f"--input {size!r} is no size: give CHANNELSxHEIGHTxWIDTH or HEIGHTxWIDTH, like 1x224x320")
        *first, height, width = map(int, re.split("[x×]", size))
        if first and channels is not None:
            raise UsageError(f"--input {size} says the channels: leave --channels out")
        return cls(height, width, first[0] if first else channels)

    def of(self, own: Signature) -> Signature:
        """The signature of a model whose `own` it is. Raises UsageError for another size of what is no image."""
        if self == OWN_SIZE:
            return own
        if not own.is_image:
            raise UsageError(f"--resolution, --input and --channels are for one image; the model takes {own}")
        _, channels, height, width = own.inputs[0].shape
        image = Signature.image(self.height or height, self.width or width, self.channels or channels)
        return replace(own, inputs=image.inputs)


OWN_SIZE = ImageSize()
