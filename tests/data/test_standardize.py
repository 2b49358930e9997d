import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from hypothesis import given
from hypothesis import strategies as st
from sklearn.preprocessing import StandardScaler

from headstart.data import Client, DataSettings, Examples, open_federation
from headstart.data.standardize import fill_and_standardize, lacks_values, statistics, sums_of, united


def _examples(inputs: np.ndarray) -> Examples:
    rows = len(inputs)
    return Examples(
        "table",
        inputs.astype(np.float32),
        np.zeros(rows, np.int64),
        [str(i) for i in range(rows)],
        ("a", "b"),
        ("age", "dose"),
    )


@pytest.fixture
def inputs() -> np.ndarray:
    return np.random.default_rng(0).normal([5, -3], [2, 30], size=(30, 2))


CLIENTS = [
    Client("a", np.arange(0, 8), np.arange(8, 10), np.arange(10, 15)),
    Client("b", np.arange(15, 20), np.arange(20, 22), np.arange(22, 25)),
    Client("new", np.arange(25, 28), np.arange(28, 29), np.arange(29, 30), seen=False),
]


@pytest.mark.parametrize("client", CLIENTS, ids=lambda client: client.id)
def test_each_client_is_scaled_by_its_own_examples_outside_test(inputs, client):
    scaled = fill_and_standardize(_examples(inputs), CLIENTS, None, "client").examples
    known, rows = np.r_[client.train, client.val], np.r_[client.train, client.val, client.test]
    scaler = StandardScaler().fit(inputs[known])
    expected = scaler.transform(inputs[rows]) * np.sqrt((len(known) - 1) / len(known))
    assert np.allclose(scaled.inputs[rows], expected, atol=1e-5)


def test_pooled_statistics_come_from_seen_clients_alone(inputs):
    known = np.r_[0:10, 15:22]
    scaled = fill_and_standardize(_examples(inputs), CLIENTS, _examples(inputs), "pooled")
    expected = (inputs - inputs[known].mean(0)) / inputs[known].std(0, ddof=1)
    assert np.allclose(scaled.examples.inputs, expected, atol=1e-5)
    assert np.allclose(scaled.central.inputs, expected, atol=1e-5)


@pytest.mark.parametrize("how", ["client", "pooled"])
def test_test_examples_change_no_statistic(inputs, how):
    other = inputs.copy()
    other[[10, 24, 29]] = 1e6
    first = fill_and_standardize(_examples(inputs), CLIENTS, None, how).examples
    second = fill_and_standardize(_examples(other), CLIENTS, None, how).examples
    same = np.setdiff1d(np.arange(30), [10, 24, 29])
    assert np.array_equal(first.inputs[same], second.inputs[same])


def test_constant_and_single_columns_stay_finite(inputs):
    inputs[:, 1] = 0.1
    lonely = [
        Client("a", np.arange(1), np.arange(0), np.arange(1, 3)),
        Client("b", np.arange(3, 30), np.arange(0), np.arange(0)),
    ]
    scaled = fill_and_standardize(_examples(inputs), lonely, None, "client").examples
    assert np.isfinite(scaled.inputs).all()
    assert np.allclose(scaled.inputs[:, 1], 0, atol=1e-6)


def test_missing_values_become_the_mean_outside_test(inputs):
    inputs[0, 0] = inputs[10, 1] = np.nan
    filled = fill_and_standardize(_examples(inputs), CLIENTS, None, "none").examples
    known = np.r_[0:10, 15:22]
    assert filled.inputs[0, 0] == pytest.approx(np.nanmean(inputs[known, 0]), rel=1e-5)
    assert filled.inputs[10, 1] == pytest.approx(inputs[known, 1].mean(), rel=1e-5)
    assert np.array_equal(filled.inputs[1:10], inputs[1:10].astype(np.float32))


def test_a_client_without_any_value_of_a_column_takes_the_pooled_mean(inputs):
    inputs[:10, 0] = np.nan
    scaled = fill_and_standardize(_examples(inputs), CLIENTS, None, "client").examples
    assert np.isfinite(scaled.inputs).all()


def test_images_pass_unchanged():
    images = Examples("image", np.zeros((2, 1, 4, 4), np.uint8), np.zeros(2, np.int64), ["a", "b"], ("x", "y"))
    found = fill_and_standardize(images, [], None, "pooled")
    assert (found.examples, found.central, found.how) == (images, None, "")


