"""Tuning: every arm gets the same number of trials, chosen on validation data only.

Trial 0 is the arm as written. The values of trial ``t`` in a stage depend on the seed, the stage and ``t`` alone, so
arms that share their first stages share those stages' trials too, and an interrupted study draws the same again.
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import replace
from typing import TYPE_CHECKING, Any

from headstart.core.content import hash_json
from headstart.core.errors import SettingError
from headstart.core.registry import Search, UpTo
from headstart.core.seeds import derive
from headstart.costs.example_privacy import covered_epochs
from headstart.data.federation import Federation
from headstart.study.written.arms import Arm, Stage

if TYPE_CHECKING:
    from optuna.distributions import BaseDistribution


_DEFAULT_TRIALS = 4
"""Configurations per arm where a study does not say."""

_DEEP_SEEDS = 2
"""Seeds whose mean validation score chooses for all seeds, in arms that train more than a head."""


def num_trials(asked: int | None, federation: Federation) -> int:
    """Return how many configurations each arm is given: none can be chosen without validation data."""
    has_validation = any(len(client.val) for client in federation.seen_clients)
    return asked or (_DEFAULT_TRIALS if has_validation else 1)


def tuned_with(arm: Arm, seeds: Sequence[int]) -> list[tuple[int, ...]]:
    """Return groups of seeds that choose together.

    With a head alone every seed chooses for itself; a deeper arm's first seeds choose for all.

    >>> tuned_with(Arm("a", start="random", federate="ridge"), [3, 4, 5])
    [(3,), (4,), (5,)]
    >>> tuned_with(Arm("a", start="random", adapt="full_finetune"), [3, 4, 5])
    [(3, 4)]
    """
    return [(seed,) for seed in seeds] if is_head_only(arm) else [tuple(seeds[:_DEEP_SEEDS])]


def num_runs(arm: Arm, trials: int, seed: int, seeds: Sequence[int]) -> int:
    """Return how many runs on the same clients an arm's choice of settings for a seed rests on, its own among them.

    >>> num_runs(Arm("a", start="random", federate={"method": "fedavg", "trainable": "head"}), 4, 3, [3, 4, 5])
    4
    >>> num_runs(Arm("a", start="random", federate="fedavg"), 4, 5, [3, 4, 5])
    9
    """
    if trials == 1 or not is_tunable(arm):
        return 1
    groups = tuned_with(arm, seeds)
    group = next((group for group in groups if seed in group), groups[0])
    return trials * len(group) + (seed not in group)


def is_head_only(arm: Arm) -> bool:
    """Say whether an arm trains, or solves, a head at the most.

    >>> is_head_only(Arm("a", start="random", federate="ridge")), is_head_only(Arm("a", start="random"))
    (True, True)
    """
    stages = [stage.build() for stage in (*arm.federate, arm.adapt)]
    return all(stage.trainable == "head" for stage in stages if not getattr(stage, "changes_nothing", False))


def trial_arms(arm: Arm, trials: int, seed: int) -> list[Arm]:
    """Return the arm's configurations, the written one first.

    The start is not tuned: it is the same for all arms, and pre-training stops early on its own validation data.
    """
    if trials == 1 or not is_tunable(arm):
        return [covered(arm)]
    federate = [trial_stages(stage, trials, seed) for stage in arm.federate]
    adapt = trial_stages(arm.adapt, trials, seed)
    return [covered(Arm(arm.name, arm.start, [stages[t] for stages in federate], adapt[t])) for t in range(trials)]


def covered(arm: Arm) -> Arm:
    """Say in every stage that promises an epsilon for how many passes of all stages together it is to be enough.

    Raises:
        SettingError: stages promise different ones, or their steps are not of one kind.

    >>> private = {"method": "linear_probe", "epochs": 3, "example_clip": 1.0, "epsilon": 2.0}
    >>> covered(Arm("a", start="random", adapt=private)).adapt.settings["private_epochs"]
    3
    """
    try:
        epochs = covered_epochs([stage.build() for stage in arm.federate], arm.adapt.build())
    except SettingError as error:
        raise SettingError(f"arms.{arm.name}: {error}") from None

    def fill(stage: Stage) -> Stage:
        if epochs is None or stage.kind == "start" or stage.settings.get("epsilon") is None:
            return stage
        written = stage.settings.get("private_epochs", epochs)
        if written != epochs:
            raise SettingError(
                f"arms.{arm.name}: private_epochs: follows from the stages of the arm, which make {epochs} passes, "
                f"received {written}; leave it out"
            )
        return replace(stage, settings={**stage.settings, "private_epochs": epochs})

    return arm.map(fill)


def is_tunable(arm: Arm) -> bool:
    """Say whether any stage after the start has a setting with a range."""
    return any(ranges(stage) for stage in (*arm.federate, arm.adapt))


def trial_stages(stage: Stage, trials: int, seed: int) -> list[Stage]:
    """Return a stage's configurations: the written one, then quasi-random draws around it."""
    found = ranges(stage)
    if not found:
        return [stage] * trials
    drawn = draw(found, trials - 1, derive(seed, "tuning", hash_json(stage.as_json())))
    return [stage, *(replace(stage, settings={**stage.settings, **values}) for values in drawn)]


def ranges(stage: Stage) -> dict[str, BaseDistribution]:
    """Return the tuning range of each setting that has one."""
    settings = stage.entry.settings()
    values = {name: stage.settings.get(name, setting.default) for name, setting in settings.items()}
    found = {name: _range(setting.search, values, name) for name, setting in settings.items() if setting.search}
    return {name: distribution for name, distribution in found.items() if distribution}


def _range(search: Search, values: Mapping[str, Any], name: str) -> BaseDistribution | None:
    """Return what may be tried; nothing around a value of 0."""
    from optuna.distributions import FloatDistribution, IntDistribution

    if isinstance(search, UpTo):
        return IntDistribution(0, values[search.most])
    centre = values[name]
    if not centre:
        return None
    low, high = centre / search.factor, min(centre * search.factor, search.most or math.inf)
    if isinstance(centre, int):
        return IntDistribution(max(1, round(low)), max(1, round(high)), log=True)
    return FloatDistribution(low, high, log=True)


def draw(found: Mapping[str, BaseDistribution], count: int, seed: int) -> list[dict[str, Any]]:
    """Draw ``count`` points from a scrambled Sobol sequence over the ranges."""
    import warnings

    import optuna

    optuna.logging.set_verbosity(optuna.logging.WARNING)
    with warnings.catch_warnings():
        # QMCSampler is marked experimental, and Sobol warns when the count is no power of two: neither matters here.
        warnings.simplefilter("ignore")
        sampler = optuna.samplers.QMCSampler(seed=seed % 2**32, scramble=True, warn_independent_sampling=False)
        study = optuna.create_study(sampler=sampler)
        # The sampler learns the search space from a first trial, which is not used.
        study.tell(study.ask(dict(found)), 0.0)
        trials = [study.ask(dict(found)) for _ in range(count)]
    return [dict(trial.params) for trial in trials]
