"""The targets the suite knows: one file a vendor, one entry a group of cores or a GPU."""

from bench.targets.accelerators.accelerator import ACCELERATORS
from bench.targets.catalogue import (
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
from bench.targets.target import TARGETS

for _vendor in (host, cuda, amlogic, google, hardkernel, nvidia, raspberry_pi, rockchip, spacemit, starfive):
    for _target in _vendor.BOARDS:
        TARGETS.add(_target.name, _target)
for _accelerator in accelerators.ALL:
    ACCELERATORS.add(_accelerator.name, _accelerator)
