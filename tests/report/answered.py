"""Run folders whose verdict is a real one: decided on made-up predictions of every test example."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq

from headstart.evidence import Scores, Verdict, decide
from headstart.evidence.outcomes import Outcomes
from headstart.evidence.sides import Traits

from .run_folders import SLATE, Recipe, client_names, write_run

CLASSES = 4
ALONE = {"local": 0.62, "finetune-head": 0.75, "finetune-lp-ft": 0.76}
SHARED = {"fedavg": 0.70, "fedavg-pretrained": 0.80, "ridge": 0.82}
BOTH = {"fedavg-finetune": 0.74, "ridge-personal": 0.83}


@dataclass(frozen=True)
class Case:
    """A study that ran.

    Attributes:
        levels: accuracy of every arm.
        clients: how many there are.
        examples: of each client's test data.
        seeds: of every arm.
        held_out: how many of the clients.
        shifts: by arm and client, what is added to the accuracy there.
        min_effect: the smallest difference that matters.
        kept: whether single predictions were.
        more: other arguments of ``decide``.
    """

    levels: Mapping[str, float]
    clients: int = 6
    examples: int = 120
    seeds: int = 3
    held_out: int = 0
    shifts: Mapping[tuple[str, int], float] = field(default_factory=dict)
    min_effect: float = 0.02
    kept: bool = True
    more: Mapping[str, Any] = field(default_factory=dict)


SURE = {("local", 1): 0.37, ("finetune-head", 1): 0.24, ("finetune-lp-ft", 1): 0.23, ("ridge", 1): -0.25}
CASES = {
    "better": Case({**ALONE, "fedavg": 0.78, "fedavg-pretrained": 0.86, "ridge": 0.88}, examples=200, shifts=SURE),
    "good enough": Case({**ALONE, **SHARED, "ridge-personal": 0.821}, clients=10, examples=500),
    "fine-tune": Case({**{name: level + 0.12 for name, level in ALONE.items()}, **SHARED, "fedavg-finetune": 0.8}),
    "undecided": Case({**ALONE, **SHARED, **BOTH}, clients=5, examples=150, min_effect=0.01),
    "no claim": Case({**ALONE, **SHARED, **BOTH}, clients=4, seeds=2),
    "not kept": Case({**ALONE, **SHARED, **BOTH}, clients=4, kept=False),
    "only": Case(
        ALONE, clients=3, more={"ruled_out": dict.fromkeys(("ridge", "fedavg"), "device 'tag' has no uplink")}
    ),
    "many": Case({**ALONE, **SHARED, **BOTH, "pooled": 0.84, "zero-shot": 0.6}, clients=40, held_out=5, examples=60),
}


def verdict_of(case: Case, names: list[str], seed: int = 0) -> tuple[Verdict, Scores]:
    """Decide a case; the same case gives the same verdict."""
    outcomes = outcomes_of(case, names, seed)
    scores = _scores(outcomes)
    arms = outcomes.arms
    baseline, before = "fedavg" if "fedavg" in arms else arms[0], _scores(outcomes_of(case, names, seed + 1))
    settings: dict[str, Any] = {"ruled_out": {}, "baseline": baseline, "validation": before, **case.more}
    verdict = decide(
        scores,
        metric="accuracy",
        min_effect=case.min_effect,
        confidence=0.95,
        costs={arm: {"total_bytes": SLATE[arm][5] + SLATE[arm][6], "client_flops": SLATE[arm][7]} for arm in arms},
        traits={arm: traits(arm) for arm in arms},
        outcomes=outcomes if case.kept else None,
        predicted="ridge" if "ridge" in arms else None,
        **settings,
    )
    return verdict, scores


def traits(arm: str) -> Traits:
    start, federate, adapt = SLATE[arm][:3]
    family = (
        None if federate == "pooled" else "fine-tune" if not federate else "federate" if adapt == "keep" else "both"
    )
    return Traits(family, from_scratch=start == "random")


def outcomes_of(case: Case, names: list[str], seed: int) -> Outcomes:
    """Arms whose mistakes are mostly the same, with each seed's own luck."""
    generator = np.random.default_rng(seed)
    owner = np.repeat(np.arange(case.clients), case.examples)
    labels = generator.integers(CLASSES, size=len(owner))
    hard = generator.random(len(owner))
    predicted = np.empty((len(case.levels), case.seeds, len(owner)), dtype=np.int64)
    for at, (arm, level) in enumerate(case.levels.items()):
        shift = np.array([case.shifts.get((arm, client), 0.0) for client in range(case.clients)])
        own = np.where(generator.random(len(owner)) < 0.15, generator.random(len(owner)), hard)
        luck = np.where(
            generator.random((case.seeds, len(owner))) < 0.05, generator.random((case.seeds, len(owner))), own
        )
        predicted[at] = np.where(luck < level + shift[owner], labels, (labels + 1) % CLASSES)
    seen = np.arange(case.clients) < case.clients - case.held_out
    return Outcomes(tuple(case.levels), tuple(range(case.seeds)), tuple(names), seen, owner, labels, predicted)


def _scores(outcomes: Outcomes) -> Scores:
    right = np.stack([outcomes.scores(arm, "accuracy") for arm in outcomes.arms])
    clients = range(len(outcomes.clients))
    values = np.stack([right[:, :, outcomes.owner == client].mean(axis=2) for client in clients], axis=2)
    return Scores(outcomes.arms, outcomes.seeds, outcomes.clients, outcomes.seen, values)


def write_answered(folder: Path, name: str | Case, names: str = "clinic-{}") -> Path:
    """Write a run folder whose verdict is that of a case, and whose client table fits it."""
    case = CASES[name] if isinstance(name, str) else name
    recipe = Recipe(
        arms=tuple(case.levels),
        seeds=case.seeds,
        clients=case.clients,
        unseen=case.held_out,
        metric="accuracy",
        nan_client=False,
        verdict=False,
        names=names,
    )
    write_run(folder, recipe)
    study = (folder / "study.toml").read_text().replace("min_effect = 0.01", f"min_effect = {case.min_effect}")
    (folder / "study.toml").write_text(study)
    verdict, scores = verdict_of(case, client_names(recipe))
    (folder / "verdict.json").write_text(json.dumps(verdict.as_json(), indent=2, allow_nan=False))
    seen = zip(scores.clients, scores.seen.tolist(), strict=True)
    clients = [{"id": client, "seen": there, "test": case.examples} for client, there in seen]
    (folder / "federation.json").write_text(json.dumps({"clients": clients}))
    _write_table(folder / "clients.parquet", case, scores)
    return folder


def _write_table(path: Path, case: Case, scores: Scores) -> None:
    rows = [
        (arm, seed, client, bool(scores.seen[c]), "test", metric, value)
        for a, arm in enumerate(scores.arms)
        for s, seed in enumerate(scores.seeds)
        for c, client in enumerate(scores.clients)
        for metric, value in (("accuracy", float(scores.values[a, s, c])), ("num_examples", float(case.examples)))
    ]
    columns = ("arm", "seed", "client", "seen", "split", "metric", "value")
    pq.write_table(pa.table(dict(zip(columns, map(list, zip(*rows, strict=True)), strict=True))), path)
