"""Check and time everything that is done on a graphics card, in one go of less than ten minutes.

python benchmarks/card.py [--steps equal g1 …] [--minutes 9.5] [--out FOLDER]

Each step runs in a process of its own: one that fails, or takes too long, says so, and the others go on. Results are
printed as a table and written as ``card.json`` into FOLDER, else into ``$OUT``, else into ``card-results``. Without a
card every step says that there is none; ``--device cpu --small`` runs all of them on the processor, at a small size.
"""

from __future__ import annotations

import argparse
import json
import os
import resource
import subprocess
import sys
import time
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

Row = dict[str, Any]

ERROR_LINES = 4
"""Lines of a process that failed which are worth keeping."""

SECONDS = {"which": 60, "equal": 100, "g1": 150, "lora": 60, "frozen": 90, "works": 120, "tests": 180}
"""Every step, in order of importance, and the seconds after which it is given up."""


@dataclass(frozen=True)
class Bench:
    """Where everything is run.

    Attributes:
        device: by its name.
        small: whether sizes are for a try without a card.
        deadline: time (:func:`time.monotonic`) at which nothing may run any more.
    """

    device: str
    small: bool
    deadline: float

    def rows(self, steps: Sequence[str]) -> Iterator[Row]:
        """Run steps, and yield what each of them found."""
        for step in steps:
            missing = no_card(self.device)
            left = min(SECONDS[step], self.deadline - time.monotonic())
            if missing or left < 1:
                yield {"step": step, "error": missing or "no time was left for it"}
            else:
                yield from self._step(step, left)

    def _step(self, step: str, seconds: float) -> Iterator[Row]:
        """Run a step in a process; what it printed until its time was up counts."""
        words = [sys.executable, str(Path(__file__)), "--only", step, "--device", self.device]
        begin, code = time.monotonic(), "0"
        with subprocess.Popen(
            [*words, *(["--small"] if self.small else [])], stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True
        ) as process:
            try:
                said, errors = process.communicate(timeout=seconds)
                code = str(process.returncode)
            except subprocess.TimeoutExpired:
                process.kill()
                said, errors = process.communicate()
                code = f"given up after {seconds:.0f} s"
        yield from ({"step": step, **json.loads(line)} for line in said.splitlines() if line.startswith("{"))
        if code != "0":
            yield {"step": step, "error": f"{code}: {' | '.join(errors.strip().splitlines()[-ERROR_LINES:])}"}
        yield {"step": step, "what": "the whole step", "seconds": round(time.monotonic() - begin, 1)}


def no_card(device: str) -> str:
    """Say why a device cannot be had; empty if it can."""
    import torch

    if not device.startswith("cuda") or torch.cuda.is_available():
        return ""
    return f"no card: PyTorch {torch.__version__} sees none here; --device cpu --small tries the script without one"


def only(step: str, device: str, *, small: bool) -> None:
    """Do a step here: print a line of JSON for each of its pieces, whether it fails or not."""
    from card_steps import STEPS, Place
    from headstart.core.faults import free_memory

    place = Place.of(device, small=small)
    for facts, work in STEPS[step](place):
        place.begin()
        try:
            found = work()
        except Exception as error:  # whatever it is, the others are to be tried
            found = {"error": f"{type(error).__name__}: {str(error).strip().splitlines()[0] if str(error) else ''}"}
        print(json.dumps({**facts, **found, **place.memory(), "host_mb": _host_mb()}), flush=True)
        free_memory()


def _host_mb() -> int:
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss // 1024


def told(row: Row) -> str:
    """Return a row as a line.

    >>> told({"step": "g1", "way": "stack", "seconds": 0.0421234, "error": ""})
    'g1      way=stack, seconds=0.04212'
    """
    shown = {key: f"{value:.4g}" if isinstance(value, float) else value for key, value in row.items() if value != ""}
    step = str(shown.pop("step"))
    return f"{step:7} " + ", ".join(f"{key}={value}" for key, value in shown.items())


def parser() -> argparse.ArgumentParser:
    """Return the command line."""
    made = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    made.add_argument("--steps", nargs="+", choices=SECONDS, default=list(SECONDS), help="which steps (all)")
    made.add_argument("--device", default="cuda", help="cuda, cuda:1, cpu (cuda)")
    made.add_argument("--small", action="store_true", help="small sizes, to try the script")
    made.add_argument("--minutes", type=float, default=9.5, help="after which nothing runs any more (9.5)")
    made.add_argument("--out", type=Path, metavar="FOLDER", help="where card.json goes")
    made.add_argument("--only", choices=SECONDS, help=argparse.SUPPRESS)
    return made


def main() -> None:
    """Run the steps, print a line for each finding, write all of them."""
    chosen = parser().parse_args()
    if chosen.only:
        only(chosen.only, chosen.device, small=chosen.small)
        return
    rows = []
    for row in Bench(chosen.device, chosen.small, time.monotonic() + 60 * chosen.minutes).rows(chosen.steps):
        print(told(row), flush=True)
        rows.append(row)
    folder = chosen.out or Path(os.environ.get("OUT", "card-results"))
    folder.mkdir(parents=True, exist_ok=True)
    (folder / "card.json").write_text(json.dumps(rows, indent=1) + "\n")
    print(f"written: {folder / 'card.json'}")


if __name__ == "__main__":
    main()
