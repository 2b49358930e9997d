"""The answer against a known truth: coverage of intervals, wrong answers, and how often a study is decided.

    python benchmarks/known_truth.py

An example is right iff ``family + client + client x family + example + example x family + seed + noise > 0``, all
normal, scaled so that two families' difference in correctness has the spreads of ``evidence.power`` at five seeds.
"""

from __future__ import annotations

import argparse
import json
import math
import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import cache
from pathlib import Path

import numpy as np
from scipy import optimize, stats

from headstart.core.arrays import Array
from headstart.evidence.answer import Answer, Rule
from headstart.evidence.contrast import Scope
from headstart.evidence.find_answer import find_answer
from headstart.evidence.power import CLIENTS, EXAMPLES, SEEDS, WITHIN
from headstart.evidence.sides import FAMILIES, Entrant, Traits, Units

BASE = 0.8
"""Accuracy of the worst family."""
TRUTHS: Mapping[str, tuple[float, float, float]] = {
    "equal": (0.0, 0.0, 0.0),
    "share +10": (0.0, 0.10, 0.10),
    "share +3": (0.0, 0.03, 0.03),
    "both +3": (0.0, 0.0, 0.03),
    "federate +1": (0.0, 0.01, 0.0),
    "alone +3": (0.03, 0.0, 0.0),
    "chain 0/2/4": (0.0, 0.02, 0.04),
}
"""Points of accuracy of fine-tune, federate and both over the worst."""
SCOPES: tuple[Scope, ...] = ("these", "like these")


@dataclass(frozen=True)
class Scales:
    """Standard deviations of the latent parts; noise has 1."""

    example: float
    interaction: float
    client: float
    client_family: float
    seed: float

    @property
    def total(self) -> float:
        """Standard deviation of all of them together."""
        parts = (self.example, self.interaction, self.client, self.client_family, self.seed, 1.0)
        return math.sqrt(sum(part**2 for part in parts))


@cache
def scales() -> Scales:
    """Solve for the latent parts that give the spreads of ``evidence.power`` at five seeds and accuracy ``BASE``."""
    within = WITHIN / 2
    high = optimize.brentq(lambda rho: BASE - _both_right(rho) - within, 0, 1 - 1e-9)
    # Over examples varies what is left of single seeds' luck after five of them, too.
    lasting = EXAMPLES - WITHIN / 5
    low = optimize.brentq(lambda rho: 2 * (_both_right(high) - _both_right(rho)) - lasting, 0, high)
    # Correlations: of two seeds of one arm on an example, and of two families.
    total = 1 / (1 - high)
    density = stats.norm.pdf(stats.norm.ppf(BASE)) / math.sqrt(total)
    return Scales(
        example=math.sqrt(low * total),
        interaction=math.sqrt((high - low) * total),
        client=0.3,
        client_family=CLIENTS / math.sqrt(2) / density,
        seed=SEEDS / math.sqrt(2) / density,
    )


def _both_right(rho: float) -> float:
    """Return the probability that two normals of this correlation both lie above the threshold of ``BASE``."""
    return float(stats.multivariate_normal([0, 0], [[1, rho], [rho, 1]]).cdf([stats.norm.ppf(BASE)] * 2))


def draw(
    truth: str, clients: int, examples: int, seeds: int, generator: np.random.Generator
) -> tuple[Units, Array, Array]:
    """Draw one study: what arms are compared on, the true accuracies for these clients, and for clients like these."""
    right, these = draw_arms(TRUTHS[truth], clients, examples, seeds, generator)
    owner = np.repeat(np.arange(clients), examples)
    values: dict[str, Array] = {family: right[at].astype(float) for at, family in enumerate(FAMILIES)}
    return (
        Units(values, owner, owner, is_share=True, right_or_wrong=True),
        these,
        np.array([BASE + gain for gain in TRUTHS[truth]]),
    )


