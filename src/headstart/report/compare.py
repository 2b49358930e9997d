"""Two run folders beside each other: what changed between them, whether the answer did, and what that may come from."""

from __future__ import annotations

import math
from collections.abc import Iterator, Mapping
from dataclasses import dataclass

from headstart.core.files import read_json
from headstart.core.plain import finite
from headstart.evidence.answer_words import DOING, signed
from headstart.evidence.metrics import measure_in
from headstart.report import answer, findings
from headstart.report.run import Json, Run
from headstart.report.summary import recommended

_FACTS = ("checksum", "study", "key", "version")
"""What a file says of itself, in which every two folders differ."""
_SURE = 2.0
"""Standard errors beyond which a gap has moved by more than chance."""
_MOST = 12
"""Lines of one kind, of which more are counted."""


@dataclass(frozen=True)
class Comparison:
    """What differs between two runs.

    Attributes:
        same_answer: whether both say the same, be it that it is undecided between the same families; None where one of
            them has no answer, or claims nothing.
        answer: what each answered, and which arm each would use.
        why: what the difference, or its absence, may come from.
        settings: changed keys of the study, with their values before and after.
        data: what was read differently.
        versions: of the software, the device among them.
        arms: that only one of them ran, and means that moved.
    """

    same_answer: bool | None
    answer: tuple[str, ...]
    why: tuple[str, ...]
    settings: tuple[str, ...]
    data: tuple[str, ...]
    versions: tuple[str, ...]
    arms: tuple[str, ...]


def compare_runs(before: Run, after: Run) -> Comparison:
    """Compare a run with a later one."""
    versions = [findings.versions(run) for run in (before, after)]
    changed = {
        "settings": tuple(_changes(*_settings(before, after))),
        "data": tuple(_changes(*_data(before, after))),
        "versions": tuple(_changes(*map(dict, versions))) if all(versions) else (),
    }
    answered = all(answer.has_answer(run.verdict) for run in (before, after))
    claims = answered and "no claim" not in (before.verdict["grounds"], after.verdict["grounds"])
    same = before.verdict["headline"] == after.verdict["headline"] if claims else None
    causes = [name for name, lines in changed.items() if lines]
    why = (*(_why(before, after) if answered else ()), *_missing(before, after), _changed(causes))
    arms = tuple(_arms(before, after)) if answered else ()
    return Comparison(same, tuple(_answers(before, after, same)), why, arms=arms, **changed)


def compare_lines(found: Comparison) -> Iterator[tuple[str, str]]:
    """Yield a comparison as label and text."""
    parts: Mapping[str, tuple[str, ...]] = {
        "Answer": found.answer,
        "Why": found.why,
        "Settings": found.settings,
        "Data": found.data,
        "Versions": found.versions,
        "Arms": found.arms,
    }
    for label, lines in parts.items():
        shown = lines if len(lines) <= _MOST else (*lines[:_MOST], f"and {len(lines) - _MOST} more")
        yield from ((label, line) for line in shown or ("the same",))


_SAME = {
    True: "The answer is the same.",
    False: "The answer has changed.",
    None: "There are no two answers to compare.",
}


def _answers(before: Run, after: Run, same: bool | None) -> Iterator[str]:
    yield _SAME[same]
    for word, run in (("before", before), ("after", after)):
        if not run.verdict:
            yield f"{word}: no verdict yet"
        elif not answer.has_answer(run.verdict):
            yield f"{word}: a verdict from before studies answered the question; arm to use: {recommended(run)}"
        else:
            yield f"{word}: {answer.headline(run.verdict)}; arm to use: {recommended(run) or 'none'}"


def _missing(before: Run, after: Run) -> Iterator[str]:
    """Name files without which something cannot be compared."""
    for name, what in (("settings.json", "settings"), ("federation.json", "data")):
        lacking = [str(run.folder) for run in (before, after) if not (run.folder / name).is_file()]
        if lacking:
            yield f"{' and '.join(lacking)} lacks {name}: {what} cannot be compared."
    unfinished = [str(run.folder) for run in (before, after) if not findings.versions(run)]
    if unfinished:
        yield f"{' and '.join(unfinished)} has no finished run: versions and arms cannot be compared."


def _changed(causes: list[str]) -> str:
    return f"Changed: {', '.join(causes)}." if causes else "No change of settings, data or versions was found."


