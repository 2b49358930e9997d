"""What must hold of a study before it runs, and of its results before they are judged."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any

from headstart.core.errors import ClientError, SettingError, nearest

if TYPE_CHECKING:
    from headstart.study.plan import Plan


def check_plan(plan: Plan) -> None:
    """Refuse a study that cannot come to a verdict.

    Raises:
        SettingError: no arm is left to run, no client has test examples, or tuning has no validation data.
    """
    _check_arms(plan)
    _check_test(plan)
    _check_tuning(plan)


def check_selection(plan: Plan, arms: Sequence[str] | None, seeds: Sequence[int] | None) -> None:
    """Check the arms and seeds that a user selects.

    Raises:
        SettingError: the study does not have, or does not run, one of them.
    """
    known = [arm.name for arm in plan.arms]
    for name in arms or ():
        if name in plan.ruled_out:
            raise SettingError(f"--arm: '{name}' is ruled out: {plan.ruled_out[name]}")
        if name not in known:
            raise SettingError(f"--arm: must be an arm of the study, received '{name}'; {nearest(name, known)}")
    for seed in seeds or ():
        if seed not in plan.settings.seeds:
            valid = ", ".join(str(seed) for seed in plan.settings.seeds)
            raise SettingError(f"--seed: must be a seed of the study, received {seed}; valid: {valid}")


def check_results(records: Sequence[Mapping[str, Any]], stopped: Mapping[str, str]) -> None:
    """Refuse to judge nothing.

    Raises:
        ClientError: there is no record, because every arm had to stop.
    """
    if not records:
        reasons = "\n".join(f"{name}: {reason}" for name, reason in stopped.items())
        raise ClientError(f"no arm was finished, so there is no verdict\n{reasons}")


def _check_arms(plan: Plan) -> None:
    if not plan.arms:
        reasons = "; ".join(f"{name}: {reason}" for name, reason in plan.ruled_out.items())
        raise SettingError(f"arms: every arm is ruled out ({reasons}); change [devices], or add another arm")


def _check_test(plan: Plan) -> None:
    share = plan.settings.data.split.test
    if not any(len(client.test) for client in plan.lab.federation.clients):
        raise SettingError(
            f"data.split.test: a verdict needs test examples, received {share:g} and no client has any; "
            "set it above 0, or give more data"
        )


def _check_tuning(plan: Plan) -> None:
    """Test data must not take the place of validation data."""
    trials = plan.settings.tuning.trials
    if trials > 1 and not any(len(client.val) for client in plan.lab.federation.seen_clients):
        raise SettingError(
            f"tuning.trials: needs validation examples, received {trials} trials and no client "
            "has any; set data.split.val above 0, or trials = 1"
        )
