"""Small studies whose answer is known."""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np

from headstart.evidence.answer import Answer, Rule
from headstart.evidence.find_answer import find_answer
from headstart.evidence.outcomes import Outcomes
from headstart.evidence.sides import Entrant, Family, Traits, example_units

THREE: Mapping[str, Family] = {"alone": "fine-tune", "shared": "federate", "mixed": "both"}
RULE = Rule(0.02, 0.95, "these")


def outcomes(
    accuracy: Mapping[str, float],
    clients: int = 4,
    examples: int = 200,
    seeds: int = 3,
    classes: int = 2,
    held_out: int = 0,
    seed: int = 0,
    shared: float = 0.7,
) -> Outcomes:
    """Draw predictions; examples are hard or easy for all arms alike, to a share ``shared``."""
    generator = np.random.default_rng(seed)
    rows = clients * examples
    labels = generator.integers(0, classes, rows)
    hard = generator.random(rows)
    own = generator.random((len(accuracy), seeds, rows))
    luck = np.where(generator.random((len(accuracy), seeds, rows)) < shared, hard, own)
    right = luck < np.array(list(accuracy.values()))[:, None, None]
    return Outcomes(
        arms=tuple(accuracy),
        seeds=tuple(range(seeds)),
        clients=tuple(f"c{i}" for i in range(clients)),
        seen=np.arange(clients) < clients - held_out,
        owner=np.repeat(np.arange(clients), examples),
        labels=labels,
        predicted=np.where(right, labels, (labels + 1) % classes),
    )


def entrants(families: Mapping[str, Family], validation: Mapping[str, float] | None = None) -> dict[str, Entrant]:
    """Arms in order of their costs, each trained before; an arm named ``scratch…`` is not."""
    return {
        arm: Entrant(
            Traits(family, arm.startswith("scratch")), (at, 0.0, at), (validation or {}).get(arm, float("nan"))
        )
        for at, (arm, family) in enumerate(families.items())
    }


def answer(
    accuracy: Mapping[str, float],
    families: Mapping[str, Family] = THREE,
    rule: Rule = RULE,
    validation: Mapping[str, float] | None = None,
    **drawn: float,
) -> Answer:
    """Answer from arms of known accuracy, which is their validation score too where none is given."""
    units = example_units(outcomes(accuracy, **drawn), "accuracy")  # type: ignore[arg-type]
    return find_answer(entrants({arm: families[arm] for arm in accuracy}, validation or accuracy), units, rule)
