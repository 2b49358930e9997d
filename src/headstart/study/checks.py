"""What must hold of a study before it runs, and of its results before they are judged."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from headstart.core.errors import ClientError, SettingError, nearest
from headstart.data.federation import Federation
from headstart.engine.adaptation import says_too_shallow
from headstart.engine.rounds import check_shares
from headstart.models.model import cut_at
from headstart.models.network import Network
from headstart.study.lab import Lab
from headstart.study.written.arms import Arm
from headstart.study.written.schema import StudySettings
from headstart.study.written.slate import Slate


def check_plan(slate: Slate, settings: StudySettings, federation: Federation) -> None:
    """Refuse a study that cannot come to a verdict.

    Raises:
        SettingError: no arm is left to run, there is one client, no client has test examples, or tuning has no
            validation data.
    """
    if not slate.arms:
        reasons = "; ".join(f"{name}: {reason}" for name, reason in slate.ruled_out.items())
        raise SettingError(f"arms: every arm is ruled out ({reasons}); change [devices], or add another arm")
    check_clients(federation)
    _check_test(settings.data.split.test, federation)
    _check_tuning(settings.tuning.trials, federation)


def check_stages(arms: Sequence[Arm], lab: Lab) -> None:
    """Refuse arms whose stages do not fit the network or each other, before anything is trained.

    Raises:
        SettingError: a federated stage shares nothing at its cut, or does not fit it; or clients have weights of their
            own where the adaptation that follows does not train.
    """
    for arm in arms:
        try:
            _check_stages(arm, lab.skeleton(from_scratch=arm.start.build().from_scratch))
        except SettingError as error:
            raise SettingError(f"arms.{arm.name}.{error}") from None


def _check_stages(arm: Arm, network: Network) -> None:
    weights, own = network.state_dict(), set[str]()
    for stage in arm.federate:
        method = stage.build()
        model, params = cut_at(network, weights, method.trainable)
        shared, private, _ = method.init(model, params)
        check_shares(shared)
        own = private.keys() & network.weight_names if method.personal else set()
    adapt = arm.adapt.build()
    if own and not adapt.changes_nothing and own - cut_at(network, weights, adapt.trainable)[1].keys():
        raise SettingError(says_too_shallow(adapt.trainable))


def select(
    slate: Slate, seeds: Sequence[int], only_arms: Sequence[str] | None, only_seeds: Sequence[int] | None
) -> tuple[list[Arm], list[int]]:
    """Return the arms and seeds that a user selects; None selects all.

    Raises:
        SettingError: the study does not have, or does not run, one of them.
    """
    for name in only_arms or ():
        if name in slate.ruled_out:
            raise SettingError(f"--arm: '{name}' is ruled out: {slate.ruled_out[name]}")
    check_arms(only_arms or (), [arm.name for arm in slate.arms])
    check_seeds(only_seeds or (), seeds)
    arms = [arm for arm in slate.arms if only_arms is None or arm.name in only_arms]
    return arms, [seed for seed in seeds if only_seeds is None or seed in only_seeds]


def check_arms(wanted: Sequence[str], known: Sequence[str]) -> None:
    """Refuse an arm that a study has not.

    Raises:
        SettingError: there is one.
    """
    for name in wanted:
        if name not in known:
            raise SettingError(f"--arm: must be an arm of the study, received '{name}'; {nearest(name, known)}")


def check_seeds(wanted: Sequence[int], seeds: Sequence[int]) -> None:
    """Refuse a seed that a study has not.

    Raises:
        SettingError: there is one.
    """
    for seed in wanted:
        if seed not in seeds:
            valid = ", ".join(str(seed) for seed in seeds)
            raise SettingError(f"--seed: must be a seed of the study, received {seed}; valid: {valid}")


def check_results(records: Sequence[Mapping[str, object]], stopped: Mapping[str, str]) -> None:
    """Refuse to judge nothing.

    Raises:
        ClientError: there is no record, because every arm had to stop.
    """
    if not records:
        reasons = "\n".join(f"{name}: {reason}" for name, reason in stopped.items())
        raise ClientError(f"no arm was finished, so there is no verdict\n{reasons}")


def check_clients(federation: Federation) -> None:
    """Refuse a federation of one.

    Raises:
        SettingError: there is one client that trains, or none.
    """
    if len(clients := federation.seen_clients) < 2:
        names = ", ".join(f"'{client.id}'" for client in clients) or "none"
        raise SettingError(
            f"data.client: must tell two clients or more, for who is alone has nobody to learn with, received {names}; "
            "name another column, or let [data.partition] deal the rows"
        )


def _check_test(share: float, federation: Federation) -> None:
    if not any(len(client.test) for client in federation.clients):
        raise SettingError(
            f"data.split.test: a verdict needs test examples, received {share:g} and no client has any; "
            "set it above 0, or give more data"
        )


def _check_tuning(trials: int | None, federation: Federation) -> None:
    """Test data must not take the place of validation data."""
    if (trials or 1) > 1 and not any(len(client.val) for client in federation.seen_clients):
        raise SettingError(
            f"tuning.trials: needs validation examples, received {trials} trials and no client "
            "has any; set data.split.val above 0, or trials = 1"
        )
