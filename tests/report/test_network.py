"""What the page says of the network: sums, what counts once, what is missing, names that want to command."""

import json
from pathlib import Path
from typing import Any

import pytest

from headstart.core.files import append_json_line
from headstart.report import load_run, write_report
from headstart.report.network import network_of
from headstart.report.network_lines import NETWORK, Line, read_network

from .run_folders import Recipe, write_run

Lines = list[dict[str, Any]]


def at(how: str = "answered", reason: str = "", **said: Any) -> dict[str, Any]:
    return {"how": how, "reason": reason, "down": 100, "up": 10, "again": 0, "noise": 0.0, **said}


def line(what: str, number: int | None = None, **said: Any) -> dict[str, Any]:
    staged = {"stage": "s", "method": "fedavg", "round": number} if what == "round" else {}
    both = {"north": at(), "south": at()}
    return {"what": what, **staged, "run": "1", "data": "d", "seconds": 2.0, "masks": False, "clients": both, **said}


def seen(lines: Lines, records: Lines) -> Any:
    found = network_of([Line.of(one) for one in lines], records)
    assert found
    return found


def record(**said: Any) -> dict[str, Any]:
    return {"arm": "fedavg", "seed": 0, "nodes": ["s", "leaf"], "traffic": {"download": 5, "upload": 3}, **said}


def test_a_simulation_has_none() -> None:
    assert network_of((), ()) is None


def test_sums_medians_and_what_was_counted() -> None:
    lines = [line("round", n, seconds=s) for n, s in enumerate((1.0, 9.0, 2.0))]
    lines += [line("adapt", stage="leaf"), line("adapt", stage="a trial's"), line("start")]
    found = seen(lines, [record()])
    (row,) = found.arms
    assert (row.rounds, row.median, row.longest, row.seconds) == (3, 2.0, 9.0, 14.0)
    assert (row.down, row.up, row.counted_down, row.counted_up) == (800, 80, 5, 3)
    assert (row.asked, row.given, row.protection) == (8, 8, "none")
    assert {part.name: part.exchanges for part in found.parts} == {
        "Rounds": 3,
        "Adapting and scoring": 1,
        "Sending models": 1,
        "Trials, and runs without a record": 1,
    }
    assert sum(part.down for part in found.parts) == sum(site.down for site in found.clients) == 1200
    assert "Every round closed with an answer from everybody who was asked." in found.says


def test_a_round_that_was_asked_again_counts_once_by_its_last_line() -> None:
    cut = {"north": at("cut off"), "south": at("cut off", down=7)}
    found = seen([line("round", 0, clients=cut), line("round", 0, run="2"), line("start"), line("start")], [record()])
    assert found
    assert (found.arms[0].rounds, found.arms[0].incomplete, found.arms[0].down) == (1, 0, 200)
    assert [site.asked for site in found.clients] == [3, 3]
    assert any("1 exchange was asked again after a stop, to count once; 127" in words for words in found.says)


def test_rounds_that_are_not_noted_are_said_to_be() -> None:
    found = seen([line("round", 3)], [record(costs={"rounds": 4})])
    assert found
    assert any("fedavg, seed 0 (1 of 4)" in words for words in found.says)


def test_who_misses_most_comes_first_with_each_reason_once() -> None:
    late = {"north": at(), "south": at("late", "too slow")}
    gone = {"north": at("gone", "it went"), "south": at("late", "too slow", again=2)}
    found = seen([line("round", 0, clients=late), line("round", 1, clients=gone)], [record()])
    first, second = found.clients
    assert (first.client, first.late, first.reasons) == ("south", 2, ("late (rounds, fedavg, 2 times): too slow",))
    assert (second.gone, second.reasons) == (1, ("gone (rounds, fedavg): it went",))
    assert any("2 messages went again" in words for words in found.says)


def test_masks_and_noise() -> None:
    pytest.importorskip("dp_accounting")
    hidden = {"north": at(noise=2.0), "south": at(noise=3.0)}
    lines = [line("round", n, masks=True, clients=hidden) for n in range(4)]
    found = seen(lines, [record()])
    assert found
    assert found.arms[0].protection == "masks and noise 2, epsilon 4.38"
    assert any("epsilon 4.38 (delta 1e-05)" in words for words in found.says)
    # One exact answer is no promise for the whole.
    mixed = seen([*lines, line("round", 4)], [record()])
    assert mixed
    assert mixed.arms[0].protection == "none"


def test_lines_of_other_data_and_damaged_ones_do_not_count(tmp_path: Path) -> None:
    for each in (line("round", 0), line("round", 1, data="other"), line("round", 2)):
        append_json_line(tmp_path / NETWORK, each)
    content = (tmp_path / NETWORK).read_text().replace('"round": 2', '"round": 3')
    (tmp_path / NETWORK).write_text(content + '{"what": "ro')
    lines, notes = read_network(tmp_path, "data", "d")
    assert [one.round for one in lines] == [0]
    (note,) = notes
    assert note.startswith(f"{NETWORK} is damaged (line 3: it is not what was written, by its checksum)")


HOSTILE = {
    "<script>alert(1)</script>": "left out",
    "\u202eturned": "late",
    "مستشفى": "refused",
    "🏥": "gone",
    "x" * 200: "answered",
    "a | b `c` [d](http://e)": "cut off",
}


def test_names_and_reasons_stay_words(tmp_path: Path) -> None:
    folder = write_run(tmp_path / "run", Recipe(arms=("fedavg", "local"), seeds=1, clients=3, unseen=0))
    run = load_run(folder)
    clients = {name: at(how, f"<img src=x onerror=alert(1)> {name}") for name, how in HOSTILE.items()}
    append_json_line(folder / NETWORK, line("round", 0, data=run.federation.get("key", ""), clients=clients))
    page, words, data = (path.read_text() for path in write_report(folder, formats=("html", "md", "json")))
    assert "The network, as it happened" in page
    assert "&lt;script&gt;alert(1)" in page
    assert not any(sign in page for sign in ("<script>alert", "<img", "\u202e"))
    assert "<img" not in words
    assert "<script" not in words
    assert len(json.loads(data)["network"]["clients"]) == len(HOSTILE)


def test_a_page_of_a_simulation_has_no_such_section(few_folder: Path) -> None:
    (page,) = write_report(few_folder)
    assert 'id="network"' not in page.read_text()
