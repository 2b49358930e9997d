"""What a page can say before anything was judged: what was foretold, and what will run."""

from __future__ import annotations

from collections.abc import Iterator

from headstart.core.plain import finite
from headstart.evidence.answer_words import DOING, amount, signed
from headstart.report.run import Json, Run
from headstart.report.units import share


def first_words(run: Run) -> tuple[str, ...]:
    """Say what will run, and what the diagnosis foretells: which family or arm should be best, and each gain."""
    return tuple(words for words in (_to_run(run), *_foretold(run.diagnosis.get("prediction") or {})) if words)


def _foretold(told: Json) -> Iterator[str]:
    """Yield what a prediction says, one sentence each.

    >>> gain = {"mean": 0.074, "low": 0.019, "high": 0.129, "probability": 0.94}
    >>> told = {"family": "federate", "gains": {"federate": gain}, "metric": "accuracy", "min_effect": 0.02}
    >>> for words in _foretold(told):
    ...     print(words)
    Foretold before any training: federating.
    Federating should gain +7.4 points over fine-tuning alone (90 % 1.9 to 12.9); more than 2 points: 94%.
    """
    best = DOING.get(told.get("family") or "") or told.get("winner")
    if best:
        yield f"Foretold before any training: {best}."
    metric = str(told.get("metric") or "accuracy")
    for family, gain in (told.get("gains") or {}).items():
        if finite(gain.get("mean")) is not None:
            yield _gain(DOING.get(family, family), gain, metric, finite(told.get("min_effect")))


def _gain(doing: str, gain: Json, metric: str, least: float | None) -> str:
    low, high = (100 * (finite(gain.get(end)) or 0.0) for end in ("low", "high"))
    words = f"{doing.capitalize()} should gain {signed(gain['mean'], metric)} over fine-tuning alone"
    sure = "" if least is None else f"; more than {amount(least, metric)}: {share(gain.get('probability'))}"
    return f"{words} (90 % {low:.1f} to {high:.1f}){sure}."


def _to_run(run: Run) -> str:
    """What will run, in a sentence; empty where the race says it."""
    arms, seeds = list(run.study.get("arms") or ()), run.study.get("seeds")
    if run.race.get("left"):
        return ""
    names = f"{len(arms)} {'arm' if len(arms) == 1 else 'arms'} ({', '.join(arms)})" if arms else "the standard arms"
    return f"To run: {names}{f', at most {len(seeds)} seeds each' if isinstance(seeds, list) and seeds else ''}."
