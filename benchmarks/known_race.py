"""The race against a known truth: wrong answers, how often it decides, and its share of the work.

    python benchmarks/known_race.py

Eleven arms in three families, as in a study of a checkpoint: five of heads and six deep ones, which are thirty times
as dear. A family's truth is that of its best arm, which may be any of its arms; the others are behind it by .005 to
.04. Outcomes are drawn as in ``known_truth.py``, on test examples and on a third as many validation examples; races are
the product's own, on drawn runs. Wrong is an answer that is worse than the best family's best arm by more than
``min_effect``, or an excluded best family.
"""

from __future__ import annotations

import argparse
import json
import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import numpy as np

from headstart.core.arrays import Array
from headstart.core.progress import Silent
from headstart.core.task import classification
from headstart.evidence.answer import Answer, Rule
from headstart.evidence.find_answer import find_answer
from headstart.evidence.race import Look, Race, looks
from headstart.evidence.sides import FAMILIES, Entrant, Family, Traits, Units
from headstart.study.run.course import Course, Entry, Runs
from headstart.study.run.race import run_race
from headstart.study.written.arms import Arm
from known_truth import TRUTHS, draw_arms

SEEDS, DEEP = 5, 30.0
"""Of a study, and how much dearer a deep arm's run is than a head's."""
ARMS: Mapping[str, tuple[Family, bool]] = {
    "finetune-head": ("fine-tune", False),
    "local-ridge": ("fine-tune", False),
    "finetune-lp-ft": ("fine-tune", True),
    "finetune-full": ("fine-tune", True),
    "fedavg-head": ("federate", False),
    "ridge": ("federate", False),
    "fedavg": ("federate", True),
    "fedadam": ("federate", True),
    "ridge-personal": ("both", False),
    "fedavg-finetune": ("both", True),
    "fedavg-lora": ("both", True),
}
BEHIND = (0.005, 0.01, 0.02, 0.04)
"""How far a family's other arms are behind its best, dealt at random."""


@dataclass
class Drawn:
    """Runs of arms whose outcomes are drawn: what a race asks of a runner.

    Attributes:
        right: ``(arms, seeds, clients, examples)`` test examples that arms get right.
        validated: likewise, of validation.
        headroom: as in a study file.
    """

    right: Array
    validated: Array
    headroom: float | None = None
    work: float = 0.0
    stopped: dict[str, str] = field(default_factory=dict)
    ran: set[tuple[str, int]] = field(default_factory=set)
    scored: dict[tuple[str, int], None] = field(default_factory=dict)
    progress: Silent = field(default_factory=Silent)
    hands: None = None
    told: frozenset[tuple[str, int]] = frozenset()

    @property
    def settings(self) -> Any:
        """What a race reads of a study's settings."""
        running = SimpleNamespace(headroom=self.headroom, until="decided")
        return SimpleNamespace(study=running, decision=SimpleNamespace(metric="accuracy"))

    @property
    def lab(self) -> Any:
        """What a race asks of the data: the task."""
        return SimpleNamespace(federation=SimpleNamespace(task=classification(("a", "b"))))

    def lines(self, *_: object, **__: object) -> int:
        """Tell nothing."""
        return 0

    made = ahead = beside = lines

    def group(self, *_: object) -> tuple[int, ...]:
        """Return no seeds to tune with before a run: what trials take is part of it."""
        return ()

    def tune(self, arm: Arm, seed: int, *_: object) -> None:
        """Score a deep arm's trials ahead of its runs."""
        self.work += _price(arm.name)
        self.scored[arm.name, seed] = None

    def run(self, arm: Arm, seeds: Sequence[int]) -> None:
        """Run an arm."""
        self.work += _price(arm.name) * len(seeds)
        self.ran |= {(arm.name, seed) for seed in seeds}

    def validation(self, arm: Arm, seeds: Sequence[int]) -> Array | None:
        """Return validation scores of clients."""
        values = self.validated[list(ARMS).index(arm.name), list(seeds)].mean(axis=-1)
        there = [(arm.name, seed) in self.ran or (arm.name, seed) in self.scored for seed in seeds]
        return np.where(np.array(there)[:, None], values, np.nan) if any(there) else None


def _price(arm: str) -> float:
    return DEEP if ARMS[arm][1] else 1.0


@dataclass(frozen=True)
class Said:
    """What a look says."""

    answer: Answer
    race: Race | None = None


@dataclass(frozen=True)
class Jury:
    """Judges drawn runs."""

    runner: Drawn
    min_effect: float

    def judge(self, race: Race, runs: Runs, look: Look) -> Any:
        """Return the answer at a look: of arms with all its seeds, and of excluded ones."""
        seeds = sorted({seed for _, seed in runs})
        whole = {arm for arm in ARMS if all((arm, seed) in runs for seed in seeds)}
        excluded = {arm for arm, out in race.out.items() if out.kind == "excluded"}
        entrants = {arm: self._entrant(arm, seeds) for arm in ARMS if arm in whole | excluded}
        rule = Rule(self.min_effect, 1 - look.alpha, "these")
        return Said(find_answer(entrants, self._units(runs, seeds), rule))

    def publish(self, verdict: Any, _: Runs) -> Any:
        """Return the verdict as it is."""
        return verdict

    def show(self, race: Race, runs: Runs, look: Look) -> None:
        """Show nothing."""

    def _entrant(self, arm: str, seeds: Sequence[int]) -> Entrant:
        at = list(ARMS).index(arm)
        ran = [seed for seed in seeds if (arm, seed) in self.runner.ran]
        score = float(self.runner.validated[at, ran].mean())
        return Entrant(Traits(ARMS[arm][0], False), (FAMILIES.index(ARMS[arm][0]), _price(arm), at), score)

    def _units(self, runs: Runs, seeds: Sequence[int]) -> Units:
        clients, examples = self.runner.right.shape[2:]
        owner = np.repeat(np.arange(clients), examples)
        flat = self.runner.right.reshape(len(ARMS), SEEDS, -1)[:, seeds].astype(float)
        for at, arm in enumerate(ARMS):
            flat[at, [(arm, seed) not in runs for seed in seeds]] = np.nan
        return Units(dict(zip(ARMS, flat, strict=True)), owner, owner, is_share=True, right_or_wrong=True)


