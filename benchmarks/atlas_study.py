"""One federation of the atlas: the product's study on a small test, and the truth on fresh examples.

The study runs seven arms of heads with the product's own engine and tuning; its verdict comes from the product's own
``decide``, on the client's own test examples and the first three seeds. The truth is the mean of three more seeds on
fresh examples, which are other models on other rows: nothing that the answer rests on enters it.
"""

from __future__ import annotations

import tempfile
import time
from collections.abc import Mapping
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np

from atlas_plans import Dealt
from headstart.core.arrays import Array
from headstart.data.federation import Federation
from headstart.engine.ways.fleet import Fleet
from headstart.evidence.answer import Answer
from headstart.evidence.outcomes import Outcomes
from headstart.evidence.scores import Scores
from headstart.evidence.sides import FAMILIES
from headstart.evidence.verdict import Verdict, decide
from headstart.models.spec import ModelSpec
from headstart.study.judge import traits_of
from headstart.study.lab import Lab
from headstart.study.run.folder import RunFolder
from headstart.study.run.predictions import outcomes
from headstart.study.study import Study
from headstart.study.written.load import parse_study

Row = dict[str, Any]
SEEDS, TRUE_SEEDS = (0, 1, 2), (3, 4, 5)
"""Seeds of the study, and of the truth."""
METRIC, MIN_EFFECT, CONFIDENCE = "accuracy", 0.02, 0.95
EPOCHS = 20
_PROBE = {"method": "linear_probe", "epochs": EPOCHS}
_ROUNDS = {"method": "fedavg", "rounds": EPOCHS, "local_epochs": 1}
ARMS: Mapping[str, Mapping[str, Any]] = {
    "finetune-head": {"adapt": _PROBE},
    "local-ridge": {"adapt": "local_ridge"},
    "local-lda": {"adapt": "local_lda"},
    "fedavg": {"federate": _ROUNDS},
    "ridge": {"federate": "ridge"},
    "fedavg-finetune": {
        "federate": {**_ROUNDS, "rounds": EPOCHS // 2},
        "adapt": {**_PROBE, "epochs": EPOCHS // 2},
    },
    "ridge-personal": {"federate": "ridge", "adapt": "personal_ridge"},
}
"""Equal passes over a client's data, as in the standard slate."""


@dataclass(frozen=True, eq=False)
class Ran:
    """What a study left.

    Attributes:
        own: what arms said of the test examples that the study may see, in its seeds.
        fresh: what arms said of fresh examples, in the other seeds.
        validation: scores on validation data, in the study's seeds.
        verdict: of the study.
    """

    own: Outcomes
    fresh: Outcomes
    validation: Scores
    verdict: Verdict


def run(dealt: Dealt) -> Row:
    """Run a federation's study; return what is to be recorded of it."""
    begin, worked = time.monotonic(), time.process_time()
    ran = _study(dealt)
    seconds = {"seconds": time.monotonic() - begin, "cpu_seconds": time.process_time() - worked}
    return {**_answer(ran), **_truth(ran), **{name: round(value, 1) for name, value in seconds.items()}}


def _study(dealt: Dealt) -> Ran:
    table = {
        "name": "atlas",
        "seeds": [*SEEDS, *TRUE_SEEDS],
        "data": {"source": "digits"},
        "model": {"backbone": "linear"},
        "training": {"batch_size": 16, "momentum": 0.9},
        "evaluation": {"global_test_examples": 0},
        # The truth needs every arm and seed.
        "study": {"until": "all"},
        "decision": {"baseline": "fedavg", "metric": METRIC, "min_effect": MIN_EFFECT, "confidence": CONFIDENCE},
        "arms": {name: {"start": "random", **arm} for name, arm in ARMS.items()},
    }
    # The data are opened already; the file's own are never read.
    file = parse_study(table, Path())
    lab = Lab(dealt.federation, ModelSpec(backbone="linear"), Fleet("stack"), global_test_examples=0)
    study = Study.open(file, lab=lab)
    with tempfile.TemporaryDirectory() as folder:
        outcome = study.run(folder)
        runs = RunFolder(Path(folder))
        said = outcomes(runs, dealt.federation, list(ARMS), METRIC)
        assert said is not None, "every run keeps what it predicts"
        validation = _validation(runs, dealt.federation)
        traits = {arm.name: traits_of(arm, runs.results()) for arm in study.slate.arms}
    is_own = np.concatenate(
        [np.arange(len(c.test)) < own for c, own in zip(dealt.federation.clients, dealt.own, strict=True)]
    )
    own, fresh = _part(said, SEEDS, is_own), _part(said, TRUE_SEEDS, ~is_own)
    verdict = decide(
        _scores(own),
        baseline="fedavg",
        metric=METRIC,
        min_effect=MIN_EFFECT,
        confidence=CONFIDENCE,
        costs={name: cost.as_json() for name, cost in outcome.slate.costs.items()},
        ruled_out={},
        traits=traits,
        validation=validation,
        outcomes=own,
    )
    return Ran(own, fresh, validation, verdict)


def _part(said: Outcomes, seeds: tuple[int, ...], rows: Array) -> Outcomes:
    """Keep some seeds and test examples."""
    at = [said.seeds.index(seed) for seed in seeds]
    predicted = said.predicted[:, at][:, :, rows]
    return replace(said, seeds=seeds, owner=said.owner[rows], labels=said.labels[rows], predicted=predicted)


def _scores(said: Outcomes) -> Scores:
    """Return every client's accuracy."""
    clients = range(len(said.clients))
    values = np.full((len(said.arms), len(said.seeds), len(said.clients)), np.nan)
    right = said.predicted == said.labels
    for client in clients:
        mine = said.owner == client
        values[:, :, client] = right[:, :, mine].mean(axis=2) if mine.any() else np.nan
    return Scores(said.arms, said.seeds, said.clients, said.seen, values)


def _validation(runs: RunFolder, federation: Federation) -> Scores:
    ids = tuple(client.id for client in federation.clients)
    values = np.full((len(ARMS), len(SEEDS), len(ids)), np.nan)
    for line, facts in runs.results():
        if line["seed"] in SEEDS:
            found = facts["metrics"]["val"][METRIC]
            values[list(ARMS).index(line["arm"]), SEEDS.index(line["seed"])] = [
                np.nan if one is None else one for one in found
            ]
    return Scores(tuple(ARMS), SEEDS, ids, np.ones(len(ids), dtype=bool), values)


def _answer(ran: Ran) -> Row:
    """Record the answer and its contrasts, each with the gap that fresh examples show."""
    answer = ran.verdict.answer
    fresh = _by_client(ran.fresh)
    pairs = []
    for one in answer.contrasts:
        low, high = one.contrast.interval(CONFIDENCE)
        true = _gap(fresh, one.arm, one.over_arm)
        pair = {"scope": one.contrast.scope, "of": one.of, "over": one.over, "gap": one.contrast.gap}
        pairs.append({**pair, "low": low, "high": high, "fresh": true, "inside": bool(low <= true <= high)})
    return {
        "answer": answer.family,
        "grounds": answer.grounds,
        "leader": answer.leader,
        "scope": answer.rule.scope,
        "arms": {family: standing.representative for family, standing in answer.families.items()},
        "contrasts": pairs,
    }


def _truth(ran: Ran) -> Row:
    """Record what every family's representative, picked on validation data, is worth on fresh examples."""
    fresh, arms = _by_client(ran.fresh), _representatives(ran.verdict.answer)
    means = {family: float(np.nanmean(fresh[arm])) for family, arm in arms.items()}
    best = max(means, key=lambda family: means[family])
    own = _by_client(ran.own)
    every = {
        arm: {
            "val": float(np.nanmean(ran.validation.of(arm))),
            "test": float(np.nanmean(own[arm])),
            "fresh": float(np.nanmean(fresh[arm])),
            "balanced": _balanced(ran.fresh, arm),
        }
        for arm in ARMS
    }
    return {
        "fresh": means,
        "best": best,
        "fresh_se": max(_error(ran.fresh, arms[best], arm) for arm in arms.values()),
        "every_arm": every,
    }


def _representatives(answer: Answer) -> dict[str, str]:
    return {family: answer.families[family].representative for family in FAMILIES}


def _by_client(said: Outcomes) -> dict[str, Array]:
    """Return each arm's accuracies ``(seeds, clients)``."""
    scores = _scores(said)
    return {arm: scores.of(arm) for arm in said.arms}


def _gap(fresh: Mapping[str, Array], arm: str, over: str) -> float:
    return float(np.nanmean(fresh[arm]) - np.nanmean(fresh[over]))


def _balanced(said: Outcomes, arm: str) -> float:
    """Return the mean over clients and their classes of the share that is right."""
    right, classes = said.scores(arm, METRIC).mean(axis=0), int(said.labels.max()) + 1
    size = (len(said.clients), classes)
    count, total = np.zeros(size), np.zeros(size)
    np.add.at(count, (said.owner, said.labels), 1)
    np.add.at(total, (said.owner, said.labels), right)
    return float(np.nanmean(np.nanmean(np.where(count > 0, total / np.maximum(count, 1), np.nan), axis=1)))


def _error(said: Outcomes, arm: str, over: str) -> float:
    """Return the standard error of a fresh gap, of examples and seeds."""
    difference = said.scores(arm, METRIC) - said.scores(over, METRIC)
    each = difference.mean(axis=0)
    parts = [each[said.owner == client] for client in range(len(said.clients))]
    sampling = sum(part.var() / len(part) for part in parts if len(part)) / len(parts) ** 2
    return float(np.sqrt(sampling + difference.mean(axis=1).var(ddof=1) / len(said.seeds)))
