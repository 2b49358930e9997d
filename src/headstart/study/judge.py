"""From all runs' client table to the verdict."""

from __future__ import annotations

import math
from collections.abc import Collection, Iterator, Mapping, Sequence
from dataclasses import replace
from itertools import compress
from typing import Any

import numpy as np

from headstart.core.content import hash_json
from headstart.core.files import read_json
from headstart.data.federation import Client, Federation
from headstart.evidence.learnt import Finding
from headstart.evidence.metrics import TIES, Measure, measure_of
from headstart.evidence.noticed import Heads, Noticed, Standing, beside_each_other, over_seeds
from headstart.evidence.outcomes import Outcomes
from headstart.evidence.privacy_words import weakest
from headstart.evidence.race import Race
from headstart.evidence.scores import COLUMNS, Scores, from_rows
from headstart.evidence.sides import Traits
from headstart.evidence.summed import Sums
from headstart.evidence.verdict import Verdict, decide, prediction_held
from headstart.study.diagnosis import predicted_family
from headstart.study.plan import family_of
from headstart.study.run.folder import RunFolder
from headstart.study.run.here import Here
from headstart.study.run.predictions import write_predictions
from headstart.study.run.records import client_rows, to_array, write_clients
from headstart.study.run.work import Work
from headstart.study.written.arms import Arm
from headstart.study.written.private import epsilon_of_arm
from headstart.study.written.schema import DecisionSettings
from headstart.study.written.slate import Slate

Json = Mapping[str, Any]
_SHOWN = 5


def judge_folder(
    folder: RunFolder,
    slate: Slate,
    decision: DecisionSettings,
    *,
    every_arm: Sequence[Arm],
    federation: Federation,
    stopped: Mapping[str, str],
    race: Race | None = None,
    work: Work | None = None,
) -> Verdict:
    """Decide between the arms of a run folder.

    Args:
        folder: with its records.
        slate: the study's arms, with their costs.
        decision: the rule, fixed before the runs.
        every_arm: those that a device rules out, too.
        federation: that the runs were made with.
        stopped: arms that had to stop, with the reason.
        race: where the race stands, if the arms are in one.
        work: what clients did, here or where their data are.
    """
    results, diagnosis = folder.results(), folder.path / "diagnosis.json"
    names = [arm.name for arm in slate.arms]
    gathered = (work or Here()).gather(folder, federation, names, decision.metric)
    if gathered.said is None and gathered.clients is not None:
        # Without a word on examples nothing can be claimed of these clients alone.
        decision = replace(decision, clients=decision.clients or "like these")
    of = measure_of(decision.metric, federation.task)
    undefined = _undefined_at(results, federation, of)
    parts = _client_parts(results, federation, gathered.clients)
    verdict = judge(
        slate,
        decision,
        metric=of,
        every_arm=every_arm,
        results=results,
        parts=[_of_clients(part, {*part["client"]} - undefined.keys()) for part in parts] if undefined else parts,
        outcomes=gathered.said,
        stopped=stopped,
        predicted=predicted_family(diagnosis),
        noticed=_notice(results, slate.arms, read_json(diagnosis) or {}),
        race=race,
    )
    doubts = tuple(_told_too_soon(federation))
    said = (*doubts, *gathered.cautions, *_left_out(undefined, federation, of), *verdict.cautions)
    return replace(verdict, cautions=said, doubt=" ".join(doubts), undefined=undefined)


def _told_too_soon(federation: Federation) -> Iterator[str]:
    """Name the input columns that alone tell the label."""
    for one in federation.account.telling if federation.account else ():
        yield (
            f"Column '{one.column}' alone tells '{one.label}': unless it is known before that is, every score here is "
            "too good and the answer means nothing; leave it out of data.columns."
        )


