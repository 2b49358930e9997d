import numpy as np

from headstart.core.task import Task
from headstart.data.strata import strata_of
from headstart.data.targets import Targets

NUMBER = Task(kind="regression", outputs=("age",))


def test_numbers_are_cut_into_fifths_and_missing_ones_have_none() -> None:
    values = np.append(np.random.default_rng(0).normal(size=100), np.nan)[:, None]
    found, names = strata_of(Targets(NUMBER, values))
    assert np.bincount(found[:-1]).tolist() == [20] * 5
    assert (found[-1], len(names)) == (-1, 5)


def test_ties_make_fewer_strata() -> None:
    found, names = strata_of(Targets(NUMBER, np.array([0.0] * 70 + [1.0] * 30)[:, None]))
    assert (len(names), np.bincount(found).tolist()) == (2, [70, 30])
    assert strata_of(Targets(NUMBER, np.ones((4, 1))))[1] == ("any",)


def test_cuts_that_look_alike_get_more_digits() -> None:
    _, names = strata_of(Targets(NUMBER, np.linspace(1000.1, 1000.2, 50)[:, None]))
    assert len(set(names)) == 5


def test_of_several_labels_the_rarest_counts() -> None:
    values = np.array([[1, 1], [1, 0], [1, 0], [0, 0]], dtype=float)
    found, names = strata_of(Targets(Task(kind="multilabel", outputs=("common", "rare")), values))
    assert [names[i] for i in found] == ["rare", "common", "common", "none"]


def test_survival_is_cut_by_the_event() -> None:
    values = np.array([[3.0, 1.0], [9.0, 0.0]])
    found, names = strata_of(Targets(Task(kind="survival", outputs=("risk",)), values))
    assert [names[i] for i in found] == ["event", "followed"]
