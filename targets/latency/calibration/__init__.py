"""A core's coefficients from what micro-kernels take on the device itself: their records and files.

Making one is in `calibration.calibration`, whose fit takes long to import.
"""

from blockfront.targets.latency.calibration.files import calibration_path, load_calibration, save_calibration
from blockfront.targets.latency.calibration.record import Calibration, Measured, Residual

__all__ = ["Calibration", "Measured", "Residual", "calibration_path", "load_calibration", "save_calibration"]