def _undefined_at(results: Sequence[tuple[Json, Json]], federation: Federation, metric: Measure) -> dict[str, str]:
    """Return the clients with test examples at which the metric is not defined, with the reason.

    Of some runs alone is enough, for means of others would be over other clients; unless that were most clients.
    """
    if not metric.undefined:
        return {}
    tested = np.array([_tests(client) for client in federation.clients])
    tie = TIES[federation.task.kind]
    runs = [found for _, facts in results if metric.name in (found := facts["metrics"].get("test") or {})]
    if not runs:
        return {}
    values = np.array([to_array(found[metric.name]) for found in runs])
    ran = np.array([to_array(found[tie] if tie in found else found[metric.name]) for found in runs])
    gone = (np.isnan(values) & np.isfinite(ran)).any(axis=0) & tested
    if gone.sum() > tested.sum() / 2 or not gone.any():
        gone = np.isnan(values).all(axis=0) & tested
    return {client.id: metric.undefined for client, is_gone in zip(federation.clients, gone, strict=True) if is_gone}


def _tests(client: Client) -> bool:
    return len(client.test) > 0


def _left_out(undefined: Mapping[str, str], federation: Federation, metric: Measure) -> Iterator[str]:
    """Say at how many clients the metric is not defined, and name the first."""
    if undefined:
        names, tested = list(undefined), sum(map(_tests, federation.clients))
        some = ", ".join(names[:_SHOWN]) + (f" and {len(names) - _SHOWN} more" if len(names) > _SHOWN else "")
        yield (
            f"{metric.words}: not defined at {len(names)} of {tested} clients with {metric.undefined} ({some}): "
            "left out of its means."
        )


def write_verdict(folder: RunFolder, federation: Federation, verdict: Verdict) -> Verdict:
    """Write the client table, the predictions and the verdict; return it with what is to be said of looks before it.

    Args:
        folder: with the records that were judged.
        federation: that the runs were made with.
        verdict: on them.
    """
    write_clients(folder.path / "clients.parquet", _client_parts(folder.results(), federation))
    write_predictions(folder.path / "predictions.parquet", folder, federation)
    said = {**verdict.as_json(), "prediction_held": prediction_held(verdict)}
    said = with_looks(said, read_json(folder.path / "verdict.json") or {})
    # A line of the records that is lost, or another's, is seen by who only reads.
    folder.write("verdict.json", {**said, "rests_on": sorted(line["key"] for line in folder.records.all())})
    return replace(verdict, cautions=tuple(said["cautions"]))


def _client_parts(
    results: Sequence[tuple[Json, Json]], federation: Federation, clients: Collection[str] | None = None
) -> list[dict[str, list[Any]]]:
    """Return each run's rows of the client table, by column; of some clients alone, where they are named."""
    parts = [client_rows(line["arm"], line["seed"], federation, facts["metrics"]) for line, facts in results]
    return parts if clients is None else [_of_clients(part, clients) for part in parts]


def _of_clients(part: Mapping[str, list[Any]], clients: Collection[str]) -> dict[str, list[Any]]:
    kept = [name in clients for name in part["client"]]
    return {column: list(compress(values, kept)) for column, values in part.items()}


def with_looks(said: Json, before: Json) -> dict[str, Any]:
    """Return a verdict that remembers when the test was looked at before: each look may err.

    Args:
        said: the verdict now.
        before: the verdict that it takes the place of; empty without one.
    """
    now = said["looks"]
    earlier = [look for look in before.get("looks", ()) if not any(_covers(again, look) for again in now)]
    looks = [*earlier, *now]
    times = f"{len(looks)} times" if len(looks) > 1 else "before"
    words = (
        f"The test was looked at {times} ({', '.join(map(_size, looks))}): the stated confidence holds for "
        "each look, not for all of them together."
    )
    return {**said, "looks": looks, "cautions": [*said["cautions"], *([words] if earlier else [])]}


