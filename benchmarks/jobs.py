"""A study by one process and by several: how long each takes, and whether they leave the same.

    python benchmarks/jobs.py [--jobs 2] [--repeats 1] [--way stack] [--study STUDY.toml]

Without a study it takes one of its own: four arms that train a small network in full, three seeds, two configurations
each, on handwritten digits dealt to ten clients. The way matters: stacks keep one core busy, so that a second process
has a core to itself; "loop" and "workers" use all cores in one process already. Runs take turns, in new folders.
"""

from __future__ import annotations

import argparse
import json
import os
import subprocess
import sys
import tempfile
import time
from pathlib import Path
from statistics import median
from typing import Any

STUDY = """
name  = "jobs"
seeds = [0, 1, 2]

[data]
source    = "digits"
partition = { method = "dirichlet_clients", num_clients = 10, alpha = 0.3, min_examples = 20 }

[model]
backbone = "mlp"

[training]
batch_size = 16
client_lr  = 0.05

[engine]
way     = "WAY"
threads = 1

[tuning]
trials = 2

[decision]
baseline = "fedavg"

[study]
until = "all"

[arms.fedavg]
start    = "random"
federate = { method = "fedavg", rounds = 50 }

[arms.fedavg-finetune]
start    = "random"
federate = { method = "fedavg", rounds = 50 }
adapt    = { method = "full_finetune", epochs = 25 }

[arms.fedprox]
start    = "random"
federate = { method = "fedprox", rounds = 50 }

[arms.local]
start = "random"
adapt = { method = "full_finetune", epochs = 25 }
"""


def main() -> None:
    """Run the study both ways, and print what that took."""
    parser = argparse.ArgumentParser(description=str(__doc__).split("\n")[0])
    parser.add_argument("--jobs", type=int, default=2)
    parser.add_argument("--repeats", type=int, default=1)
    parser.add_argument("--way", choices=["stack", "loop", "workers"], default="stack")
    parser.add_argument("--study", type=Path)
    options = parser.parse_args()
    with tempfile.TemporaryDirectory() as folder:
        file = options.study or Path(folder) / "study.toml"
        if not options.study:
            file.write_text(STUDY.replace("WAY", options.way))
        print(json.dumps(compare(file.resolve(), Path(folder), options.jobs, options.repeats), indent=1))


def compare(study: Path, folder: Path, jobs: int, repeats: int) -> dict[str, Any]:
    """Return the seconds of each way, how they compare, and whether records and nodes are the same."""
    seconds: dict[int, list[float]] = {1: [], jobs: []}
    for repeat in range(repeats):
        for count in (1, jobs):
            seconds[count].append(_run(study, folder / f"{count}-{repeat}", count))
    alone, beside = (_left(folder / f"{count}-0") for count in (1, jobs))
    return {
        "runs": len(alone["records"]),
        "nodes": len(alone["nodes"]),
        "seconds": seconds,
        "ratio": round(median(seconds[1]) / median(seconds[jobs]), 2),
        "same_records": alone["records"] == beside["records"],
        "same_nodes": alone["nodes"] == beside["nodes"],
    }


def _run(study: Path, out: Path, jobs: int) -> float:
    """Run the command; return the seconds that it took."""
    command = [sys.executable, "-m", "headstart", "study", str(study), "--out", str(out), "--jobs", str(jobs)]
    # What one run leaves in the user's cache must not serve the next.
    environment = {**os.environ, "HEADSTART_CACHE": str(out.with_name(f"cache-{out.name}"))}
    begin = time.monotonic()
    subprocess.run(command, check=True, stdout=subprocess.DEVNULL, env=environment)
    return round(time.monotonic() - begin, 2)


def _left(out: Path) -> dict[str, Any]:
    """Return what a run folder holds, but for times and checksums."""
    lines = map(json.loads, (out / "records.jsonl").read_text().splitlines())
    nodes = {path.stem: json.loads(path.read_text()) for path in (out / "nodes").glob("*.json")}
    return {
        "records": [{**line, "timing": None, "checksum": None} for line in lines],
        "nodes": {key: {**facts, "seconds": None, "checksum": None} for key, facts in nodes.items()},
    }


if __name__ == "__main__":
    main()
