from __future__ import annotations

import json
from pathlib import Path
from typing import Any

from headstart.report.gains import FEW, MOST, gains_of
from headstart.report.units import MINUS


def row(client: str, family: str = "fine-tune", gain: float = 0.061, *, sure: bool = True) -> dict[str, Any]:
    low, high = round(gain - 0.041, 6), round(gain + 0.041, 6)
    numbers = {"examples": 60, "gain": gain, "low": low, "high": high, "p_value": 0.001}
    return {"client": client, "seen": True, "family": family, "sure": sure, **numbers}


def test_sure_clients_are_named_with_their_gain_and_interval() -> None:
    found = gains_of({"each_client": [row("clinic-1", gain=-0.1), row("clinic-2"), row("clinic-3", sure=False)]})
    assert found is not None
    assert found.says == ("Better alone, in accuracy: clinic-2 (+6.1, 2.0 to 10.2); 1 of 3 is surely worse.",)
    assert (found.shown[0].client, found.shown[0].written) == ("clinic-1", f"{MINUS}10.0")
    assert (found.clients, found.left_out) == (3, 0)


def test_when_none_is_sure_that_is_said_for_every_family() -> None:
    found = gains_of({"each_client": [row("a", sure=False), row("a", "both", sure=False)]})
    assert found is not None
    assert found.says == (
        "No client is surely better alone; 0 of 1 are surely worse.",
        "No client is surely better with both; 0 of 1 are surely worse.",
    )


def test_of_many_clients_only_the_sure_ones_are_shown_the_largest_first() -> None:
    rows = [row(f"c{at}", gain=0.001 * at, sure=at >= FEW) for at in range(FEW + MOST + 5)]
    found = gains_of({"each_client": rows})
    assert found is not None
    assert len(found.shown) == MOST
    assert found.shown[0].client == f"c{FEW + MOST + 4}"
    assert found.left_out == len(rows) - MOST
    assert found.says[0].count("(+") == 5
    assert " and 30 more; " in found.says[0]


def test_a_missing_interval_and_a_gain_of_nothing_are_plain() -> None:
    found = gains_of({"each_client": [{**row("a", gain=-0.0), "low": None, "high": None, "sure": False}]})
    assert found is not None
    assert (found.shown[0].written, found.shown[0].interval) == ("0.0", "")


def test_without_predictions_nothing_is_said(answered: dict[str, Path]) -> None:
    assert gains_of(json.loads((answered["not kept"] / "verdict.json").read_text())) is None
    assert gains_of({}) is None