def _covers(look: Json, before: Json) -> bool:
    """Say whether a look repeats one before it, and may err as much."""
    return _size(look) == _size(before) and bool(look["alpha"] >= before["alpha"])


def _size(look: Json) -> str:
    arms = "1 arm" if look["arms"] == 1 else f"{look['arms']} arms"
    return f"{look['seeds']} {'seed' if look['seeds'] == 1 else 'seeds'} of {arms}"


def judge(
    slate: Slate,
    decision: DecisionSettings,
    *,
    metric: Measure,
    every_arm: Sequence[Arm],
    results: Sequence[tuple[Json, Json]],
    parts: Sequence[Mapping[str, list[Any]]],
    outcomes: Outcomes | Sums | None,
    stopped: Mapping[str, str],
    predicted: str | None,
    noticed: Noticed,
    race: Race | None = None,
) -> Verdict:
    """Decide between the arms that ran.

    Args:
        slate: the study's arms, with their costs.
        decision: the rule, fixed before the runs.
        metric: what the decision's metric means.
        every_arm: those that a device rules out, too.
        results: every record, with the facts of its last node.
        parts: each run's rows of the client table, by column.
        outcomes: what arms said of every test example, or sums of it, where that was kept.
        stopped: arms that had to stop, with the reason.
        predicted: the family that the diagnosis predicted.
        noticed: what is to be noticed of the arms that ran.
        race: where the race stands, if the arms are in one.
    """
    return decide(
        _scores(slate.arms, decision.metric, parts, "test"),
        baseline=decision.baseline or "fedavg",
        metric=metric,
        min_effect=decision.min_effect,
        confidence=decision.confidence,
        costs={name: cost.as_json() for name, cost in slate.costs.items()},
        ruled_out={**slate.ruled_out, **stopped},
        traits={arm.name: traits_of(arm, results) for arm in every_arm},
        clients=decision.clients,
        validation=_scores(slate.arms, decision.metric, parts, "val"),
        outcomes=outcomes,
        keep=without_last_step(slate.arms),
        predicted=predicted,
        noticed=replace(noticed, failed={**noticed.failed, **stopped}),
        race=race,
        epsilons=_epsilons(slate.arms, noticed),
    )


def _epsilons(arms: Sequence[Arm], noticed: Noticed) -> dict[str, float]:
    """Return the epsilon of every arm that asks for one, NaN where it promises nothing all the same."""
    asked = {arm.name: epsilon for arm in arms if (epsilon := epsilon_of_arm(arm)) is not None}
    empty = {name for name in asked if name in noticed.privacy and noticed.privacy[name].get("epsilon") is None}
    return {name: math.nan if name in empty else epsilon for name, epsilon in asked.items()}


def traits_of(arm: Arm, results: Sequence[tuple[Json, Json]]) -> Traits:
    """Say which family an arm belongs to, and whether it starts from scratch."""
    family = family_of(arm)
    if family == "federate" and any(line.get("personal") for line, _ in results if line["arm"] == arm.name):
        family = "both"
    return Traits(family, from_scratch=not arm.start.build().is_trained)


def _notice(results: Sequence[tuple[Json, Json]], arms: Sequence[Arm], diagnosis: Json) -> Noticed:
    """Gather what is to be noticed of the arms that ran.

    Args:
        results: every record, with the facts of its last node.
        arms: of the study.
        diagnosis: as written; empty without.
    """
    runs = {arm.name: [both for both in results if both[0]["arm"] == arm.name] for arm in arms}
    seeds = {name: over_seeds({line["seed"]: _findings(line) for line, _ in own}) for name, own in runs.items() if own}
    failed = {name: reason for name, (reason, _) in seeds.items() if reason}
    standing = {arm.name: found for arm in arms if arm.name not in failed and (found := _standing(arm, runs[arm.name]))}
    beside = beside_each_other(standing, _heads(diagnosis))
    warnings = {name: [*own, *beside.get(name, [])] for name, (_, own) in seeds.items()}
    kept = {name: _span([line["kept"] for line, _ in own if line.get("kept")]) for name, own in runs.items()}
    return Noticed(
        failed,
        {name: words for name, words in warnings.items() if words},
        {name: words for name, words in kept.items() if words},
        {name: weakest(said) for name, own in runs.items() if (said := _promises(own))},
        [name for name, own in runs.items() if own and all(_is_unlearnt(line) for line, _ in own)],
    )


