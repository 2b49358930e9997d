"""What stands behind the verdict: the diagnosis, the prediction, what was left out, tuning, versions."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping
from typing import Any

import numpy as np
from numpy.typing import NDArray

from headstart.core.plain import by_value, finite
from headstart.core.words import listed
from headstart.evidence.privacy_words import privacy_lines
from headstart.evidence.scores import Scores
from headstart.report.foretold import gain_lines, until_line, what_held
from headstart.report.run import Json, Run
from headstart.report.units import DASH, MISSING, Metric, number
from headstart.report.views import KeyNumber


def facts(diagnosis: Json) -> list[KeyNumber]:
    """The diagnosis as label, value, reading; only what was measured."""
    found = [
        _label_skew(diagnosis),
        _amounts(diagnosis),
        _shift(diagnosis),
        _backbone(diagnosis),
        _ceiling(diagnosis),
    ]
    return [fact for fact in found if fact.value != MISSING]


def _part(diagnosis: Json, name: str) -> Json:
    value = diagnosis.get(name)
    return value if isinstance(value, Mapping) else {}


def _notes(*pairs: tuple[str, str]) -> str:
    return ", ".join(f"{name} {value}" for name, value in pairs if value != MISSING)


def _label_skew(diagnosis: Json) -> KeyNumber:
    skew = _part(diagnosis, "label_skew")
    note = _notes(
        ("by chance", number(skew.get("expected"), 2)),
        ("Jensen-Shannon", number(skew.get("jensen_shannon"), 2)),
    )
    return KeyNumber("Label skew", number(skew.get("total_variation"), 2), note)


def _amounts(diagnosis: Json) -> KeyNumber:
    amount = _part(diagnosis, "quantity_skew")
    span = f"{_count(amount.get('min'))}{DASH}{_count(amount.get('max'))}" if amount else MISSING
    note = _notes(("median", _count(amount.get("median"))), ("Gini", number(amount.get("gini"), 2)))
    return KeyNumber("Training examples per client", span, note)


def _shift(diagnosis: Json) -> KeyNumber:
    shift = _part(diagnosis, "feature_shift")
    chance, within = number(shift.get("expected"), 2), number(shift.get("class_conditional"), 2)
    return KeyNumber(
        "Feature shift",
        number(shift.get("frechet"), 2),
        _notes(("by chance", chance), ("within a class", within)),
    )


def _backbone(diagnosis: Json) -> KeyNumber:
    backbone, accuracy = _part(diagnosis, "backbone"), Metric("accuracy")
    notes = [
        (name, accuracy.value(backbone.get(key))) for name, key in (("kNN", "knn_accuracy"), ("majority", "majority"))
    ]
    note = _notes(*notes, ("LogME", number(backbone.get("logme"), 2)))
    return KeyNumber("Accuracy from frozen features", accuracy.value(backbone.get("ridge_accuracy")), note)


def _ceiling(diagnosis: Json) -> KeyNumber:
    ceiling, accuracy = _part(diagnosis, "ceiling"), Metric("accuracy")
    notes = [(name, accuracy.value(ceiling.get(name))) for name in ("pooled", "local")]
    note = _notes(*notes, ("noise", accuracy.change(ceiling.get("noise")).lstrip("+")))
    return KeyNumber("A shared head over a local one", accuracy.change(ceiling.get("gap")), note)


def _count(x: Any) -> str:
    value = finite(x)
    return MISSING if value is None else f"{value:,.0f}"


def prediction(run: Run) -> dict[str, Any] | None:
    """The family foretold before training, the gains and reasons, and what came true; None when nothing was foretold.

    Older folders foretold an arm.
    """
    foretold = _part(run.diagnosis, "prediction")
    family = run.verdict.get("predicted") or foretold.get("family") or foretold.get("winner")
    if not family:
        return None
    words = what_held({**run.verdict, "predicted": family}) if run.verdict else ""
    found = {"family": family, "held": run.verdict.get("prediction_held"), "words": words}
    until = until_line(_part(run.diagnosis, "curves"))
    gains = [*gain_lines(foretold), *([until] if until else [])]
    return {**found, "gains": gains, "reasons": list(foretold.get("reasons") or ())}


def excluded(run: Run) -> list[dict[str, Any]]:
    """Clients left out of rounds, one line per arm, client and reason, with how often it happened."""
    seen: Counter[tuple[str, str, str]] = Counter()
    for record in run.records:
        for item in record.get("excluded") or ():
            seen[str(record["arm"]), str(item.get("client")), str(item.get("reason"))] += 1
    return [{"arm": arm, "client": client, "reason": reason, "times": n} for (arm, client, reason), n in seen.items()]


def account(run: Run) -> list[tuple[str, str]]:
    """What was read and what became of it, as label and text; empty in folders of before that was kept."""
    said = (run.federation.get("account") or {}).get("says") or ()
    return [(str(label), str(text)) for label, text in said]


def ruled_out(run: Run) -> list[tuple[str, str]]:
    """Arms that were ruled out for the same reason, together, and the reason."""
    reasons = by_value(run.verdict.get("ruled_out") or {})
    return [(", ".join(arms), reason) for reason, arms in reasons.items()]


def warnings(run: Run) -> list[tuple[str, str]]:
    """What is to be noticed of the arms, each with its name: first why training failed, then all else."""
    failed = [(arm, reason) for arm, reason in run.failed.items() if arm not in (run.verdict.get("ruled_out") or {})]
    others = (run.verdict.get("warnings") or {}).items()
    return [*failed, *((arm, words) for arm, all_words in others for words in all_words)]


_HOW_CHECKED = (
    "what each says of training and validation examples, never of test examples, was held in every seed against what "
    "its start says and what is said by one who knows nothing of the example. That is of training as a whole: whether "
    "a last step helped is said under who is hurt"
)


def learnt(run: Run) -> str:
    """Say how many arms nothing is to be noticed of, and how that was checked; empty before there is a verdict."""
    if not run.verdict or not run.arms:
        return ""
    named = {arm for arm, _ in warnings(run)}
    fine = [arm for arm in run.arms if arm not in named]
    checked = [arm for arm in fine if all(record.get("learnt") is not None for record in run.of(arm))]
    if not checked:
        return "" if named else "Whether arms learnt was not checked: the records keep nothing to tell it by."
    who = _whose(len(checked), len(fine), bool(named))
    left = [arm for arm in fine if arm not in checked]
    rest = f" Not checked: {', '.join(left)}." if left else ""
    return f"{who} learnt: {_HOW_CHECKED}.{rest}"


def _whose(checked: int, fine: int, others: bool) -> str:
    """Name arms by their number.

    >>> _whose(10, 10, False), _whose(3, 4, False), _whose(1, 1, True)
    ('All 10 arms', '3 arms', 'The other arm')
    """
    count = f"{checked} " if checked > 1 else ""
    arms = f"{count}{'arm' if checked == 1 else 'arms'}"
    if others and checked == fine:
        return f"The other {arms}"
    return f"All {arms}" if checked == fine > 1 else arms if checked > 1 else "One arm"


def privacy(run: Run) -> list[tuple[str, str]]:
    """What arms with noise promise their clients, each with its name."""
    return [*privacy_lines(run.verdict.get("privacy") or {})]


def data_notes(run: Run) -> list[str]:
    """What a reader should know about the data and the folder before believing a number."""
    scores = run.scores()
    lost = int((np.isnan(scores.values) & ~_not_run(run, scores)[:, :, None]).sum())
    notes = [*run.notes, *map(str, run.federation.get("notes") or ())]
    if lost:
        notes.append(f"{lost} of {scores.values.size} client scores are missing; means are over the rest.")
    absent = run.diagnosis.get("missing_classes") or {}
    if absent:
        names = listed([str(name) for name in absent], 8)
        notes.append(f"Clients that train and have no training example of some class ({len(absent)}): {names}.")
    if len(run.seeds) == 1:
        notes.append("One seed only: the spread between repetitions is unknown.")
    return notes


def _not_run(run: Run, scores: Scores) -> NDArray[np.bool_]:
    """Which seeds a race left out ``(arms, seeds)``: their scores are not missing, there were to be none."""
    done = {(record["arm"], record["seed"]) for record in run.records}
    out = run.race.get("out") or {}
    found = [arm in out and (arm, seed) not in done for arm in scores.arms for seed in scores.seeds]
    return np.array(found, dtype=bool).reshape(len(scores.arms), len(scores.seeds))


def tuning(run: Run) -> list[dict[str, Any]]:
    """Per tuned arm: how many trials, and the values chosen on validation data with their score."""
    lines = []
    for arm in run.arms:
        tuned = [record["tuning"] for record in run.of(arm) if record.get("tuning")]
        if tuned:
            found = {"trials": max(map(len, tuned)), "values": _chosen(tuned), "score": _best_score(tuned)}
            lines.append({"arm": arm, **found})
    return lines


def _best(trials: list[Json]) -> Json:
    chosen = [trial for trial in trials if trial.get("chosen")]
    return max(chosen or trials, key=lambda trial: -np.inf if finite(trial.get("score")) is None else trial["score"])


def _chosen(tuned: list[list[Json]]) -> list[tuple[str, str]]:
    values: dict[str, list[Any]] = {}
    for trials in tuned:
        for name, value in (_best(trials).get("values") or {}).items():
            values.setdefault(name, []).append(value)
    return [(name, _summarised(items)) for name, items in values.items()]


def _summarised(items: list[Any]) -> str:
    distinct = sorted(set(items), key=lambda item: (isinstance(item, str), item))
    written = [f"{item:.3g}" if isinstance(item, float) else str(item) for item in distinct]
    return ", ".join(dict.fromkeys(written))


def _best_score(tuned: list[list[Json]]) -> str:
    scores = [score for trials in tuned if (score := finite(_best(trials).get("score"))) is not None]
    return number(abs(sum(scores)) / len(scores)) if scores else MISSING


def versions(run: Run) -> list[tuple[str, str]]:
    """Software versions over all records; several where the records differ."""
    found: dict[str, list[str]] = {}
    for record in run.records:
        for name, version in (record.get("versions") or {}).items():
            found.setdefault(name, []).append(str(version))
    return [(name, ", ".join(dict.fromkeys(items))) for name, items in found.items()]


def hashes(run: Run) -> list[tuple[str, str]]:
    """The hashes of the study and of the decision rule that the records carry."""
    pairs = (("study", "Study"), ("decision", "Decision rule"))
    found = [(label, dict.fromkeys(str(r[key]) for r in run.records if r.get(key))) for key, label in pairs]
    return [(label, ", ".join(values)) for label, values in found if values]