def draw_arms(
    gains: Sequence[float], clients: int, examples: int, seeds: int, generator: np.random.Generator
) -> tuple[Array, Array]:
    """Draw which examples arms get right ``(arms, seeds, clients x examples)``, and their true accuracies here.

    Args:
        gains: of each arm over ``BASE``.
        clients: each with as many examples.
        examples: of a client.
        seeds: runs of every arm.
        generator: draws.
    """
    s, rows, arms = scales(), clients * examples, len(gains)
    means = np.array([stats.norm.ppf(BASE + gain) * s.total for gain in gains])
    client = s.client * generator.standard_normal(clients) + s.client_family * generator.standard_normal(
        (arms, clients)
    )
    level = means[:, None] + client
    owner = np.repeat(np.arange(clients), examples)
    fixed = s.example * generator.standard_normal(rows) + s.interaction * generator.standard_normal((arms, rows))
    latent = (level[:, owner] + fixed)[:, None] + s.seed * generator.standard_normal((arms, seeds, 1))
    right = latent + generator.standard_normal((arms, seeds, rows)) > 0
    rest = math.sqrt(s.example**2 + s.interaction**2 + s.seed**2 + 1)
    return right, stats.norm.cdf(level / rest).mean(axis=1)


ENTRANTS: Mapping[str, Entrant] = {
    family: Entrant(Traits(family, False), (at, 0.0, at), 0.5) for at, family in enumerate(FAMILIES)
}


@dataclass
class Tally:
    """Counts over replications of one cell."""

    intervals: int = 0
    covered: int = 0
    studies: int = 0
    decided: int = 0
    wrong: int = 0

    def add(self, answer: Answer, true: Array, min_effect: float) -> None:
        """Count one study."""
        for one in answer.contrasts:
            if one.contrast.scope == answer.rule.scope:
                low, high = one.contrast.interval(answer.rule.confidence)
                gap = true[FAMILIES.index(one.of)] - true[FAMILIES.index(one.over)]
                self.intervals += 1
                self.covered += low <= gap <= high
        best = int(np.argmax(true))
        missed = bool(answer.families[FAMILIES[best]].excluded_by) and true[best] > np.sort(true)[-2]
        worse = answer.family is not None and true.max() - true[FAMILIES.index(answer.family)] > min_effect + 1e-12
        self.studies += 1
        self.decided += answer.family is not None
        self.wrong += bool(missed or worse)


def cell(truth: str, clients: int, examples: int, seeds: int, *, studies: int, min_effect: float) -> dict[Scope, Tally]:
    """Run the studies of one cell in both scopes."""
    generator = np.random.default_rng([clients, examples, seeds, *truth.encode()])
    found = {scope: Tally() for scope in SCOPES}
    for _ in range(studies):
        units, these, like = draw(truth, clients, examples, seeds, generator)
        for scope, true in zip(SCOPES, (these, like), strict=True):
            answer = find_answer(ENTRANTS, units, Rule(min_effect, 0.95, scope))
            found[scope].add(answer, true, min_effect)
    return found


def main() -> None:
    """Run all cells and print one line for each."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--studies", type=int, default=200, help="replications a cell; more where they are cheap")
    parser.add_argument("--min-effect", type=float, default=0.02)
    parser.add_argument("--json", type=Path)
    options = parser.parse_args()
    begin, lines = time.monotonic(), []
    print("truth          K    n  S  scope       coverage  decided  wrong  studies")
    for clients, examples, seeds in [(k, n, s) for k in (4, 10, 30, 100) for n in (6, 20, 60, 300) for s in (3, 5)]:
        studies = options.studies if clients * examples <= 1800 else max(40, options.studies // 4)
        for truth in TRUTHS:
            found = cell(truth, clients, examples, seeds, studies=studies, min_effect=options.min_effect)
            lines += [_line(truth, clients, examples, seeds, scope, tally) for scope, tally in found.items()]
    print(f"{time.monotonic() - begin:.0f} s")
    if options.json:
        options.json.write_text(json.dumps(lines))


def _line(truth: str, clients: int, examples: int, seeds: int, scope: Scope, tally: Tally) -> dict[str, object]:
    """Print a cell, and return it."""
    coverage, decided = tally.covered / tally.intervals, tally.decided / tally.studies
    wrong = tally.wrong / tally.studies
    print(f"{truth:<12}{clients:>4}{examples:>5}{seeds:>3}  {scope:<11}", end="")
    print(f"{coverage:>9.3f}{decided:>9.2f}{wrong:>7.3f}{tally.studies:>9}", flush=True)
    design = {"truth": truth, "clients": clients, "examples": examples, "seeds": seeds, "scope": scope}
    return {**design, "coverage": coverage, "decided": decided, "wrong": wrong, "studies": tally.studies}


if __name__ == "__main__":
    main()
