"""Quantisation: any module that can be recorded, in int8."""

from blockfront.targets.quantization.keeping import (
    IntegerForm,
    integer_form,
    quantizer_tensors,
    restored_quantizer,
)
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
    "IntegerForm",
    "LayerNoise",
    "QuantizedNetwork",
    "Quantizer",
    "calibrated",
    "integer_form",
    "quantize_module",
    "quantize_untrained",
    "quantizer_tensors",
    "restored_quantizer",
]
