"""What a reader should know before believing an answer."""

from __future__ import annotations

from collections.abc import Collection, Iterator

import numpy as np

from headstart.core.words import listed
from headstart.evidence.answer import Answer
from headstart.evidence.answer_words import amount, signed
from headstart.evidence.contrast import FEW_EXAMPLES, FEWEST_SEEDS
from headstart.evidence.metrics import Measure, measure
from headstart.evidence.outcomes import Outcomes
from headstart.evidence.sides import example_units
from headstart.evidence.summed import Sums

_SHOWN = 5
_TWINS = {"accuracy": "balanced_accuracy", "balanced_accuracy": "accuracy"}


def cautions(
    answer: Answer, outcomes: Outcomes | Sums | None, metric: Measure, unlearnt: Collection[str] = ()
) -> tuple[str, ...]:
    """Return sentences, the gravest first; none where there is nothing to be careful of.

    Args:
        answer: found.
        outcomes: what arms said of every test example, or sums of it, where that was kept.
        metric: of the decision.
        unlearnt: arms that are not clearly above the majority class.
    """
    return (
        *_nothing_learnt(answer, unlearnt),
        *_better_on_test(answer, outcomes, metric),
        *_other_metric(answer, outcomes, metric),
        *_few_examples(answer, outcomes),
        *_not_kept(answer, outcomes),
        *_cross_fitted(answer),
    )


def _nothing_learnt(answer: Answer, unlearnt: Collection[str]) -> Iterator[str]:
    """Say where arms that are compared have learnt nothing that could be told from knowing the commonest class."""
    compared = [standing.representative for standing in answer.families.values()]
    never = "clearly better on validation data than always saying the commonest class"
    if compared and all(arm in unlearnt for arm in compared):
        yield f"No arm that is compared ({listed(compared, _SHOWN)}) is {never}: they differ in little that was learnt."
    elif answer.arm in unlearnt:
        yield f"{answer.arm} is not {never}."


def _better_on_test(answer: Answer, outcomes: Outcomes | Sums | None, metric: Measure) -> Iterator[str]:
    """Name the arm of a family that is better on test examples, by what matters, than the one that stands for it."""
    if not isinstance(outcomes, Outcomes) or not metric.by_example:
        return
    units = example_units(outcomes, metric)
    for family, standing in answer.families.items():
        others = [arm for arm in standing.arms if arm != standing.representative]
        gains = {arm: float(units.compare(arm, standing.representative).client_means.mean()) for arm in others}
        best = max(gains, key=gains.__getitem__, default="")
        if best and gains[best] > answer.rule.min_effect:
            yield (
                f"{standing.representative} stands for {family}, as validation data say; on test examples {best} is "
                f"{amount(gains[best], metric)} better, by chance or not: test examples choose no arm."
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
