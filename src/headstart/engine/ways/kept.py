"""The ways of a run's jobs, kept in its folder: numbers differ in their last bits by way, so each is chosen once."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Any

from headstart.core.content import hash_json
from headstart.core.damage import Damaged
from headstart.core.disk import writing
from headstart.core.files import read_json, write_json
from headstart.engine.protocol import Job
from headstart.engine.ways.placement import Placement, read_placement

NAME = "ways.json"
"""The file, beside the run's others."""


@dataclass(frozen=True)
class KeptWays:
    """What was chosen, by the job's name; a run that goes on, here or elsewhere, finds it and keeps to it.

    Attributes:
        folder: of the run; it need not be there yet.
    """

    folder: Path

    def get(self, name: str) -> Placement | None:
        """Return what was chosen for a job; None where nothing was, or the file is damaged."""
        return read_placement(self._read().get(name))

    def settle(self, name: str, placement: Placement, model: str) -> Placement:
        """Keep a choice, and return it; the one that another process has kept meanwhile, if there is any.

        Args:
            name: of the job, see :func:`name_of_job`.
            placement: as chosen here.
            model: what people call it.

        Raises:
            DiskError: the disk does not take it.
        """
        from filelock import FileLock

        with writing(self.folder):
            self.folder.mkdir(parents=True, exist_ok=True)
        with FileLock(self.folder / ".ways.lock"):
            if found := self.get(name):
                return found
            write_json(self.folder / NAME, {**self._read(), name: {"model": model, **placement.as_json()}})
        return placement.lasting

    def _read(self) -> dict[str, Any]:
        """Return all choices; none where the file is damaged, of which whoever opens the folder is told."""
        try:
            return read_json(self.folder / NAME, {}) or {}
        except Damaged:
            return {}


def name_of_job(job: Job) -> str:
    """Name a job by all that its way may depend on but the machine."""
    model, shape = job.model, list(job.clients.activations.few(job.model, 1).shape[1:])
    weights = [[name, list(value.shape)] for name, value in model.network.named_parameters()]
    sizes = [job.batch_size, job.cohort_size, model.num_trainable]
    kinds = [str(job.dtype), job.clients.rows.device.type, job.is_summed]
    return hash_json([model.network.name, weights, model.cut, sorted(model.adapters), shape, *sizes, *kinds])