def _why(before: Run, after: Run) -> Iterator[str]:
    """Say how each gap between families moved, and by how much the rule did."""
    gaps = _gaps(before), _gaps(after)
    if before.metric != after.metric:
        yield f"Decided by other metrics, {before.metric} and {after.metric}: their numbers cannot be compared."
        return
    for sides, old in gaps[0].items():
        if sides in gaps[1]:
            yield _moved(sides, old, gaps[1][sides], after)
    rules = [run.verdict.get("min_effect") for run in (before, after)]
    if rules[0] != rules[1]:
        yield f"The smallest difference that matters was {rules[0]}, is {rules[1]}."


def _gaps(run: Run) -> dict[tuple[str, str], Json]:
    """Return each contrast of two families in the scope that the run's answer speaks of."""
    scope = run.verdict.get("scope")
    return {(one["of"], one["over"]): one for one in run.verdict.get("contrasts") or () if one["scope"] == scope}


def _moved(sides: tuple[str, str], old: Json, new: Json, run: Run) -> str:
    """Say by how much a gap moved, and whether by more than chance would."""
    metric, (of, over) = measure_in(run.verdict), (DOING[side] for side in sides)
    words = f"{of} over {over}: {signed(old['gap'], metric)}, now {signed(new['gap'], metric)}"
    errors = [finite(one.get("se")) for one in (old, new)]
    if None in errors:
        return f"{words}."
    error = math.hypot(*(value or 0.0 for value in errors))
    sure = abs(new["gap"] - old["gap"]) > _SURE * error
    return f"{words}: {'more than chance would move it' if sure else 'within chance'}."


def _settings(before: Run, after: Run) -> tuple[dict[str, object], dict[str, object]]:
    """Return the settings of both; nothing where either's are missing."""
    said = [read_json(run.folder / "settings.json") for run in (before, after)]
    return (_flat(said[0]), _flat(said[1])) if said[0] and said[1] else ({}, {})


def _data(before: Run, after: Run) -> tuple[dict[str, object], dict[str, object]]:
    """Return what both read; nothing where either does not say."""
    return (_read(before), _read(after)) if before.federation and after.federation else ({}, {})


def _read(run: Run) -> dict[str, object]:
    """Return what was read: all but the sentences that say it again."""
    found = {name: value for name, value in run.federation.items() if name not in ("clients", *_FACTS)}
    account = {name: value for name, value in (found.pop("account", None) or {}).items() if name != "says"}
    clients, content = run.federation.get("clients") or (), str(run.federation.get("key") or "")
    return _flat({"content (a hash)": content[:12], "number of clients": len(clients), **account, **found})


def _flat(table: Json, path: str = "") -> dict[str, object]:
    """Return a table's values by their paths."""
    found: dict[str, object] = {}
    for name, value in table.items():
        if name in _FACTS and not path:
            continue
        inner = f"{path}{name}"
        found |= _flat(value, f"{inner}.") if isinstance(value, Mapping) and value else {inner: value}
    return found


def _changes(before: Mapping[str, object], after: Mapping[str, object]) -> Iterator[str]:
    for name in dict.fromkeys((*before, *after)):
        old, new = before.get(name), after.get(name)
        # What another version did not know was as good as nothing.
        if old != new and not (old in _NOTHING and new in _NOTHING):
            yield f"{name}: {_said(old)}, now {_said(new)}"


_NOTHING: tuple[object, ...] = (None, "", [], {})
_LONG = 60


def _said(value: object) -> str:
    words = "none" if value in _NOTHING else str(value)
    return words if len(words) <= _LONG else f"{words[: _LONG - 1]}…"


def _arms(before: Run, after: Run) -> Iterator[str]:
    """Say which arms came and went, and by how much the others' means moved."""
    old, new = (run.verdict.get("arms") or {} for run in (before, after))
    gone, come = [name for name in old if name not in new], [name for name in new if name not in old]
    if gone:
        yield f"no longer there: {', '.join(gone)}"
    if come:
        yield f"new: {', '.join(come)}"
    if before.metric != after.metric:
        return
    metric = measure_in(after.verdict or before.verdict or {"metric": after.metric})
    moved = {name: _change(old[name], new[name]) for name in old if name in new}
    for name in sorted(moved, key=lambda one: -abs(moved[one])):
        if moved[name]:
            yield f"{name}: {signed(moved[name], metric)} in its mean"


def _change(old: Json, new: Json) -> float:
    """Return by how much an arm's mean moved; 0 where either is not known."""
    before, after = finite(old.get("mean")), finite(new.get("mean"))
    return 0.0 if before is None or after is None else after - before