def gains_of(truth: str, generator: np.random.Generator) -> Array:
    """Return each arm's gain: its family's for one of its arms, a little less for the others."""
    found = np.zeros(len(ARMS))
    for family, gain in zip(FAMILIES, TRUTHS[truth], strict=True):
        members = [at for at, (own, _) in enumerate(ARMS.values()) if own == family]
        best = generator.choice(members)
        for at in members:
            found[at] = gain - (0.0 if at == best else generator.choice(BEHIND))
    return found


@dataclass
class Tally:
    """Counts over races of one cell; ``full`` of the same studies run in full, with one look."""

    races: int = 0
    decided: int = 0
    wrong: int = 0
    work: float = 0.0
    full_decided: int = 0
    full_wrong: int = 0
    same: int = 0


def cell(truth: str, clients: int, examples: int, *, races: int, headroom: float | None = None) -> Tally:
    """Race over drawn studies of one kind."""
    generator, found = np.random.default_rng([clients, examples, *truth.encode()]), Tally()
    for _ in range(races):
        _one(truth, clients, examples, generator, headroom, found)
    return found


def _one(
    truth: str, clients: int, examples: int, generator: np.random.Generator, headroom: float | None, found: Tally
) -> None:
    validation = max(2, examples // 3)
    gains = gains_of(truth, generator)
    right, true = draw_arms(gains, clients, examples + validation, SEEDS, generator)
    right = right.reshape(len(ARMS), SEEDS, clients, -1)
    runner = Drawn(right[..., validation:], right[..., :validation], headroom)
    jury, arms = Jury(runner, 0.02), [Arm(name, "random") for name in ARMS]
    best = {family: max(true[at] for at, own in enumerate(ARMS.values()) if own[0] == family) for family in FAMILIES}
    answer = run_race(_course(runner, arms), jury, range(SEEDS)).answer
    everything = frozenset((arm, seed) for arm in ARMS for seed in range(SEEDS))
    full_runner = Drawn(runner.right, runner.validated, ran=set(everything))
    full = Jury(full_runner, 0.02).judge(Race(), everything, Look(SEEDS, 0.05)).answer
    found.races += 1
    found.decided += answer.family is not None
    found.full_decided += full.family is not None
    found.wrong += int(_is_wrong(answer, best))
    found.full_wrong += int(_is_wrong(full, best))
    found.same += answer.family == full.family
    found.work += runner.work / sum(_price(arm) * (SEEDS + (2 if ARMS[arm][1] else 0)) for arm in ARMS)


class _Drawn(Entry):
    """An arm of which it is said whether it is deep."""

    @property
    def is_deep(self) -> bool:
        """As in the table."""
        return ARMS[self.name][1]


def _course(runner: Any, arms: Sequence[Arm]) -> Course:
    entries = [
        _Drawn(arm, ARMS[arm.name][0], (FAMILIES.index(ARMS[arm.name][0]), _price(arm.name), at))
        for at, arm in enumerate(arms)
    ]
    coming = list(looks(SEEDS, 0.05, screens=runner.headroom is not None))
    return Course(runner, entries, list(range(coming[0].seeds)), coming)


def _is_wrong(answer: Answer, best: Mapping[Family, float]) -> bool:
    most = max(best.values())
    leader = max(best, key=lambda family: best[family])
    missed = leader in answer.families and bool(answer.families[leader].excluded_by) and _apart(best)
    return missed or (answer.family is not None and most - best[answer.family] > 0.02 + 1e-12)


def _apart(best: Mapping[Family, float]) -> bool:
    first, second, *_ = sorted(best.values(), reverse=True)
    return first > second


def main() -> None:
    """Run all cells and print one line for each."""
    parser = argparse.ArgumentParser(description=str(__doc__).split("\n")[0])
    parser.add_argument("--races", type=int, default=200)
    parser.add_argument("--headroom", type=float)
    parser.add_argument("--json", type=Path)
    options = parser.parse_args()
    begin, lines = time.monotonic(), []
    print("truth          K    n  decided  wrong  work   full: decided  wrong   same")
    for clients, examples in [(k, n) for k in (4, 10, 30) for n in (20, 60, 300)]:
        for truth in TRUTHS:
            found = cell(truth, clients, examples, races=options.races, headroom=options.headroom)
            lines.append({"truth": truth, "clients": clients, "examples": examples, **vars(found)})
            shares = [found.decided, found.wrong, found.work, found.full_decided, found.full_wrong, found.same]
            told = [f"{one / found.races:>8.3f}" for one in shares]
            print(f"{truth:<12}{clients:>4}{examples:>5}{''.join(told)}", flush=True)
    total = {name: sum(line[name] for line in lines) for name in ("races", "wrong", "work", "full_wrong")}
    print(
        {name: round(value / total["races"], 4) for name, value in total.items()}, f"{time.monotonic() - begin:.0f} s"
    )
    if options.json:
        options.json.write_text(json.dumps(lines))


if __name__ == "__main__":
    main()