def _findings(line: Json) -> list[Finding] | None:
    """Return a record's findings; None if it is older than the checks."""
    found = line.get("learnt")
    return None if found is None else [Finding(**one) for one in found]


def _is_unlearnt(line: Json) -> bool:
    return any(one.says_nothing_learnt for one in _findings(line) or ())


def _promises(results: Sequence[tuple[Json, Json]]) -> list[Json]:
    """Return what the records of an arm promise; nothing in those without noise."""
    return [line["privacy"] for line, _ in results if line.get("privacy")]


def _standing(arm: Arm, results: Sequence[tuple[Json, Json]]) -> Standing | None:
    """Return where an arm stands on validation data; None where that was not measured, as in tasks without classes."""
    parts = [facts["learnt"]["val"] for _, facts in results if (facts.get("learnt") or {}).get("val")]
    if not parts:
        return None
    federate, adapt = [stage.build() for stage in arm.federate], arm.adapt.build()
    pooled = any(method.pooled for method in federate)
    return Standing(
        accuracy=float(np.mean([part["accuracy"] for part in parts])),
        rows=parts[0]["rows"],
        start=hash_json(arm.start.as_json()),
        pooled=pooled,
        federated=bool(federate) and not pooled,
        shared=not any(line.get("personal", True) for line, _ in results),
        trains=bool(federate) or not adapt.changes_nothing,
    )


def _heads(diagnosis: Json) -> Heads | None:
    ceiling, backbone = diagnosis.get("ceiling") or {}, diagnosis.get("backbone") or {}
    values = (ceiling.get("pooled"), ceiling.get("local"), backbone.get("majority"))
    return None if None in values else Heads(*(float(value) for value in values if value is not None))


def _span(kept: Sequence[str]) -> str:
    """Say once what all seeds say; else the words of all, shortest first.

    >>> _span(["kept by 3 of 10", "kept by 3 of 10"]), _span(["kept by 3 of 10", "kept by 0 of 10"]), _span([])
    ('kept by 3 of 10', 'kept by 0–3 of 10', '')
    """
    if len(set(kept)) < 2:
        return kept[0] if kept else ""
    counts = [words.split()[2] for words in kept]
    low, high = min(counts, key=int), max(counts, key=int)
    return f"kept by {low}–{high} of {kept[0].split()[-1]}"


def without_last_step(arms: Sequence[Arm]) -> dict[str, str]:
    """Say for each arm which arm is the same without its last stage, if the study has it."""
    names = {_steps(arm): arm.name for arm in arms}
    return {arm.name: names[_steps(arm)[:-1]] for arm in arms if _steps(arm)[:-1] in names}


def _scores(arms: Sequence[Arm], metric: str, parts: Sequence[Mapping[str, list[Any]]], view: str) -> Scores:
    """Gather the decision's metric on one view of the clients' own examples."""
    rows = (
        dict(zip(COLUMNS, cells, strict=True))
        for part in parts
        for cells in zip(*(part[name] for name in COLUMNS), strict=True)
    )
    wanted = (row for row in rows if row["metric"] == metric and row["split"] == view)
    return from_rows(wanted, metric, view, arms=[arm.name for arm in arms])


def _steps(arm: Arm) -> tuple[str, ...]:
    said = arm.as_json()
    last = () if arm.adapt.build().changes_nothing else (said["adapt"],)
    return tuple(map(hash_json, (said["start"], *said["federate"], *last)))
