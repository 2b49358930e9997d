"""The race against running everything: the work that each asks for, and what each answers.

    python benchmarks/race.py STUDY.toml FOLDER [--headroom 0.06]

``FOLDER`` is a run folder in which the study was run with ``until = "all"``. The race is run over the same finished
work, copied: every stage that it asks for is found there, so that both are measured by the same seconds. A stage that
is not found is computed, and counted as it takes now.
"""

from __future__ import annotations

import argparse
import dataclasses
import json
import shutil
import tempfile
import time
from collections.abc import Iterable
from pathlib import Path
from typing import Any

from headstart.core.cache import cache_folder
from headstart.evidence.verdict import Verdict
from headstart.study.run.nodes import Node, NodeStore
from headstart.study.run.pipeline import Pipeline
from headstart.study.study import Study
from headstart.study.written.arms import Arm
from headstart.study.written.load import StudyFile, load_study


def main() -> None:
    """Race over finished work, and print what it came to."""
    parser = argparse.ArgumentParser(description=str(__doc__).split("\n")[0])
    parser.add_argument("study", type=Path)
    parser.add_argument("folder", type=Path)
    parser.add_argument("--headroom", type=float)
    parser.add_argument("--json", type=Path)
    options = parser.parse_args()
    found = compare(load_study(options.study), options.folder, options.headroom)
    print(json.dumps(found, indent=1))
    if options.json:
        options.json.write_text(json.dumps(found, indent=1))


def compare(file: StudyFile, finished: Path, headroom: float | None = None) -> dict[str, Any]:
    """Return the work and the answer of a study run in full, and of its race."""
    found: dict[str, Any] = {"study": file.settings.name, "headroom": headroom}
    for until in ("all", "decided"):
        with tempfile.TemporaryDirectory() as folder:
            for part in ("nodes", "weights"):
                shutil.copytree(finished / part, Path(folder) / part)
            found[until] = _run(_with(file, until, headroom), Path(folder))
    found["share_of_work"] = found["decided"]["seconds"] / found["all"]["seconds"]
    found["same_answer"] = found["decided"]["answer"] == found["all"]["answer"]
    return found


def _with(file: StudyFile, until: str, headroom: float | None) -> StudyFile:
    running = dataclasses.replace(file.settings.study, until=until, headroom=headroom)
    return dataclasses.replace(file, settings=dataclasses.replace(file.settings, study=running))


def _run(file: StudyFile, out: Path) -> dict[str, Any]:
    asked: dict[str, float] = {}
    begin = time.monotonic()
    with _Watched(asked):
        verdict = Study.open(file, cache=cache_folder()).run(out).verdict
    return {
        "seconds": round(sum(asked.values()), 2),
        "stages": len(asked),
        "computed_now": round(time.monotonic() - begin, 2),
        **_said(verdict),
    }


def _said(verdict: Verdict) -> dict[str, Any]:
    race = verdict.race
    return {
        "answer": verdict.answer.family,
        "grounds": verdict.answer.grounds,
        "arm": verdict.recommended,
        "seeds": verdict.num_seeds,
        "ended": race and race.ended,
        "out": {arm: f"{one.kind} after {one.seeds}" for arm, one in race.out.items()} if race else {},
    }


class _Watched:
    """Notes the seconds of every stage that pipelines ask for."""

    def __init__(self, asked: dict[str, float]) -> None:
        self.asked, self._result, self._trunk, self._leaf = asked, Pipeline.result, Pipeline.trunk, Pipeline.leaf

    def __enter__(self) -> None:
        watched = self

        def result(pipeline: Pipeline, arm: Arm, views: Any, watch: Any = None) -> Node:
            try:
                return watched._result(pipeline, arm, views, watch)
            finally:
                keys = [
                    pipeline.trunk_key(Arm(arm.name, arm.start, arm.federate[:n])) for n in range(len(arm.federate) + 1)
                ]
                watched._note(pipeline.store, [*keys, pipeline.leaf_key(keys[-1], arm.adapt, views)])

        def trunk(pipeline: Pipeline, arm: Arm) -> Any:
            found = watched._trunk(pipeline, arm)
            watched._note(pipeline.store, found.keys)
            return found

        def leaf(pipeline: Pipeline, before: Any, stage: Any, views: Any, watch: Any = None) -> Node:
            found = watched._leaf(pipeline, before, stage, views, watch)
            watched._note(pipeline.store, [pipeline.leaf_key(before.key, stage, views)])
            return found

        Pipeline.result, Pipeline.trunk, Pipeline.leaf = result, trunk, leaf  # type: ignore[method-assign]

    def __exit__(self, *error: object) -> None:
        Pipeline.result, Pipeline.trunk, Pipeline.leaf = self._result, self._trunk, self._leaf  # type: ignore[method-assign]

    def _note(self, store: NodeStore, keys: Iterable[str]) -> None:
        for key in keys:
            if store.has(key):
                self.asked[key] = float(store.facts(key).get("seconds", 0.0))


if __name__ == "__main__":
    main()
