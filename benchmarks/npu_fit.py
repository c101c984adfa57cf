"""The rates of `stm32n6_like`: fitted on half of the published latencies, and how well the form of the model does.

    python benchmarks/npu_fit.py

Prints the rates for the catalogue, the errors on both halves, and those where each family in turn is left out of a fit
on all others: the sterner judge, since the halves share families. Run it after a change of the form, type the rates
into `targets/hardware/catalogue/st.py`, then run `benchmarks/judgements.py`.
"""

from __future__ import annotations

import numpy as np

from blockfront.targets import HARDWARE, FittedNpu
from blockfront.targets.latency.accelerators.fitted import fitted_ms
from blockfront.targets.latency.accelerators.workload import make_workload
from blockfront.validation.accelerators import OWN_NPUS, read_npu_rows
from blockfront.validation.npu_fitting import fit_rates, fitted_on
from blockfront.validation.npu_networks import npu_model
from blockfront.validation.prediction_errors import accuracy

FAMILIES = ("fdmobilenet", "mobilenetv2", "mobilenet_v2", "mobilenet", "mnasnet", "semnasnet", "proxyless", "shuffle")
"""How names of a family begin, the longer first; ResNets are what is left."""

npu = HARDWARE["stm32n6_like"]
assert isinstance(npu, FittedNpu)
rows = [row for row in read_npu_rows(OWN_NPUS)[0] if row.known.target == npu.name]
networks = []
for row in rows:
    model = npu_model(row.network, row.resolution)
    networks.append((make_workload(model.whole(), model.signature), row.milliseconds))
published = [row.milliseconds for row in rows]
chosen = fitted_on([row.published for row in rows])
first = [row.published in chosen for row in rows]


def family(name: str) -> str:
    found = next((one for one in FAMILIES if name.startswith(one)), "resnet")
    return "mobilenetv2" if found == "mobilenet_v2" else found


def show(what: str, predicted: list[float], which: list[bool]) -> None:
    found = accuracy(
        *([one for one, taken in zip(values, which, strict=True) if taken] for values in (predicted, published))
    )
    assert found is not None
    print(
        f"{what}: n {found.n}, median error {found.median_abs_error:.3f}, 90th {found.p90_abs_error:.3f}, "
        f"Spearman {found.spearman:.3f}"
    )


half = fit_rates(npu, [one for one, taken in zip(networks, first, strict=True) if taken])
print({rate: float(f"{getattr(half, rate):.4g}") for rate in npu.rates})
by_half = [fitted_ms(workload, half) for workload, _ in networks]
show("fitted on", by_half, first)
show("held out", by_half, [not taken for taken in first])
without = np.zeros(len(rows))
for name in sorted({family(row.published) for row in rows}):
    inside = [family(row.published) == name for row in rows]
    fit = fit_rates(npu, [one for one, left in zip(networks, inside, strict=True) if not left])
    for place, left in enumerate(inside):
        if left:
            without[place] = fitted_ms(networks[place][0], fit)
    print(name, {rate: float(f"{getattr(fit, rate):.3g}") for rate in npu.rates})
show("each family left out", without.tolist(), [True] * len(rows))
for place in sorted(range(len(rows)), key=lambda place: rows[place].published):
    print(
        f"{rows[place].published:24s} {published[place]:6.2f} {by_half[place] / published[place]:5.2f} "
        f"{without[place] / published[place]:5.2f} {'fitted on' if first[place] else 'held out'}"
    )
