"""The script for a card, without one: every step's pieces, a step that fails or takes too long, what is written."""

from __future__ import annotations

import json
import sys
import time
from pathlib import Path
from typing import Any

import pytest
import torch

import card
import card_steps
from card import SECONDS, Bench, told
from card_steps import STEPS, Place
from tasks import build_network
from works import EVERY_WORK, G1, TITLES

PLACE = Place(torch.device("cpu"), small=True)


def test_every_step_has_its_time_and_they_fit_into_ten_minutes_but_for_the_last() -> None:
    assert list(STEPS) == list(SECONDS)
    assert sum(list(SECONDS.values())[:-1]) <= 600


def test_pfl_researchs_network_has_its_size() -> None:
    network = build_network(G1)
    assert 1.5e6 < sum(value.numel() for value in network.parameters()) < 1.7e6
    assert network(torch.zeros(2, *G1.shape)).shape == (2, G1.classes)
    assert TITLES["g1"]
    assert EVERY_WORK["g1"] is G1


def test_weights_of_a_round_are_compared() -> None:
    pieces = [(facts, work) for facts, work in card_steps.equal(PLACE) if facts["what"] in ("small-cnn", "ridge")]
    assert len(pieces) == 4
    assert all(work()["equal"] for _, work in pieces)


def test_weights_that_are_apart_are_not_equal() -> None:
    one, other = {"w": torch.tensor([0.5, 1.0])}, {"w": torch.tensor([0.5, 1.001])}
    found = card_steps.difference(one, other)
    assert found["largest_difference"] == pytest.approx(1e-3, rel=1e-3)
    assert not found["equal"]


def test_a_round_is_timed_by_every_way_that_there_is() -> None:
    pieces = {facts["way"]: work for facts, work in card_steps.g1(PLACE) if facts["precision"] == "float32"}
    assert {"serial", "stack", "loop", "auto"} <= set(pieces)
    found = pieces["loop"]()
    assert 0 < found["seconds_per_round"] <= found["total_seconds"]


def test_a_card_has_no_processes_to_time() -> None:
    ways = {facts["way"] for facts, _ in card_steps.g1(Place(torch.device("meta"), small=True))}
    assert "workers" not in ways


def test_a_piece_that_fails_is_said_and_the_next_is_tried(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    def fail() -> dict[str, Any]:
        raise RuntimeError("CUDA error: an illegal memory access\nmore of it")

    pieces = [({"what": "bad"}, fail), ({"what": "good"}, lambda: {"seconds": 1.0})]
    monkeypatch.setitem(STEPS, "g1", lambda _: iter(pieces))
    card.only("g1", "cpu", small=True)
    bad, good = map(json.loads, capsys.readouterr().out.splitlines())
    assert bad["error"] == "RuntimeError: CUDA error: an illegal memory access"
    assert (good["what"], good["seconds"]) == ("good", 1.0)


def _step(monkeypatch: pytest.MonkeyPatch, folder: Path, code: str, seconds: float = 60) -> list[dict[str, Any]]:
    """Run a script in the place of a step."""
    script = folder / "step.py"
    script.write_text(code)
    monkeypatch.setattr(card, "__file__", str(script))
    monkeypatch.setitem(SECONDS, "g1", seconds)
    return list(Bench("cpu", small=True, deadline=time.monotonic() + 100).rows(["g1"]))


def test_a_step_that_dies_keeps_what_it_found(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    code = "import sys; print('{\"way\": \"stack\"}', flush=True); sys.exit('no such driver')"
    found, error, whole = _step(monkeypatch, tmp_path, code)
    assert found == {"step": "g1", "way": "stack"}
    assert error == {"step": "g1", "error": "1: no such driver"}
    assert whole["what"] == "the whole step"


def test_a_step_that_hangs_is_given_up_and_keeps_what_it_found(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    code = 'import time; print(\'{"way": "stack"}\', flush=True); time.sleep(60)'
    found, error, _ = _step(monkeypatch, tmp_path, code, seconds=2)
    assert found["way"] == "stack"
    assert "given up after 2 s" in error["error"]


def test_without_a_card_every_step_says_so(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr("torch.cuda.is_available", lambda: False)
    monkeypatch.setattr(sys, "argv", ["card.py"])
    monkeypatch.setenv("OUT", str(tmp_path / "out"))
    card.main()
    rows = json.loads((tmp_path / "out" / "card.json").read_text())
    assert [row["step"] for row in rows] == list(SECONDS)
    assert all(row["error"].startswith("no card: PyTorch") for row in rows)
    assert len(capsys.readouterr().out.splitlines()) == len(SECONDS) + 1


def test_numbers_are_told_in_four_digits() -> None:
    assert told({"step": "g1", "seconds": 0.0421234, "none": ""}) == "g1      seconds=0.04212"
