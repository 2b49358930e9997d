"""Dealing examples to clients: by a column, or by the partitioners of flwr-datasets."""

from __future__ import annotations

import warnings
from collections.abc import Callable, Mapping, Sequence
from typing import Any

import numpy as np

from headstart.core import seeds
from headstart.core.arrays import Array
from headstart.core.errors import SettingError, require
from headstart.data.settings import PartitionSettings

Members = dict[str, Array]
"""Ascending indices of each client's examples, by the client's id."""

ATTEMPTS = 10


def by_name(names: Sequence[str | None]) -> Members:
    """Give each distinct name a client, in sorted order.

    >>> by_name(["b", "a", "b"])
    {'a': array([1]), 'b': array([0, 2])}
    """
    array = np.array([str(name) for name in names])
    return {str(name): np.flatnonzero(array == name) for name in np.unique(array)}


def deal(labels: Array, settings: PartitionSettings, seed: int, groups: Sequence[str | None] | None = None) -> Members:
    """Deal examples to ``num_clients`` clients, or to that many in each group.

    Args:
        labels: class indices, ``(examples,)``.
        settings: method and its parameters.
        seed: decides the draw, with the group's name.
        groups: values of the column ``settings.within``; clients are then named after them.

    Raises:
        SettingError: there are fewer examples than clients, or the draw cannot satisfy the settings.
        MissingExtra: flwr-datasets is not installed.
    """
    if groups is None:
        return _deal_group(labels, settings, seeds.derive(seed, "partition"), "client")
    members: Members = {}
    for group, rows in by_name(groups).items():
        dealt = _deal_group(labels[rows], settings, seeds.derive(seed, "partition", group), group)
        members |= {client: rows[part] for client, part in dealt.items()}
    return members


def _deal_group(labels: Array, settings: PartitionSettings, seed: int, prefix: str) -> Members:
    _enough(len(labels), settings)
    # Row order must not matter: a partitioner that cuts consecutive pieces gets them shuffled.
    order = np.random.default_rng(seed).permutation(len(labels))
    if settings.examples_per_client is not None and settings.method != "dirichlet_clients":
        parts = [part[: settings.examples_per_client] for part in _partition(labels[order], settings, seed)]
    else:
        parts = _partition(labels[order], settings, seed)
    width = len(str(settings.num_clients - 1))
    return {f"{prefix}-{i:0{width}d}": np.sort(order[part]) for i, part in enumerate(parts)}


def _partition(labels: Array, settings: PartitionSettings, seed: int) -> list[Array]:
    """Repeat the draw with other seeds until it succeeds: a Dirichlet draw can be impossible to fill."""
    reason = ""
    for attempt in range(ATTEMPTS):
        try:
            parts = _draw(labels, settings, seeds.derive(seed, attempt))
        except ValueError as error:
            reason = str(error).splitlines()[0]
            continue
        if min(map(len, parts)) >= settings.min_examples:
            return parts
        reason = f"the smallest client has {min(map(len, parts))} examples"
    raise SettingError(
        f"data.partition: '{settings.method}' cannot deal {len(labels)} examples to {settings.num_clients} "
        f"clients of at least {settings.min_examples} ({reason}); raise alpha, or lower num_clients or "
        "min_examples"
    )


def _draw(labels: Array, settings: PartitionSettings, seed: int) -> list[Array]:
    datasets = require("datasets", "partition")
    _, dense = np.unique(labels, return_inverse=True)  # the partitioners want classes 0, 1, … without a gap
    partitioner = PARTITIONERS[settings.method](dense, settings, seed)
    partitioner.dataset = datasets.Dataset.from_dict({"label": dense, "row": np.arange(len(dense))})
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        parts = [partitioner.load_partition(i)["row"] for i in range(settings.num_clients)]
    return [np.asarray(part[:], dtype=np.int64) for part in parts]


def _enough(examples: int, settings: PartitionSettings) -> None:
    if examples < settings.num_clients * settings.min_examples:
        raise SettingError(
            f"data.partition.num_clients: {examples} examples cannot give {settings.num_clients} clients "
            f"at least {settings.min_examples} each; ask for fewer clients"
        )


def _flower() -> Any:
    require("flwr_datasets", "partition")
    return require("flwr_datasets.partitioner", "partition")


def _iid(labels: Array, settings: PartitionSettings, seed: int) -> Any:  # noqa: ARG001
    return _flower().IidPartitioner(settings.num_clients)


def _dirichlet_clients(labels: Array, settings: PartitionSettings, seed: int) -> Any:
    """Each client's class mix ~ Dirichlet(alpha): Hsu, Qi and Brown 2019, https://arxiv.org/abs/1909.06335."""
    size, rest = divmod(len(labels), settings.num_clients)
    most = settings.examples_per_client or len(labels)
    sizes = [min(size + (i < rest), most) for i in range(settings.num_clients)]
    return _flower().InnerDirichletPartitioner(sizes, "label", settings.alpha, seed=seed)


def _dirichlet_classes(labels: Array, settings: PartitionSettings, seed: int) -> Any:  # noqa: ARG001
    """Each class's client shares ~ Dirichlet(alpha): Yurochkin et al. 2019, https://arxiv.org/abs/1905.12022."""
    return _flower().DirichletPartitioner(
        settings.num_clients, "label", settings.alpha, min_partition_size=settings.min_examples, seed=seed
    )


def _pathological(labels: Array, settings: PartitionSettings, seed: int) -> Any:
    """Exactly k classes per client: Li et al. 2022, https://arxiv.org/abs/2102.02079."""
    found = len(np.unique(labels))
    if settings.classes_per_client > found:
        raise SettingError(
            f"data.partition.classes_per_client: {settings.classes_per_client} is more than the {found} "
            "classes found; lower it"
        )
    return _flower().PathologicalPartitioner(
        settings.num_clients,
        "label",
        settings.classes_per_client,
        class_assignment_mode="first-deterministic",
        seed=seed,
    )


def _shards(labels: Array, settings: PartitionSettings, seed: int) -> Any:  # noqa: ARG001
    """A few pieces each of the examples sorted by class: McMahan et al. 2017, https://arxiv.org/abs/1602.05629."""
    return _flower().ShardPartitioner(
        settings.num_clients, "label", num_shards_per_partition=settings.shards_per_client, seed=seed
    )


def _quantity_skew(labels: Array, settings: PartitionSettings, seed: int) -> Any:
    """Unequal sizes, classes IID; Dirichlet sizes as in Li et al. 2022 §3.4, https://arxiv.org/abs/2102.02079."""
    flower, clients = _flower(), settings.num_clients
    if settings.sizes == "dirichlet":
        shares = np.random.default_rng(seed).dirichlet(np.full(clients, settings.alpha))
        bounds = np.round(np.cumsum(shares) * len(labels)).astype(int)
        return flower.SizePartitioner(np.diff(bounds, prepend=0).tolist())
    kinds = {
        "linear": "LinearPartitioner",
        "square": "SquarePartitioner",
        "exponential": "ExponentialPartitioner",
    }
    return getattr(flower, kinds[settings.sizes])(clients)


PARTITIONERS: Mapping[str, Callable[[Array, PartitionSettings, int], Any]] = {
    "iid": _iid,
    "dirichlet_clients": _dirichlet_clients,
    "dirichlet_classes": _dirichlet_classes,
    "pathological": _pathological,
    "shards": _shards,
    "quantity_skew": _quantity_skew,
}
