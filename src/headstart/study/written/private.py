"""Arms at several epsilons: every arm once more for each, its single examples hidden."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import replace

from headstart.core.errors import SettingError
from headstart.costs.example_privacy import covered_epochs, phases_of
from headstart.study.written.arms import Arm, Stage
from headstart.study.written.schema import PrivacySettings


def with_private(arms: Iterable[Arm], privacy: PrivacySettings) -> tuple[tuple[Arm, ...], dict[str, str]]:
    """Return arms, each followed by itself at every epsilon, and those that could promise nothing, with the reason.

    Args:
        arms: of the study.
        privacy: what is to be promised.

    >>> probe = Arm("probe", "random", adapt="linear_probe")
    >>> arms, left_out = with_private([probe], PrivacySettings(epsilon=(0.5, 2.0)))
    >>> [arm.name for arm in arms], left_out
    (['probe', 'probe-eps0.5', 'probe-eps2'], {})
    """
    every, left_out = list[Arm](), dict[str, str]()
    if not privacy.epsilon:
        return tuple(arms), left_out
    for arm in arms:
        every.append(arm)
        try:
            every += _private(arm, privacy)
        except SettingError as error:
            left_out |= {_name(arm, epsilon): f"at an epsilon it cannot be: {error}" for epsilon in privacy.epsilon}
    return tuple(every), left_out


def epsilon_of_arm(arm: Arm) -> float | None:
    """Return what an arm promises each example; None where no stage is written with an epsilon."""
    found = [stage.settings.get("epsilon") for stage in (*arm.federate, arm.adapt)]
    return max((float(epsilon) for epsilon in found if epsilon is not None), default=None)


def _private(arm: Arm, privacy: PrivacySettings) -> list[Arm]:
    """Return an arm at every epsilon; none of one that takes no steps, pools, or has an epsilon already.

    Raises:
        SettingError: noise on steps would hide nothing of it, or does not go with its settings.
    """
    stages = (*arm.federate, arm.adapt)
    if epsilon_of_arm(arm) is not None or not any("epsilon" in stage.entry.settings() for stage in stages):
        return []
    if any(stage.build().pooled for stage in arm.federate):
        return []
    first, *others = (_at(arm, epsilon, privacy) for epsilon in privacy.epsilon)
    federate, adapt = [stage.build() for stage in first.federate], first.adapt.build()
    covered_epochs(federate, adapt)
    if not phases_of(federate, adapt):
        raise SettingError("a stage reads examples without noise")
    return [first, *others]


def _name(arm: Arm, epsilon: float) -> str:
    return f"{arm.name}-eps{epsilon:g}"


def _at(arm: Arm, epsilon: float, privacy: PrivacySettings) -> Arm:
    hiding = {"example_clip": privacy.example_clip, "epsilon": epsilon}
    hiding |= {} if privacy.delta is None else {"delta": privacy.delta}

    def hide(stage: Stage) -> Stage:
        if stage.kind == "start" or "epsilon" not in stage.entry.settings():
            return stage
        return replace(stage, settings={**stage.settings, **hiding})

    return replace(arm.map(hide), name=_name(arm, epsilon))
