"""Hardware: the entries of the catalogue, and what the compiler and the predictions need to know of them."""

from blockfront.targets.hardware.accelerator import Accelerator
from blockfront.targets.hardware.ethos import EthosU
from blockfront.targets.hardware.fitted import FittedNpu
from blockfront.targets.hardware.hardware import HARDWARE, Hardware, find_hardware
from blockfront.targets.hardware.microcontroller import Microcontroller
from blockfront.targets.hardware.target import FIGURES, Gpu, Processor, Target, get_processor, get_target

__all__ = [
    "FIGURES",
    "HARDWARE",
    "Accelerator",
    "EthosU",
    "FittedNpu",
    "Gpu",
    "Hardware",
    "Microcontroller",
    "Processor",
    "Target",
    "find_hardware",
    "get_processor",
    "get_target",
]
