"""Which QEMU runs a target's code with the plugin, and as which processor."""

from __future__ import annotations

from dataclasses import dataclass

from blockfront.debian import obstacle
from blockfront.errors import UsageError
from blockfront.targets.hardware.target import Target
from blockfront.targets.latency.emulation.qemu import Qemu, find_qemu, installed_qemu
from blockfront.targets.latency.profiler.native import ARCHITECTURES


@dataclass(frozen=True)
class Emulator:
    """A QEMU for one architecture, and the processor it is to be."""

    architecture: str
    qemu: Qemu
    cpu: str

    @property
    def command(self) -> list[str]:
        """The beginning of a command that runs a program."""
        return self.qemu.as_cpu(self.cpu)


def architecture_of(target: Target) -> str:
    """As QEMU calls it; raises `UsageError` for a target that cannot be profiled."""
    if target.unemulated is not None:
        raise UsageError(f"{target.name} cannot be profiled: {target.unemulated}")
    if target.architecture not in ARCHITECTURES:
        known = ", ".join(ARCHITECTURES)
        raise UsageError(f"{target.name} cannot be profiled: only {known} can, not {target.architecture}")
    return target.architecture


def find_emulator(target: Target) -> Emulator:
    """The emulator for `target`; QEMU is fetched to the cache folder when it is not there.

    Raises `UsageError` for a target that cannot be profiled, and `RunError` with what to install.
    """
    architecture = architecture_of(target)
    qemu = find_qemu(architecture, plugins=True)
    return Emulator(architecture, qemu, emulated_cpu(target, qemu))


def emulated_cpu(target: Target, qemu: Qemu) -> str:
    """Which of a QEMU's processors runs a target's code, as `-cpu` takes it."""
    if target.architecture == "riscv64":
        vectors = f",v=on,vext_spec=v1.0,elen=64,vlen={target.simd_bits}" if target.simd_bits > 64 else ""
        return f"rv64{vectors}"
    return qemu.processor(target).cpu if target.architecture == "aarch64" else "max"


def emulator_obstacle(target: Target) -> str | None:
    """Why `find_emulator` would fail, as far as that is known without a download; None when nothing is."""
    try:
        architecture = architecture_of(target)
    except UsageError as error:
        return str(error)
    if installed_qemu(architecture, plugins=True) is None and obstacle():
        return f"qemu-{architecture} is missing: install qemu-user, which is for Linux"
    return None
