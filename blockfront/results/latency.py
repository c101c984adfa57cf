"""Latency of one network on one target: what was measured or predicted, and how."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Literal

from blockfront.results.counts import Counts

LatencySource = Literal["measured", "predicted", "simulated", "measured elsewhere"]

ELSEWHERE: LatencySource = "measured elsewhere"
"""What others measured by means of their own, and told."""


@dataclass(frozen=True)
class KernelTime:
    """One distinct kernel of a network: `calls` executions of it take `ms` milliseconds together.

    `macs` and `bytes` are those of all calls too; `rule` is the schedule's name, None when no rule covered it, and
    `reason` why none did, or which of dlight's rules failed before it; `counts` is what all calls execute, where that
    was counted; `products` is how many multiply-adds of its kind the processor's units do in the time of one of
    float32. Of a simulated network a kernel is a layer, `rule` "zigzag", or another operator, costed by the data
    it moves, `rule` "moves"; by fitted rates `rule` is what its time is made of; `energy_mj` is of all calls. On an NPU
    `rule` is what takes longest of it, "NPU" or a memory.
    """

    name: str
    calls: int
    ms: float
    macs: int
    bytes: int
    share: float
    rule: str | None = None
    counts: Counts | None = None
    energy_mj: float | None = None
    reason: str | None = None
    products: int = 1


@dataclass(frozen=True)
class Peak:
    """The most a device does with a latency's threads: 10⁹ operations of float32 (a multiply-add is two) and bytes a
    second.

    `source` says whether the device itself showed it, or the catalogue's figures for its target give it.
    """

    source: Literal["measured", "catalogue"]
    gflops: float
    gbs: float


@dataclass(frozen=True)
class Prediction:
    """The model of a core that made a latency, how far off it was elsewhere, and between what the truth should be.

    `model` is a hash of its coefficients and of the board's figures that go with them. `median_error` and `p90_error`
    are of |predicted / measured - 1| over `n` latencies that no coefficient was fitted on, and `within_tenth` is the
    share of those up to 10 %; None, with an `n` of 0, when there are none. `basis` says which those were and where the
    coefficients are from. `interval_ms` is meant to hold the true latency nine times in ten: it is wide for what the
    model does not know, and no confidence interval of a measurement. `outside` says in what this latency is none of
    those the errors are of. Both are None where nobody asked about one latency, and in old results.
    """

    model: str
    basis: str
    median_error: float | None = None
    p90_error: float | None = None
    n: int = 0
    within_tenth: float | None = None
    interval_ms: tuple[float, float] | None = None
    outside: tuple[str, ...] | None = None

    def __str__(self) -> str:
        if self.median_error is None or self.p90_error is None:
            return f"error unknown; {self.basis}"
        hits = "" if self.within_tenth is None else f", {self.within_tenth:.0%} within 10 %"
        return f"median error {self.median_error:.0%}, 90th percentile {self.p90_error:.0%}{hits}, of {self.basis}"


@dataclass(frozen=True)
class Coverage:
    """What a simulator itself models of a network: shares of its MACs and of the activation bytes it writes.

    Of the rest: `fused` counts operators that cost nothing because their producer applies them, `addressing` those
    that move nothing, both by name; `foreign` are MACs of operators that are not simulated but by what they move.
    """

    macs: float
    activations: float
    fused: dict[str, int]
    addressing: dict[str, int]
    foreign: dict[str, int]


@dataclass(frozen=True)
class NpuEstimate:
    """What a vendor's compiler estimates of a network on an NPU, whose system and mode of memories it was told.

    `cycles` are those of the NPU's own work, `total_cycles` those with what it waits for memories. `macs` is the share
    of the layers' MACs that are done there; `fallbacks` counts the operators that are left to the processor, by name,
    whose time is not in the latency. Of the file that was compiled, `steps` is the most that one operator is off in its
    vendor-neutral interpreter, and `snr_db` the outputs' spread over what they are off there, None where nothing is.
    """

    system_config: str
    memory_mode: str
    cycles: int
    total_cycles: int
    macs: float
    fallbacks: dict[str, int]
    steps: int
    snr_db: float | None


@dataclass(frozen=True)
class Visit:
    """Samples taken in one go, in milliseconds: on which device, and in which state that was before and after."""

    device: str
    samples_ms: tuple[float, ...]
    conditions: dict[str, str] = field(default_factory=dict)


@dataclass(frozen=True)
class Latency:
    """Time of one inference, in milliseconds, with every raw sample it came from; of `batch` images, one but where a
    batch was asked for.

    `visits` hold the samples as they were taken, and `conditions` what they say of the device, together; `device` names
    all devices they are from. `ci95_ms` is the 95 % confidence interval of the median; a prediction has no samples and
    its interval is None. `max_rel_error` is max|y - y_torch| / max|y_torch| of the compiled network, run on
    `verified_on`, and `torch_rel_error` that of torch's own float32, where y_torch is its float64. `peak_memory_bytes`
    is the activation memory TVM planned, weights excluded; `flash_bytes` and `ram_bytes` are what compiled code with
    its weights, and what an inference takes of a device. `tuned_kernels` are those whose schedule is from a tuning
    database; `prediction` tells of the model of a core or of an accelerator, where one was asked. Nothing is compiled
    for a simulation: it has no threads, no schedules, no error against torch, no planned memory, but `energy_mj` and
    the `coverage` of its simulator. `toolchain` made the network ready, and `runner` found its time; of what was
    measured elsewhere neither is ours, and nothing but the time is known. `precision` is the number format of weights
    and activations. `npu` is what a vendor's compiler says beside the time.
    """

    source: LatencySource
    runner: str
    toolchain: str
    target: str
    device: str
    threads: int | None
    median_ms: float
    ci95_ms: tuple[float, float] | None = None
    visits: tuple[Visit, ...] = ()
    kernels: tuple[KernelTime, ...] = ()
    unscheduled_kernels: tuple[str, ...] | None = None
    peak_memory_bytes: int | None = None
    max_abs_error: float | None = None
    max_rel_error: float | None = None
    verified_on: str | None = None
    predictor: str | None = None
    prediction: Prediction | None = None
    peak: Peak | None = None
    tuned_kernels: tuple[str, ...] | None = None
    versions: dict[str, str] = field(default_factory=dict)
    conditions: dict[str, str] = field(default_factory=dict)
    energy_mj: float | None = None
    precision: str = "float32"
    coverage: Coverage | None = None
    torch_rel_error: float | None = None
    flash_bytes: int | None = None
    ram_bytes: int | None = None
    npu: NpuEstimate | None = None
    batch: int = 1

    @property
    def images_per_s(self) -> float:
        """Throughput: images a second, one inference after the other."""
        return 1e3 * self.batch / self.median_ms

    @property
    def samples_ms(self) -> tuple[float, ...]:
        """The samples of all visits; none for a prediction."""
        return tuple(sample for visit in self.visits for sample in visit.samples_ms)
