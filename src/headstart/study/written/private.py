"""Arms at several epsilons: every arm once more for each, its single examples hidden."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import replace

from headstart.costs.example_privacy import phases_of
from headstart.study.written.arms import Arm, Stage
from headstart.study.written.schema import PrivacySettings


def with_private(arms: Iterable[Arm], privacy: PrivacySettings) -> tuple[Arm, ...]:
    """Return arms, each followed by itself at every epsilon; those that cannot promise any stand alone.

    Args:
        arms: of the study.
        privacy: what is to be promised.

    Raises:
        SettingError: a setting of an arm does not go with noise on single examples.

    >>> probe = Arm("probe", "random", adapt="linear_probe")
    >>> [arm.name for arm in with_private([probe], PrivacySettings(epsilon=(0.5, 2.0)))]
    ['probe', 'probe-eps0.5', 'probe-eps2']
    """
    return tuple(one for arm in arms for one in (arm, *_private(arm, privacy)))


def epsilon_of_arm(arm: Arm) -> float | None:
    """Return what an arm promises each example; None where no stage is written with an epsilon."""
    found = [stage.settings.get("epsilon") for stage in (*arm.federate, arm.adapt)]
    return max((float(epsilon) for epsilon in found if epsilon is not None), default=None)


def _private(arm: Arm, privacy: PrivacySettings) -> Iterator[Arm]:
    if epsilon_of_arm(arm) is not None:
        return
    for epsilon in privacy.epsilon:
        found = _at(arm, epsilon, privacy)
        methods = [stage.build() for stage in found.federate]
        if any(method.pooled for method in methods) or not phases_of(methods, found.adapt.build()):
            return
        yield found


def _at(arm: Arm, epsilon: float, privacy: PrivacySettings) -> Arm:
    hiding = {"example_clip": privacy.example_clip, "epsilon": epsilon}
    hiding |= {} if privacy.delta is None else {"delta": privacy.delta}

    def hide(stage: Stage) -> Stage:
        if stage.kind == "start" or "epsilon" not in stage.entry.settings():
            return stage
        return replace(stage, settings={**stage.settings, **hiding})

    return replace(arm.map(hide), name=f"{arm.name}-eps{epsilon:g}")
