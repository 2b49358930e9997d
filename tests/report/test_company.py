"""What the report says of groups and advice."""

from typing import Any

import pytest

from headstart.report.company import advice_rows, company_lines


def advice(client: str, group: int, said: str | None, among: list[str], noise: float | None = 0.02) -> dict[str, Any]:
    accuracy = {"alone": 0.7, "these": 0.78, "all": 0.4}
    return {
        "client": client,
        "group": group,
        "advice": said,
        "among": among,
        "accuracy": accuracy,
        "gain": 0.08,
        "noise": noise,
    }


def test_each_client_is_one_row() -> None:
    clients = [advice("a", 0, "these", ["these"]), advice("b", 1, None, ["alone", "all"], None)]
    clients.append(advice("c", 0, None, ["alone", "these"]))
    rows = advice_rows({"groups": [["a", "c"], ["b"]], "clients": clients})
    assert [(row.client, row.advice, row.company) for row in rows] == [
        ("a", "with its group", "c"),
        ("b", "open: alone or with all", ""),
        ("c", "open: alone or with its group", "a"),
    ]
    assert rows[0].values == ("70.0%", "78.0%", "40.0%")
    assert "±" in rows[0].gain
    assert "±" not in rows[1].gain


@pytest.mark.parametrize("company", [{}, {"groups": [[]], "clients": [advice("a", 0, None, [])] * 31}])
def test_nothing_or_too_much_is_no_table(company: dict[str, Any]) -> None:
    assert advice_rows(company) == []


def test_nobody_fits_and_large_groups_are_cut() -> None:
    clients = [advice(str(at), 0, "alone", ["alone"]) for at in range(3)]
    assert "fit nobody else's data" in company_lines({"groups": [["0"], ["1"], ["2"]], "clients": clients})[0]
    groups = [[str(at) for at in range(10)], ["10"]]
    line = company_lines({"groups": groups, "clients": [advice(str(at), 0, "alone", ["alone"]) for at in range(11)]})[0]
    assert line.endswith("of 10 and 1 clients (0, 1, 2, 3 and 6 more; 10)")
    assert company_lines({}) == []
