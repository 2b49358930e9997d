from __future__ import annotations

import pytest

from headstart.core.errors import DataError, SettingError
from headstart.core.limits import check_memory, memory_limit


def test_half_of_this_machine_s_memory_is_the_limit(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("HEADSTART_MEMORY_GB", raising=False)
    assert 10**8 < memory_limit() < 10**14


@pytest.mark.parametrize(("said", "limit"), [("2", 2 * 10**9), ("0.5", 5 * 10**8), ("1e3", 10**12)])
def test_a_user_may_set_it(said: str, limit: int, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("HEADSTART_MEMORY_GB", said)
    assert memory_limit() == limit


@pytest.mark.parametrize("said", ["", "0", "-1", "much", "nan", "inf"])
def test_what_is_no_amount_is_refused(said: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("HEADSTART_MEMORY_GB", said)
    with pytest.raises(SettingError, match=r"^HEADSTART_MEMORY_GB: must be a number above 0, received '"):
        memory_limit()


def test_a_refusal_says_setting_rule_value_and_way_out(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("HEADSTART_MEMORY_GB", "1")
    check_memory("data.source", "the table 'x'", 1e9, "give fewer rows")
    with pytest.raises(DataError) as error:
        check_memory("data.source", "the table 'x'", 3.21e12, "give fewer rows")
    assert str(error.value) == (
        "data.source: the table 'x' may take at most 1 GB of memory here, received one that takes about 3.21e+03 GB; "
        "give fewer rows, or allow more with HEADSTART_MEMORY_GB"
    )
