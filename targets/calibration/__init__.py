"""A core's coefficients from what micro-kernels take on the device itself."""

from bench.targets.calibration.calibration import (
    Calibration,
    Measured,
    Residual,
    build_micro_kernels,
    calibrate,
    measure,
    steps,
)
from bench.targets.calibration.files import calibration_path, load_calibration, save_calibration

__all__ = [
    "Calibration",
    "Measured",
    "Residual",
    "build_micro_kernels",
    "calibrate",
    "calibration_path",
    "load_calibration",
    "measure",
    "save_calibration",
    "steps",
]
