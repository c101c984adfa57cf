"""What rows of simulated targets state of their error: written into the package from published latencies of NPUs.

    python benchmarks/judgements.py

The same as `bench validate accelerators` prints; what was simulated before is kept. Run it after ZigZag, a model's
files or its clock have changed: rows say "never compared with a device" until then.
"""

from __future__ import annotations

from blockfront.console.progress import choose_progress
from blockfront.targets.latency.accelerators.judgements import write_judgements
from blockfront.validation.accelerators import OWN_NPUS, judgement_of, read_npu_rows, validate_accelerators
from blockfront.validation.npu_networks import DEVICES

rows, _ = read_npu_rows(OWN_NPUS)
judged = [row for row in rows if row.known.target is not None]
targets = [device.target for device in DEVICES if device.target is not None]
reports = validate_accelerators(judged, targets, choose_progress(quiet=False))
write_judgements([found for report in reports if (found := judgement_of(report)) is not None])
