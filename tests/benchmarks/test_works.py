"""The benchmark's own arithmetic: works, bounds, ratios, tables. Nothing is timed, and no peer is needed."""

from __future__ import annotations

import os
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import torch

import networks
import peers
import scale
from bounds import bound, extraction_cost, round_cost
from headstart.engine.ways.fleet import Fleet
from headstart.engine.ways.serial import Serial
from measure import descendants, memory
from one import charged, run
from sources import Peers, Seeded
from speeds import Speeds
from summary import Pass, Summary
from table import Row, as_json, best, merge, ratios, results_table, with_pairs, write_between
from tasks import activations_of, build_network, planned_orders, prepare, train
from works import PAIRS, TITLES, WORKS, groups

SPEEDS = Speeds(gemm_one=50.0, gemm=100.0, copy=10.0, cores=2)
KEYS = {
    "work", "system", "setting", "seconds_per_round", "total_seconds", "cpu_seconds", "peak_mb", "maxdiff",
}  # fmt: skip
SMALL = replace(WORKS["w4"], clients=12, cohort_size=5, rounds=3)


def row(work: str, system: str, total: float, **other: object) -> Row:
    values = {"setting": "s", "seconds_per_round": total / 10, "cpu_seconds": total, "peak_mb": 100.0, "maxdiff": None}
    return Row(work=work, system=system, total_seconds=total, **{**values, **other})  # type: ignore[arg-type]


def test_operations_of_the_small_cnn_by_hand() -> None:
    first, second, head = 28 * 28 * 9 * 16, 14 * 14 * 9 * 16 * 32, 1568 * 10
    # Forward and weight gradient everywhere, input gradient above the first layer; two operations each.
    assert round_cost(WORKS["w1"]).flop == 20 * 60 * 2 * (2 * first + 3 * second + 3 * head)


def test_operations_of_a_head_by_hand() -> None:
    cost = round_cost(WORKS["w4"])
    assert cost.flop == 200 * 20 * 2 * (2 * 64 * 10)
    assert cost.bytes == 200 * 20 * 64 * 4 + 2 * 4 * (64 * 10 + 10)


def test_ten_epochs_read_the_examples_once() -> None:
    once, ten = round_cost(WORKS["w3ac"]), round_cost(WORKS["w3bc"])
    assert ten.flop == 10 * once.flop
    assert ten.bytes == once.bytes


def test_bound_of_a_frozen_network_is_mostly_its_forward_pass() -> None:
    cost, found = extraction_cost(WORKS["w3a"]), bound(WORKS["w3a"], SPEEDS)
    assert 2.8e8 < cost.flop / 5000 < 3.2e8  # ResNet-18 at 224 pixels takes 3.6e9
    assert found.extraction == pytest.approx(cost.flop / 100e9)
    assert found.total == pytest.approx(found.extraction + 10 * found.a_round)
    assert extraction_cost(WORKS["w3ac"]).flop == 0


def test_rows_have_what_readers_of_the_file_ask_for() -> None:
    (found,) = as_json([row("w1", "headstart", 1.0)])
    assert set(found) >= KEYS


def test_repeats_become_their_median() -> None:
    runs = [row("w1", "pfl", total, peak_mb=peak) for total, peak in ((3.0, 10.0), (1.0, 30.0), (2.0, 20.0))]
    (found,) = merge([*runs])
    assert (found.total_seconds, found.peak_mb, found.repeats) == (2.0, 30.0, 3)


def test_the_best_setting_counts() -> None:
    rows = [
        row("w1", "headstart", 4.0, setting="serial"),
        row("w1", "headstart", 1.0, setting="fleet"),
        row("w1", "pfl", 5.0, setting="procs 1"),
        row("w1", "pfl", 3.0, setting="procs 2", seconds_per_round=0.3),
        row("w1", "fedjax", 6.0, seconds_per_round=0.2),
        row("w2", "pfl", 1.0),
    ]
    assert best(rows, "w1", ours=True) == rows[1]
    (found,) = ratios(rows)
    assert (found.work, found.peer, found.by_total) == ("w1", "pfl", 3.0)
    # FedJAX compiles for long and then has the fastest round.
    assert found.by_round == pytest.approx(2.0)


def test_two_arms_pay_for_the_extraction_once() -> None:
    first = row("w3a", "headstart", 11.0, extraction_seconds=10.0, extraction_cpu_seconds=10.0)
    second = charged(row("w3b", "headstart", 2.0, extraction_seconds=0.5, extraction_cpu_seconds=0.5), first)
    assert second.total_seconds == 11.5
    both = with_pairs([first, second])[-1]
    assert (both.work, both.total_seconds, both.cpu_seconds) == ("w3", 12.5, 12.5)
    assert with_pairs([row("w3a", "naive", 140.0), row("w3b", "naive", 150.0)])[-1].total_seconds == 290.0


def test_table_marks_what_was_worked_out() -> None:
    lines = results_table([row("w3a", "naive", 280.0, extrapolated=True), row("w3a", "headstart", 12.0)]).splitlines()
    assert lines[2].startswith("| w3a | **headstart** |")
    assert "| 280 * |" in lines[3]
    assert len({line.count("|") for line in lines}) == 1


def test_summary_states_every_bound_and_the_plain_pass() -> None:
    rows = with_pairs([row(name, "headstart", 10.0, extraction_seconds=9.0) for name in WORKS])
    text = Summary(rows, SPEEDS, [Pass("torch", 10.0, 64), Pass("onnxruntime", 8.0, 128)]).text()
    assert [name for name in (*WORKS, *PAIRS) if f"| {name} |" not in text] == []
    # Both arms: 10 + 10 - 9 s, against 8 s.
    assert "1.38 × the fastest pass (onnxruntime)" in text


