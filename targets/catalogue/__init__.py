"""The targets the suite knows: one file a vendor, one entry a group of cores."""

from bench.targets.catalogue import host, rockchip

__all__ = ["host", "rockchip"]
