"""A study over real sites beside its simulation: the same numbers, the same answer, and what either took.

python benchmarks/federated.py STUDY [--until all | decided]

The study's clients become a file and a process each, behind a link with certificates and a database, as
``headstart federate run --local`` starts them. A row says: how many scores of a client, arm, seed and metric are alike
to 1e-4, and the largest difference; that of trials' scores on validation data; whether trials chose the same; the
answers; seconds of each.
"""

from __future__ import annotations

import argparse
import tempfile
import time
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np

from headstart.core.files import read_json_lines
from headstart.core.progress import Silent
from headstart.data import open_federation
from headstart.report import Run, load_run
from headstart.sites.flower.local import running, write_site_files
from headstart.sites.flower.run import study_on
from headstart.sites.settings import RunSettings
from headstart.study.study import Study
from headstart.study.written.load import StudyFile, load_study

_ALIKE = 1e-4


@contextmanager
def over_sites(file: StudyFile, folder: Path, out: Path) -> Iterator[Study]:
    """Open a study over sites that are started here."""
    federation = open_federation(file.data, file.folder)
    data = write_site_files(federation, file.data, folder / "data", len(federation.seen_clients), file.folder)
    with running(data, folder, file) as link, study_on(link, file, RunSettings(out=str(out)), Silent()) as study:
        yield study


def scores(run: Run) -> dict[tuple[str, ...], float]:
    """Return every client's score on validation and test data, by arm, seed, client, view and metric."""
    table = run.clients
    keys = zip(*(map(str, table[name]) for name in ("arm", "seed", "client", "split", "metric")), strict=True)
    found = {key: float(value) for key, value in zip(keys, table["value"], strict=True) if value is not None}
    return {key: value for key, value in found.items() if key[3] in ("val", "test") and np.isfinite(value)}


def trials(out: Path) -> dict[tuple[str, int, int], Mapping[str, Any]]:
    """Return every trial, by arm, seed and number."""
    lines = read_json_lines(out / "records.jsonl")
    return {(line["arm"], line["seed"], one["trial"]): one for line in lines for one in line["tuning"]}


def compare(file: StudyFile) -> str:
    """Run both; return a row of the table."""
    with tempfile.TemporaryDirectory() as name:
        folder, took = Path(name), list[float]()
        outs = folder / "simulation", folder / "federation"
        begin = time.perf_counter()
        Study.open(file).run(outs[0])
        took.append(time.perf_counter() - begin)
        with over_sites(file, folder / "local", outs[1]) as study:
            begin = time.perf_counter()
            study.run(outs[1])
            took.append(time.perf_counter() - begin)
        runs, tried = [load_run(out) for out in outs], [trials(out) for out in outs]
        both = [scores(run) for run in runs]
    common, tuned = both[0].keys() & both[1].keys(), tried[0].keys() & tried[1].keys()
    off = {key: abs(both[0][key] - both[1][key]) for key in common}
    alike = sum(value < _ALIKE for value in off.values())
    worst = max(off, key=lambda key: off[key])
    apart = [(one["score"] or 0.0) - (tried[1][key]["score"] or 0.0) for key, one in tried[0].items() if key in tuned]
    chosen = sum(tried[0][key]["chosen"] == tried[1][key]["chosen"] for key in tuned)
    answers = [f"{run.verdict['answer']} ({run.verdict['grounds']}, {run.verdict['recommended']})" for run in runs]
    largest = f"{off[worst]:.1e} ({worst[0]}, {worst[4]})"
    numbers = f"{alike:,} of {max(map(len, both)):,} | {largest} | {max(map(abs, apart), default=0.0):.1e}"
    said = f"{chosen} of {max(map(len, tried))} | {' / '.join(dict.fromkeys(answers))}"
    return f"| {file.settings.name} | {numbers} | {said} | {took[0]:.0f} | {took[1]:.0f} |"


def main() -> None:
    """Run, and print a table."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("study", type=Path, nargs="+")
    parser.add_argument("--until", choices=["all", "decided"], default=None)
    wanted = parser.parse_args()
    print("| study | scores alike | largest difference | of trials | chosen alike | answer | s here | s over sites |")
    print("|---|---|---|---|---|---|---|---|")
    for path in wanted.study:
        file = load_study(path)
        if wanted.until:
            settings = replace(file.settings, study=replace(file.settings.study, until=wanted.until))
            file = replace(file, settings=settings)
        print(compare(file), flush=True)


if __name__ == "__main__":
    main()
