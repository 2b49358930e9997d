"""Which columns name rows, and which are measurements that must not be left out."""

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from headstart.data.identifiers import identifiers

RNG = np.random.default_rng(0)
ROWS = 200
SHUFFLED = RNG.permutation(ROWS)


def found(name, values):
    return identifiers(pa.table({name: values})).get(name)


@pytest.mark.parametrize(
    ("name", "values", "why"),
    [
        ("", RNG.integers(0, 9, ROWS), "an index that pandas wrote"),
        ("Unnamed: 0", RNG.integers(0, 9, ROWS), "an index that pandas wrote"),
        ("__index_level_0__", [5, 5, 7], "an index that pandas wrote"),
        ("patient_id", range(1000, 1000 + ROWS), "in order"),
        ("nr", range(1000, 1000 + ROWS), "in order"),
        ("nr", [3.0 * i for i in range(ROWS)], "in order"),
        ("nr", range(ROWS, 0, -1), "in order"),
        ("nr", SHUFFLED, "close together"),
        ("nr", [*SHUFFLED[:150], *SHUFFLED[160:]], "close together"),
        ("nr", [*range(100), *range(60), *range(90)], "count the rows"),
        ("PatientID", RNG.choice(10**9, ROWS, replace=False), "named as an identifier"),
        ("patient_id", np.repeat(RNG.choice(10**6, ROWS // 2, replace=False), 2), "named as an identifier"),
        ("mrn", [None, *RNG.choice(10**9, ROWS - 1, replace=False).tolist()], "named as an identifier"),
    ],
)
def test_identifiers(name, values, why):
    assert why in found(name, values)


@pytest.mark.parametrize(
    ("name", "values"),
    [
        ("chol", RNG.normal(200, 40, ROWS)),
        ("chol", np.sort(RNG.normal(200, 40, ROWS))),
        ("age", RNG.integers(18, 90, ROWS)),
        ("age", np.sort(RNG.integers(18, 90, ROWS))),
        ("income", RNG.integers(0, 500_000, ROWS)),
        ("age_at_index", RNG.integers(18, 90, ROWS)),
        ("body_mass_index", RNG.integers(18, 40, ROWS)),
        ("acid", RNG.choice(10**9, ROWS, replace=False)),
        ("device_id", RNG.integers(0, 3, ROWS)),
        ("smoker", [True, False] * (ROWS // 2)),
        ("town", [f"t{i}" for i in range(ROWS)]),
        ("few", [1, 2, 3, 4, 5]),
        ("holes", [None] * 150 + list(range(50))),
    ],
)
def test_measurements(name, values):
    assert found(name, values) is None


@pytest.mark.parametrize(
    "name",
    ["heart_disease_4hospitals", "parkinsons_telemonitoring_42subjects", "tcga_brca_6regions"],
)
def test_no_column_of_a_real_table_is_taken_for_an_identifier(real_data, name):
    assert identifiers(pq.read_table(real_data / "tabular" / f"{name}.parquet")) == {}


@pytest.mark.parametrize("loader", ["load_breast_cancer", "load_diabetes", "load_iris", "load_wine", "load_digits"])
def test_no_column_of_scikit_learns_tables_is_taken_for_an_identifier(loader):
    from sklearn import datasets

    data = getattr(datasets, loader)()
    assert identifiers(pa.table({f"x{i}": column for i, column in enumerate(data.data.T)})) == {}
