"""What a reader should know before believing an answer."""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np

from headstart.evidence.answer import Answer
from headstart.evidence.answer_words import signed
from headstart.evidence.contrast import FEW_EXAMPLES, FEWEST_SEEDS
from headstart.evidence.metrics import Measure, measure
from headstart.evidence.outcomes import Outcomes
from headstart.evidence.sides import example_units
from headstart.evidence.summed import Sums

_SHOWN = 5
_TWINS = {"accuracy": "balanced_accuracy", "balanced_accuracy": "accuracy"}


def cautions(answer: Answer, outcomes: Outcomes | Sums | None, metric: Measure) -> tuple[str, ...]:
    """Return sentences, the gravest first; none where there is nothing to be careful of.

    Args:
        answer: found.
        outcomes: what arms said of every test example, or sums of it, where that was kept.
        metric: of the decision.
    """
    return (
        *_other_metric(answer, outcomes, metric),
        *_few_examples(answer, outcomes),
        *_not_kept(answer, outcomes),
        *_cross_fitted(answer),
    )


def _other_metric(answer: Answer, outcomes: Outcomes | Sums | None, metric: Measure) -> Iterator[str]:
    """Say where accuracy and balanced accuracy disagree about who is ahead, by what matters."""
    if not isinstance(outcomes, Outcomes) or answer.leader is None or metric.name not in _TWINS:
        # Sums are of one of the two.
        return
    twin = measure(_TWINS[metric.name])
    units = example_units(outcomes, twin)
    own = units.values[answer.families[answer.leader].representative]
    for family, standing in answer.families.items():
        found = answer.between(answer.leader, family)
        if found is None:
            continue
        other = float(units.paired(own, units.values[standing.representative]).client_means.mean())
        if found.gap * other < 0 and min(abs(found.gap), abs(other)) > answer.rule.min_effect:
            yield (
                f"Over {family}, {answer.leader} is {signed(found.gap, metric)} in {metric.words} and "
                f"{signed(other, twin)} in {twin.words}: classes are unequal, and which metric is right "
                "is for you to say."
            )


def _few_examples(answer: Answer, outcomes: Outcomes | Sums | None) -> Iterator[str]:
    """Name clients of very few test examples: each weighs as much as any other."""
    if outcomes is None or len(answer.families) < 2:
        return
    counts = outcomes.examples
    few = [outcomes.clients[at] for at in np.flatnonzero(outcomes.seen & (counts > 0) & (counts < FEW_EXAMPLES))]
    if few:
        some = ", ".join(few[:_SHOWN]) + (f" and {len(few) - _SHOWN} more" if len(few) > _SHOWN else "")
        yield (
            f"Fewer than {FEW_EXAMPLES} test examples at {len(few)} of {int(outcomes.seen.sum())} clients ({some}): "
            "each client weighs the same, so that single examples count for much."
        )


def _cross_fitted(answer: Answer) -> Iterator[str]:
    picked = answer.families.values()
    if any(standing.picked_by == "cost" and len(standing.arms) > 1 for standing in picked):
        yield "There are no validation data: the cheapest arm of each family stands for it."
    if any(standing.picked_by == "cross-fitting" and len(standing.arms) > 1 for standing in picked):
        yield (
            "There are no validation data: which arm stands for a family was picked by cross-fitting, each fifth of "
            "the test examples judged by the arm that is best on the others; gaps differ a little from the table's."
        )


def _not_kept(answer: Answer, outcomes: Outcomes | Sums | None) -> Iterator[str]:
    found = answer.basis
    if outcomes is None and found and found.seeds >= FEWEST_SEEDS and answer.rule.scope == "these":
        yield (
            "These runs are older than predictions of single examples: nothing can be claimed of these clients; "
            "run the study into a new folder."
        )
