"""The other simulators: which are installed, in which settings they run, and what their script reports."""

from __future__ import annotations

import json
import os
import subprocess
import sys
import tempfile
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from table import Row
from works import Work

HOME = "PEERS_HOME"
DEFAULT_HOME = Path.home() / ".cache" / "headstart-peers"
SHORT = (1, 2)
"""Rounds (or epochs) of the two short runs from which a long one is worked out."""


@dataclass(frozen=True)
class Peer:
    """A simulator.

    Attributes:
        environment: name of its virtual environment.
        settings: options to try; the best one counts.
    """

    environment: str
    settings: tuple[str, ...] = ("",)


PEERS: Mapping[str, Peer] = {
    "naive": Peer("naive", ("--threads 1 --loader tensor", "--threads 2 --loader tensor")),
    "pfl": Peer("pfl", ("--procs 1", "--procs 2")),
    "fedjax": Peer("fedjax", ("--backend jit",)),
    "fedjax_old": Peer("fedjaxold", ("--backend jit",)),
    "fedlab": Peer("fedlab", ("--threads 1", "--threads 2")),
    "flsim": Peer("flsim", ("--procs 1", "--procs 2")),
    "flwr_msg": Peer("flwr"),
    "flwr_numpy": Peer("flwr", ("--engine run_simulation",)),
}
"""Every peer; its name is the one that the peers' own script knows."""


def installed() -> list[str]:
    """Return the peers that have a virtual environment under ``PEERS_HOME``."""
    home = Path(os.environ.get(HOME, DEFAULT_HOME))
    return [name for name, peer in PEERS.items() if (home / "venvs" / peer.environment / "bin" / "python").exists()]


@dataclass(frozen=True)
class Bench:
    """The peers' own script.

    Attributes:
        folder: where ``bench.py`` lies.
        timeout: seconds after which a run is given up.
        full: run the works that recompute features to their end; otherwise work their time out from two short runs.
    """

    folder: Path
    timeout: float = 900.0
    full: bool = False

    def row(self, peer: str, setting: str, work: Work, *, save: bool = False) -> Row | None:
        """Run a peer on a work; None when it failed, which is said on standard error.

        Args:
            peer: its name.
            setting: its options.
            work: what to run.
            save: let the plain loop write the reference weights.
        """
        if work.network != "frozen" or self.full:
            found = self._run(peer, work, [*setting.split(), *(["--save-ref", "1"] if save else [])])
            return as_row(peer, setting, work, found) if found else None
        short = [self._run(peer, work, setting.split(), units) for units in SHORT]
        return as_row(peer, setting, work, extrapolate(short, work)) if all(short) else None

    def _run(self, peer: str, work: Work, options: list[str], units: int | None = None) -> dict[str, Any]:
        limits = {} if units is None else {"FLB_ROUNDS": str(units), "FLB_EPOCHS": str(units)}
        with tempfile.TemporaryDirectory() as folder:
            command = [sys.executable, str(self.folder / "bench.py"), "-o", f"{folder}/results.jsonl"]
            command += ["--timeout", f"{self.timeout:g}", peer, work.name, *options]
            done = subprocess.run(command, env={**os.environ, **limits}, capture_output=True, text=True)
        found: dict[str, Any] = json.loads((done.stdout.strip() or '{"error": "no output"}').splitlines()[-1])
        if "t_train" not in found:
            print(f"{peer} {' '.join(options)} on {work.name}: {found.get('error')}", file=sys.stderr)
            return {}
        return found


def extrapolate(short: list[dict[str, Any]], work: Work) -> dict[str, Any]:
    """Work out a whole run from runs of one and of two rounds (or epochs): what the second adds, the others add too.

    >>> from works import WORKS
    >>> reports = [{"t_train": 5.0, "cpu_train": 9.0, "rss_mb": 7}, {"t_train": 8.0, "cpu_train": 14.0, "rss_mb": 8}]
    >>> extrapolate(reports, WORKS["w3a"])["t_train"]
    32.0
    """
    one, two = short
    units = max(work.rounds, work.epochs)
    whole = {key: two[key] + (units - 2) * (two[key] - one[key]) for key in ("t_train", "cpu_train")}
    a_round = whole["t_train"] if work.rounds == 1 else two["t_train"] - one["t_train"]
    peak = max(one["rss_mb"], two["rss_mb"])
    return {**two, **whole, "t_round_median": a_round, "rss_mb": peak, "maxdiff_params": None, "extrapolated": True}


def as_row(peer: str, setting: str, work: Work, found: Mapping[str, Any]) -> Row:
    """Turn the script's report into a row."""
    return Row(
        work=work.name,
        system=peer,
        setting=setting.replace("--", "") or "default",
        seconds_per_round=found["t_round_median"],
        total_seconds=found["t_train"],
        cpu_seconds=found.get("cpu_train"),
        peak_mb=found["rss_mb"],
        maxdiff=found.get("maxdiff_params"),
        extrapolated=found.get("extrapolated", False),
        version=str(found.get("versions", {}).get(peer.split("_")[0], "")),
    )