@pytest.mark.parametrize("seed", range(6))
@pytest.mark.parametrize("offset", [0.0, 1e5])
def test_sums_of_parts_are_the_sums_of_all(seed, offset):
    draw = np.random.default_rng(seed)
    inputs = draw.normal(offset, 1 + draw.random(4), (50, 4))
    inputs[draw.random(inputs.shape) < 0.3] = np.nan
    inputs[:20, 0] = np.nan  # nothing at one client
    parts = np.split(inputs, [20, 21, 21])
    (mean, deviation), whole = statistics(united([sums_of(part) for part in parts])), statistics(sums_of(inputs))
    np.testing.assert_allclose(mean, np.nanmean(inputs, axis=0), rtol=1e-12)
    np.testing.assert_allclose(deviation, np.nanstd(inputs, axis=0, ddof=1), rtol=1e-9)
    np.testing.assert_allclose((mean, deviation), whole, rtol=1e-9)


@pytest.mark.parametrize(
    ("column", "lacks"),
    [([1.0, 2.0], False), ([1.0, np.nan], True), ([np.nan, np.nan], True), ([1.0], False), ([], True)],
)
def test_a_column_with_too_few_values_for_a_mean_and_a_deviation_lacks_them(column, lacks):
    assert lacks_values(sums_of(np.array(column)[:, None])).tolist() == [lacks]


def test_a_client_with_test_rows_alone_is_scaled_by_the_others(inputs):
    """Its own rows outside test are none, so that both mean and deviation are those of all seen clients."""
    rows = np.arange(len(inputs))
    clients = [Client("a", rows[:-3], rows[:0], rows[:0]), Client("b", rows[:0], rows[:0], rows[-3:])]
    mine = fill_and_standardize(_examples(inputs), clients, None, "client").examples.inputs
    pooled = fill_and_standardize(_examples(inputs), clients, None, "pooled").examples.inputs
    np.testing.assert_allclose(mine[-3:], pooled[-3:], rtol=1e-6)


@pytest.mark.parametrize(
    ("scale", "warned"),
    [
        ((1, 1), False),
        ((1, 90), False),
        ((1, 150), True),
        ((0.05, 2500), True),
        ((2500, 0.05), True),
        ((1e4, 1e4), False),
    ],
)
def test_unscaled_columns_more_than_two_orders_apart_are_warned_of(scale, warned):
    draw = np.random.default_rng(0).normal(size=(30, 2)) * scale
    notes = fill_and_standardize(_examples(draw), CLIENTS, None, "none").notes
    assert bool(notes) == warned
    assert not fill_and_standardize(_examples(draw), CLIENTS, None, "auto").notes


def test_a_year_beside_a_rate_is_warned_of_by_name():
    draw = np.random.default_rng(0).normal([0, 2015], [1, 3], size=(30, 2))
    (note,) = fill_and_standardize(_examples(draw), CLIENTS, None, "none").notes
    assert "'dose' is about 2" in note
    assert "'age' about" in note
    assert note.endswith("set data.standardize = 'auto'")


def test_a_column_that_varies_little_around_a_large_value_is_warned_of():
    draw = np.random.default_rng(0).normal([1000, 1000], [0.5, 300], size=(30, 2))
    assert fill_and_standardize(_examples(draw), CLIENTS, None, "none").notes


def test_a_rare_category_is_not_small():
    rare = np.stack([np.random.default_rng(0).normal(size=30), np.arange(30) == 3], axis=1)
    assert not fill_and_standardize(_examples(rare), CLIENTS, None, "none").notes


def test_auto_is_pooled_in_a_simulation(inputs):
    pooled, auto = (fill_and_standardize(_examples(inputs), CLIENTS, None, how) for how in ("pooled", "auto"))
    assert np.array_equal(pooled.examples.inputs, auto.examples.inputs)
    assert auto.how == pooled.how != ""


@given(st.integers(-30, 30), st.floats(0.1, 10))
def test_units_change_nothing(power, spread):
    column = np.random.default_rng(0).normal(3, spread, 40)
    one, other = (statistics(sums_of(values[:, None])) for values in (column, column * 10.0**power))
    assert np.allclose(one[1] * 10.0**power, other[1], rtol=1e-9)


def test_a_constant_far_from_zero_is_constant():
    sums = [sums_of(np.full((rows, 2), (1.7e9, 0.1), dtype=np.float32)) for rows in (7, 31, 1000)]
    assert statistics(united(sums))[1].tolist() == [1.0, 1.0]


def test_what_varies_little_far_from_zero_is_as_it_would_be_at_zero(tmp_path):
    spread = np.random.default_rng(0).normal(size=40).round(3) * 30
    for offset in (0.0, 1.7e9, 1e12):
        table = pa.table({"site": ["a", "b"] * 20, "label": [0, 0, 1, 1] * 10, "x": spread + offset, "y": spread[::-1]})
        pq.write_table(table, tmp_path / f"{offset}.parquet")
    settings = [DataSettings(source=f"{offset}.parquet", client="site") for offset in (0.0, 1.7e9, 1e12)]
    first, *others = (open_federation(one, tmp_path).examples.inputs for one in settings)
    assert first.dtype == np.float32
    for other in others:
        assert np.allclose(other, first, atol=1e-4)
