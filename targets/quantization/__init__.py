"""Quantisation: any module that can be recorded, in int8."""

from blockfront.targets.quantization.noise import Decibels
from blockfront.targets.quantization.observers import OBSERVERS
from blockfront.targets.quantization.quantizing import (
    RANDOM_INPUTS,
    QuantizedNetwork,
    Quantizer,
    calibrated,
    quantize_module,
    quantize_untrained,
)
from blockfront.targets.quantization.sensitivity import LayerNoise

__all__ = [
    "OBSERVERS",
    "RANDOM_INPUTS",
    "Decibels",
    "LayerNoise",
    "QuantizedNetwork",
    "Quantizer",
    "calibrated",
    "quantize_module",
    "quantize_untrained",
]
