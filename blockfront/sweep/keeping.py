"""Which weights of a sweep's networks are kept: those of the front, of all, or none."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from blockfront.files import explaining, write_atomically
from blockfront.study.weights import kept_weights, remove_weights, weights_path

if TYPE_CHECKING:
    from blockfront.study.journal import Journal

KEEP = ("front", "all", "none")
TIDIED_EVERY = 25
"""Networks that finish between two looks at which weights are still wanted."""


@dataclass
class Keeper:
    """Keeps weights beside the storage as networks are trained; with `front` those of dominated networks go again."""

    journal: Journal
    storage: str
    keep: str
    _finished: int = field(default=0, init=False)

    @property
    def wanted(self) -> bool:
        """Whether workers are to send weights."""
        return self.keep != "none"

    def keep_weights(self, network_id: str, seed: int, weights: bytes | None) -> None:
        """Write what a training gave, if anything; raises `RunError` where it cannot be written."""
        if weights is None:
            return
        path = weights_path(self.storage, self.journal.study.study_name, network_id, seed)
        with explaining(path):
            write_atomically(path, weights, make_folders=True)

    def tidy(self, *, last: bool = False) -> None:
        """Now and then, and at the end, delete weights of finished networks that are not on the front."""
        self._finished += 1
        if self.keep != "front" or not (last or self._finished % TIDIED_EVERY == 0):
            return
        wanted = self._wanted()
        kept = kept_weights(self.storage, self.journal.study.study_name)
        remove_weights(one for one in kept if one.network_id not in wanted)

    def _wanted(self) -> set[str]:
        """The networks of the front, and those that lack something and may yet be on it."""
        from blockfront.analysis import Objectives, front_mask
        from blockfront.results.table import row_of, to_frame

        frame = to_frame(row_of(result) for result in self.journal.results())
        complete = frame[frame["state"] == "complete"]
        objectives = Objectives(*self.journal.settings.objectives)
        best = complete[front_mask(objectives.costs(complete), objectives.gains(complete))]
        return {*best["network_id"], *frame.loc[frame["state"] == "running", "network_id"]}