def test_a_page_keeps_what_lies_around_its_table(tmp_path: Path) -> None:
    page = tmp_path / "page.md"
    page.write_text("before\n\n<!-- begin works -->\nold\n<!-- end works -->\n\nafter\n")
    write_between(page, "works", "new")
    assert page.read_text() == "before\n\n<!-- begin works -->\n\nnew\n\n<!-- end works -->\n\nafter\n"
    page.write_text("no marks")
    with pytest.raises(ValueError, match="needs the lines"):
        write_between(page, "works", "new")


def test_a_long_run_is_worked_out_from_two_short_ones() -> None:
    one = {"t_train": 16.0, "cpu_train": 30.0, "rss_mb": 500, "maxdiff_params": 1.0}
    two = {"t_train": 30.0, "cpu_train": 58.0, "rss_mb": 510, "maxdiff_params": 1.0}
    found = peers.as_row("pfl", "--procs 2", WORKS["w3a"], peers.extrapolate([one, two], WORKS["w3a"]))
    assert (found.total_seconds, found.seconds_per_round, found.cpu_seconds) == (142.0, 14.0, 282.0)
    assert (found.maxdiff, found.extrapolated, found.setting) == (None, True, "procs 2")
    alone = peers.as_row("pfl", "", WORKS["w3b"], peers.extrapolate([one, two], WORKS["w3b"]))
    assert (alone.seconds_per_round, alone.setting) == (142.0, "default")


@pytest.mark.parametrize("name", WORKS)
def test_every_work_has_a_network_and_words(name: str) -> None:
    assert WORKS[name].name == name
    assert TITLES[name]
    assert build_network(WORKS[name]).num_classes == WORKS[name].classes


def test_both_arms_on_a_frozen_network_run_together() -> None:
    assert groups(WORKS) == [("w1",), ("w2",), ("w3a", "w3b"), ("w3ac",), ("w3bc",), ("w4",)]


def test_weights_have_the_peers_names() -> None:
    names = {networks.peer_name(name) for name in networks.weights_of(networks.resnet18(2, running=True))}
    assert {"body.conv1.weight", "body.bn1.running_var", "body.layers.7.bn2.bias", "fc.weight"} <= names
    assert not [name for name in names if name.startswith(("blocks", "head"))]
    cnn = networks.weights_of(networks.small_cnn((1, 28, 28), 10))
    assert {networks.peer_name(name) for name in cnn} == {
        f"{a}.{b}" for a in ("c1", "c2", "fc") for b in ("weight", "bias")
    }


def test_planned_orders_are_padded_where_a_batch_is_not_full() -> None:
    work = replace(SMALL, examples=5, batch_size=3, epochs=2)
    data = Seeded().load(work)
    order = planned_orders(data, 3)(["000007", "000001"], [], None, (0, "round", 2))
    assert order.shape == (2, 4, 3)
    np.testing.assert_array_equal(order[1, 2:].ravel()[:5], data.orders[2, 1, 1])
    assert (order[:, 1::2, 2] == -1).all()


def test_engines_agree_on_a_small_work() -> None:
    data = Seeded().load(SMALL)
    found = [train(prepare(SMALL, data), activations_of(data), engine) for engine in (Serial(), Fleet())]
    assert [len(timing.round_seconds) for timing in found] == [SMALL.rounds] * 2
    assert all(timing.total_seconds >= sum(timing.round_seconds) for timing in found)
    serial, fleet = ({n: np.asarray(v) for n, v in timing.weights.items()} for timing in found)
    torch.testing.assert_close(fleet, serial, atol=1e-5, rtol=0)


def test_populations_grow_by_tens() -> None:
    assert scale.sizes(50_000, 1000) == [10_000, 50_000]
    assert scale.sizes(200_000, 20_000) == [100_000, 200_000]


def test_a_private_heads_client_comes_back_with_its_own_head(tmp_path: Path) -> None:
    scale.population.write(tmp_path, 30)
    found = scale.train("private", tmp_path, 30, scale.Schedule(rounds=2, cohort_size=8))
    assert 8 <= found["known"] <= 16


@pytest.mark.skipif(not Path("/proc/self/status").exists(), reason="memory is read from /proc, which only Linux has")
def test_memory_of_this_process() -> None:
    found = memory(descendants(os.getpid()))
    assert 10 * 2**20 < found.anonymous <= found.resident


needs_peers = pytest.mark.skipif(
    "HEADSTART_PEERS" not in os.environ, reason="needs the peers' folder; set HEADSTART_PEERS to it"
)


@needs_peers
@pytest.mark.parametrize("name", WORKS)
def test_our_works_are_the_peers(name: str) -> None:
    work, spec = WORKS[name], Peers(Path(os.environ["HEADSTART_PEERS"])).common().spec(name)
    ours = (work.clients, work.examples, work.shape, work.classes, work.cohort_size, work.rounds, work.epochs)
    assert ours == tuple(spec[key] for key in ("C", "n", "shape", "classes", "K", "R", "E"))
    assert (work.batch_size, work.client_lr) == (spec["B"], spec["lr"])


@needs_peers
def test_our_numbers_are_the_peers() -> None:
    (found,) = run(["w4"], Fleet(), "fleet", Peers(Path(os.environ["HEADSTART_PEERS"])))
    assert found.maxdiff is not None
    assert found.maxdiff < 1e-5
