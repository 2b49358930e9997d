"""Real files, by their known counts; skipped where HEADSTART_DATA names no folder of them."""

import numpy as np
import pytest

from headstart.data import CentralSettings, DataSettings, PartitionSettings, SplitSettings, open_federation

HEART = DataSettings(
    source="tabular/heart_disease_4hospitals.parquet",
    client="hospital",
    columns=("age", "sex", "cp", "trestbps", "chol", "fbs", "restecg", "thalach", "exang", "oldpeak"),
    one_hot=("cp", "restecg"),
    split=SplitSettings(train=0.66, val=0.0, test=0.34, column="flamby_split"),
    standardize="client",
)


def test_heart_has_flambys_counts_and_features(real_data):
    federation = open_federation(HEART, real_data)
    sizes = {client.id: (len(client.train), len(client.test)) for client in federation.clients}
    assert sizes == {"cleveland": (199, 104), "hungarian": (172, 89), "switzerland": (30, 16), "va": (85, 45)}
    assert federation.examples.shape == (13,)
    trains = [federation.examples.inputs[client.train] for client in federation.clients]
    np.testing.assert_allclose([train.mean(0) for train in trains], 0, atol=1e-5)
    deviations = np.array([train.std(0, ddof=1) for train in trains])
    np.testing.assert_allclose(deviations[deviations > 0], 1, atol=1e-4)


def test_pneumonia_splits_by_its_column_and_fixes_val(real_data):
    partition = PartitionSettings(method="dirichlet_clients", num_clients=4)
    settings = DataSettings(
        source="images/pneumoniamnist.parquet", partition=partition, split=SplitSettings(column="split")
    )
    federation = open_federation(settings, real_data)
    sizes = [sum(len(client.indices(split)) for client in federation.clients) for split in ("train", "val", "test")]
    assert sizes == [4708, 524, 624]
    assert federation.fixed_val


@pytest.mark.slow
def test_cats_and_dogs_are_dealt_inside_each_site(real_data):
    partition = PartitionSettings(method="dirichlet_clients", num_clients=5, within="site")
    settings = DataSettings(source="images/cats_dogs_sites.parquet", image_size=64, partition=partition)
    federation = open_federation(settings, real_data)
    assert len(federation.examples) == 6279
    assert federation.examples.classes == ("cat", "dog")
    assert sum(client.id.startswith("web-") for client in federation.clients) == 5


@pytest.mark.slow
def test_the_other_classes_of_cifar_make_a_pool(real_data):
    partition = PartitionSettings(method="dirichlet_clients", alpha=0.1, examples_per_client=100)
    central = CentralSettings(source="images/cifar10_train.parquet", exclude=("cat", "dog"), max_examples=800)
    settings = DataSettings(source="images/cats_dogs_cifar10_train.parquet", partition=partition, central=central)
    federation = open_federation(settings, real_data)
    assert len(federation.examples) == 1000
    assert np.bincount(federation.central.labels).tolist() == [100] * 8
    assert "cat" not in federation.central.classes
