"""What rows of simulated targets state of their error: written into the package from published latencies of NPUs.

    python benchmarks/judgements.py

The same as `bench validate accelerators` prints; what was simulated before is kept. Run it after ZigZag, a model's
files or its clock have changed: rows say "never compared with a device" until then.
"""

from __future__ import annotations

from blockfront.console.progress import choose_progress
from blockfront.targets.latency.accelerators.judgements import write_judgements
from blockfront.validation.accelerators import (
    OWN_NPUS,
    judgement_of,
    like_targets,
    read_npu_rows,
    validate_accelerators,
)

rows, _ = read_npu_rows(OWN_NPUS)
reports = [
    report
    for target in like_targets()
    for report in validate_accelerators(
        [row for row in rows if row.known.target == target], [target], choose_progress(quiet=False)
    )
]
write_judgements([found for report in reports if (found := judgement_of(report)) is not None])
