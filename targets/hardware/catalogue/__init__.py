"""The targets the suite knows: one file a vendor, one entry a group of cores or a GPU."""

from blockfront.targets.hardware.accelerator import ACCELERATORS
from blockfront.targets.hardware.catalogue import (
    accelerators,
    amlogic,
    cuda,
    google,
    hardkernel,
    host,
    nvidia,
    raspberry_pi,
    rockchip,
    spacemit,
    starfive,
)
from blockfront.targets.hardware.target import TARGETS

for _vendor in (host, cuda, amlogic, google, hardkernel, nvidia, raspberry_pi, rockchip, spacemit, starfive):
    for _target in _vendor.BOARDS:
        TARGETS.add(_target.name, _target)
for _accelerator in accelerators.ALL:
    ACCELERATORS.add(_accelerator.name, _accelerator)
