"""A study that runs in a second: four clients with a small table each, a linear model, two arms, two seeds."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
from pyarrow import parquet

from headstart.core.files import read_json
from headstart.study.study import Outcome, Study

FEDAVG = """
start = "random"
federate = { method = "fedavg", rounds = 3, client_lr = 0.2 }
"""
FINETUNE = f"""{FEDAVG}
adapt = {{ method = "full_finetune", epochs = 2, client_lr = 0.1 }}
"""
ARMS = {"fedavg": FEDAVG, "fedavg-finetune": FINETUNE}

NUM_CLIENTS = 4
ROWS_PER_CLIENT = 30
CLASSES = ("cat", "dog", "owl")


def write_table(path: Path, seed: int = 0) -> None:
    """Write a CSV of clients whose classes lie around shifted centres."""
    draw = np.random.default_rng(seed)
    centres = draw.normal(size=(len(CLASSES), 5))
    lines = ["id,site,label,a,b,c,d,e"]
    for client in range(NUM_CLIENTS):
        for row in range(ROWS_PER_CLIENT):
            label = int(draw.integers(len(CLASSES)))
            values = centres[label] + 0.5 * client / NUM_CLIENTS + draw.normal(size=5)
            cells = ",".join(f"{value:.4f}" for value in values)
            lines.append(f"{client}-{row},site-{client},{CLASSES[label]},{cells}")
    path.write_text("\n".join(lines) + "\n")


def study_text(
    *,
    name: str = "tiny",
    seeds: Sequence[int] = (0, 1),
    arms: Mapping[str, str] = ARMS,
    data: str = "",
    decision: str = "",
    more: str = "",
) -> str:
    """Return a study file; ``data`` and ``decision`` are more lines of these tables, ``more`` further tables.

    Arms run as written, unless ``more`` says otherwise.
    """
    more = more if "[tuning]" in more else f"[tuning]\ntrials = 1\n{more}"
    tables = "\n".join(f"[arms.{arm}]\n{body}" for arm, body in arms.items())
    return f"""
name  = "{name}"
seeds = {list(seeds)}

[data]
source = "clients.csv"
client = "site"
id     = "id"
{data}

[model]
backbone = "linear"

[training]
batch_size = 8

[decision]
baseline = "fedavg"
{decision}
{more}
{tables}
"""


def write_study(folder: Path, **changes: object) -> Path:
    """Write a study file and its data into a folder; arguments as ``study_text``."""
    if not (folder / "clients.csv").exists():
        write_table(folder / "clients.csv")
    path = folder / "study.toml"
    path.write_text(study_text(**changes))  # type: ignore[arg-type]
    return path


def open_tiny(folder: Path, **changes: object) -> Study:
    """Open the study; arguments as ``study_text``."""
    return Study.load(write_study(folder, **changes))


def run_tiny(
    folder: Path,
    *,
    only_arms: Sequence[str] | None = None,
    only_seeds: Sequence[int] | None = None,
    **changes: object,
) -> Outcome:
    """Run the study into ``folder/out``."""
    return open_tiny(folder, **changes).run(folder / "out", arms=only_arms, seeds=only_seeds)


def read_records(out: Path) -> list[dict[str, Any]]:
    """Return every line of the records, as if it were older than its checksum."""
    lines = [json.loads(line) for line in (out / "records.jsonl").read_text().splitlines()]
    return [{name: value for name, value in line.items() if name != "checksum"} for line in lines]


def keys(out: Path) -> list[tuple[str, int]]:
    """Return arm and seed of every line of the records, in order."""
    return [(line["arm"], line["seed"]) for line in read_records(out)]


def numbers(out: Path) -> dict[str, Any]:
    """Return all that a run folder says, but for how long it took."""
    return {
        "records": [{**line, "timing": None} for line in read_records(out)],
        "clients": parquet.read_table(out / "clients.parquet").to_pylist(),
        **{name: read_json(out / f"{name}.json") for name in ("verdict", "diagnosis", "federation")},
    }


def close(found: Any, expected: Any, tolerance: float) -> bool:
    """Compare nested plain values, numbers within an absolute tolerance."""
    if isinstance(expected, dict):
        return found.keys() == expected.keys() and all(close(found[k], expected[k], tolerance) for k in expected)
    if isinstance(expected, list):
        return len(found) == len(expected) and all(close(a, b, tolerance) for a, b in zip(found, expected, strict=True))
    if isinstance(expected, float) and isinstance(found, float):
        return abs(found - expected) <= tolerance
    return bool(found == expected)
