"""The hardware the suite knows: one file a vendor, one entry a group of cores, a GPU or an accelerator."""

from collections.abc import Sequence

from blockfront.targets.hardware.catalogue import (
    accelerators,
    amlogic,
    arm,
    cortex_m,
    cuda,
    google,
    hardkernel,
    host,
    nvidia,
    raspberry_pi,
    rockchip,
    spacemit,
    st,
    starfive,
)
from blockfront.targets.hardware.hardware import ABSENT, HARDWARE, Hardware

_VENDORS: tuple[Sequence[Hardware], ...] = (
    *(host.BOARDS, cuda.BOARDS, amlogic.BOARDS, google.BOARDS, hardkernel.BOARDS, nvidia.BOARDS, raspberry_pi.BOARDS),
    *(rockchip.BOARDS, spacemit.BOARDS, starfive.BOARDS, accelerators.BOARDS, arm.BOARDS, cortex_m.BOARDS, st.BOARDS),
)
for _vendor in _VENDORS:
    for _one in _vendor:
        HARDWARE.add(_one.name, _one)
ABSENT.update(host.LACKING | cuda.LACKING)
