import numpy as np
import pytest
from sklearn.linear_model import LogisticRegression

from headstart.data import CentralSettings, DataSettings, open_federation
from headstart.data.sources.embedded import FORM_STARTS, digits, glyphs


@pytest.mark.parametrize("start", FORM_STARTS)
def test_every_form_starts_with_the_digits_in_order(start):
    labels = digits().table.column("label").to_numpy()
    # A digit may be missing: the set has lost some.
    assert labels[start : start + 9].tolist() in (list(range(9)), list(range(1, 10)))


def test_forms_are_clients_of_nearly_equal_classes(tmp_path):
    federation = open_federation(DataSettings(source="digits"), tmp_path)
    sizes = [len(client.train) + len(client.val) + len(client.test) for client in federation.clients]
    assert len(sizes) == 14
    assert (min(sizes), max(sizes)) == (122, 130)
    assert federation.notes == ()


def test_glyphs_are_the_same_every_time_and_every_class_is_there():
    first, again, other = glyphs(30), glyphs(30), glyphs(30, seed=1)
    assert np.array_equal(first.pixels, again.pixels)
    assert not np.array_equal(first.pixels, other.pixels)
    assert np.bincount(first.table.column("label").to_numpy()).tolist() == [3] * 10


def test_glyphs_teach_something_of_digits_but_far_from_all(tmp_path):
    federation = open_federation(DataSettings(source="digits", central=CentralSettings(source="glyphs")), tmp_path)
    pool, own = federation.central, federation.examples
    assert pool.classes == own.classes
    model = LogisticRegression(max_iter=200, C=0.01).fit(pool.inputs.reshape(len(pool), -1) / 255, pool.labels)
    accuracy = model.score(own.inputs.reshape(len(own), -1) / 255, own.labels)
    assert 0.4 < accuracy < 0.9
