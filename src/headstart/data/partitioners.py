"""The partitioners of flwr-datasets, one a method of ``[data.partition]``; they come with the extra ``partition``."""

from __future__ import annotations

import warnings
from collections.abc import Callable, Mapping

import numpy as np
from datasets import Dataset
from flwr_datasets import partitioner
from flwr_datasets.partitioner import Partitioner

from headstart.core.arrays import Array
from headstart.core.errors import SettingError
from headstart.data.split_settings import PartitionSettings


def draw(labels: Array, settings: PartitionSettings, seed: int) -> list[Array]:
    """Deal examples once: the rows of each client.

    Raises:
        ValueError: this draw cannot be dealt.
        SettingError: no draw can.
    """
    _, dense = np.unique(labels, return_inverse=True)  # the partitioners want classes 0, 1, … without a gap
    dealer = _PARTITIONERS[settings.method](dense, settings, seed)
    dealer.dataset = Dataset.from_dict({"label": dense, "row": np.arange(len(dense))})
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        parts = [dealer.load_partition(i)["row"] for i in range(settings.num_clients)]
    return [np.asarray(part[:], dtype=np.int64) for part in parts]


def _iid(labels: Array, settings: PartitionSettings, seed: int) -> Partitioner:  # noqa: ARG001
    return partitioner.IidPartitioner(settings.num_clients)


def _dirichlet_clients(labels: Array, settings: PartitionSettings, seed: int) -> Partitioner:
    """Each client's class mix ~ Dirichlet(alpha): Hsu, Qi and Brown 2019, https://arxiv.org/abs/1909.06335."""
    size, rest = divmod(len(labels), settings.num_clients)
    most = settings.examples_per_client or len(labels)
    sizes = [min(size + (i < rest), most) for i in range(settings.num_clients)]
    return partitioner.InnerDirichletPartitioner(sizes, "label", settings.alpha, seed=seed)


def _dirichlet_classes(labels: Array, settings: PartitionSettings, seed: int) -> Partitioner:  # noqa: ARG001
    """Each class's client shares ~ Dirichlet(alpha): Yurochkin et al. 2019, https://arxiv.org/abs/1905.12022."""
    return partitioner.DirichletPartitioner(
        settings.num_clients, "label", settings.alpha, min_partition_size=settings.min_examples, seed=seed
    )


def _pathological(labels: Array, settings: PartitionSettings, seed: int) -> Partitioner:
    """Exactly k classes per client: Li et al. 2022, https://arxiv.org/abs/2102.02079."""
    found = len(np.unique(labels))
    if settings.classes_per_client > found:
        raise SettingError(
            f"data.partition.classes_per_client: {settings.classes_per_client} is more than the {found} "
            "classes found; lower it"
        )
    return partitioner.PathologicalPartitioner(
        settings.num_clients,
        "label",
        settings.classes_per_client,
        class_assignment_mode="first-deterministic",
        seed=seed,
    )


def _shards(labels: Array, settings: PartitionSettings, seed: int) -> Partitioner:  # noqa: ARG001
    """A few pieces each of the examples sorted by class: McMahan et al. 2017, https://arxiv.org/abs/1602.05629."""
    return partitioner.ShardPartitioner(
        settings.num_clients, "label", num_shards_per_partition=settings.shards_per_client, seed=seed
    )


def _quantity_skew(labels: Array, settings: PartitionSettings, seed: int) -> Partitioner:
    """Unequal sizes, classes IID; Dirichlet sizes as in Li et al. 2022 §3.4, https://arxiv.org/abs/2102.02079."""
    clients = settings.num_clients
    if settings.sizes == "dirichlet":
        shares = np.random.default_rng(seed).dirichlet(np.full(clients, settings.alpha))
        bounds = np.round(np.cumsum(shares) * len(labels)).astype(int)
        return partitioner.SizePartitioner(np.diff(bounds, prepend=0).tolist())
    kinds = {
        "linear": partitioner.LinearPartitioner,
        "square": partitioner.SquarePartitioner,
        "exponential": partitioner.ExponentialPartitioner,
    }
    return kinds[settings.sizes](clients)


_PARTITIONERS: Mapping[str, Callable[[Array, PartitionSettings, int], Partitioner]] = {
    "iid": _iid,
    "dirichlet_clients": _dirichlet_clients,
    "dirichlet_classes": _dirichlet_classes,
    "pathological": _pathological,
    "shards": _shards,
    "quantity_skew": _quantity_skew,
}
