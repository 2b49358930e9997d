"""What left under noise adds up, on disk, and ends where the operator said."""

from pathlib import Path

import pytest

from headstart.core.errors import HeadstartError
from headstart.sites.ledger import Ledger, epsilon
from headstart.sites.refusals import Refused
from headstart.sites.settings import Budget


@pytest.mark.parametrize("noises", [[1.0], [1.0, 2.0, 4.0], [3.0] * 20])
def test_releases_together_are_what_the_accountant_composes(noises: list[float]) -> None:
    from dp_accounting import ComposedDpEvent, GaussianDpEvent
    from dp_accounting.pld.pld_privacy_accountant import PLDAccountant

    composed = PLDAccountant().compose(ComposedDpEvent([GaussianDpEvent(noise) for noise in noises]))
    assert epsilon(noises) == pytest.approx(composed.get_epsilon(1e-5), rel=1e-3)


def test_more_noise_promises_more() -> None:
    assert epsilon([2.0]) < epsilon([1.0]) < epsilon([0.0])


def test_charges_outlive_the_program_and_end_at_the_budget(tmp_path: Path) -> None:
    budget = Budget(epsilon=7.0)
    for number in range(2):
        Ledger(tmp_path, "north", budget).charge_noise(str(number), 1.0)
    with pytest.raises(Refused, match=r"'north' has spent epsilon 6\.\d\d of 7 .*: 0\.\d\d is left; ask for more"):
        Ledger(tmp_path, "north", budget).charge_noise("2", 1.0)
    assert Ledger(tmp_path, "north", budget).spent == pytest.approx(epsilon([1.0, 1.0]))
    assert len((tmp_path / "ledger.jsonl").read_text().splitlines()) == 2


def test_the_same_release_is_counted_once(tmp_path: Path) -> None:
    ledger = Ledger(tmp_path, "north", Budget(releases=2))
    for name in ("one", "two", "one", "two"):
        ledger.charge_release(name)
    with pytest.raises(Refused, match="has answered 2 different requests for scores, counts and sums"):
        ledger.charge_release("three")


def test_a_ledger_that_was_changed_is_not_believed(tmp_path: Path) -> None:
    ledger = Ledger(tmp_path, "north", Budget())
    ledger.charge_noise("one", 1.0)
    path = tmp_path / "ledger.jsonl"
    path.write_text(path.read_text().replace("1.0", "9.0"))
    with pytest.raises(Exception, match="ledger"):
        ledger.charge_noise("two", 1.0)


@pytest.mark.parametrize("damage", ["emptied", "gone", "last line lost", "first line lost", "cut", "a line of another"])
def test_a_ledger_that_lost_a_line_gives_no_budget_back(damage: str, tmp_path: Path) -> None:
    ledger, path = Ledger(tmp_path, "north", Budget()), tmp_path / "ledger.jsonl"
    for name in ("one", "two"):
        ledger.charge_noise(name, 1.0)
    first, last = path.read_text().splitlines(keepends=True)
    texts = {"emptied": "", "last line lost": first, "first line lost": last, "cut": first + last[:20]}
    path.write_text(texts.get(damage, first + last.replace("two", "new")))
    if damage == "gone":
        path.unlink()
    with pytest.raises(HeadstartError, match="ledger"):
        ledger.charge_noise("three", 1.0)


def test_a_kill_between_a_line_and_its_count_loses_nothing(tmp_path: Path) -> None:
    ledger = Ledger(tmp_path, "north", Budget(epsilon=7.0))
    ledger.charge_noise("one", 1.0)
    count = (tmp_path / "ledger.json").read_bytes()
    ledger.charge_noise("two", 1.0)
    (tmp_path / "ledger.json").write_bytes(count)
    assert ledger.spent == pytest.approx(epsilon([1.0, 1.0]))
