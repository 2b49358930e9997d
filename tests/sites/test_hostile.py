"""A site may answer anything: it is left out by its name, in one line, and the others go on."""

import json
from collections.abc import Callable, Iterator, Sequence
from contextlib import suppress
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow.parquet as pq
import pytest
import torch
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from headstart.core.errors import ClientError, DataError
from headstart.core.trees import Tree
from headstart.sites.answers import DUTIES, Kind
from headstart.sites.probe.server import run_probe
from headstart.sites.server import Server
from headstart.sites.settings import Protection
from headstart.sites.site import Site
from headstart.sites.transport import Answer, Failed, Request, consult
from headstart.study.written.load import StudyFile
from sites.answered import JUNK, WHOLE, fields, said, spoilt
from sites.federations import Table
from sites.in_process import NAMES, InProcess, arm_of, losses, opened, run_arm, simulated, sites_of, spoils
from sites.test_messages import REQUESTS

KINDS: tuple[Kind, ...] = tuple(DUTIES)
MOST_LETTERS = 900


@st.composite
def bad_answers(draw: st.DrawFn, kind: Kind) -> str:
    text = said(kind)
    places = fields(text)
    if not places or draw(st.integers(0, 9)) == 0:
        return draw(st.sampled_from(WHOLE))
    return spoilt(text, draw(st.sampled_from(places)), draw(st.sampled_from(("missing", *JUNK))))


def _consulted(kind: Kind, text: str, tree: Tree | None = None) -> Answer[Any] | Failed:
    def ask(requests: Sequence[Request]) -> Iterator[Answer[str] | Failed]:
        yield Answer(requests[0].site, text, tree or {})

    (found,) = consult(ask, [7], REQUESTS[kind])
    return found


@pytest.mark.parametrize("kind", KINDS)
@given(data=st.data())
@settings(max_examples=60, deadline=None, suppress_health_check=list(HealthCheck))
def test_any_answer_is_read_or_its_sites_failure_in_one_line(kind: Kind, data: st.DataObject) -> None:
    found = _consulted(kind, data.draw(bad_answers(kind)))
    if isinstance(found, Failed):
        assert found.site == 7
        assert found.reason.isprintable()
        assert 0 < len(found.reason) < MOST_LETTERS


@pytest.mark.parametrize("kind", KINDS)
def test_honest_answers_are_read(kind: Kind) -> None:
    assert isinstance(_consulted(kind, said(kind)), Answer)


MANY = [f"n{number}" for number in range(100_000)]


@pytest.mark.parametrize(
    ("kind", "field", "value"),
    [
        ("hello", "classes", MANY),
        ("hello", "columns", MANY),
        ("hello", "categories", {name: [] for name in MANY}),
        ("agree", "sums", {"rows": 4, "counts": [1] * 100_000, "totals": [], "squares": []}),
        ("adapt", "metrics", {name: {} for name in MANY}),
        ("count", "count", [9] * 100_000),
        ("heads", "scores", dict.fromkeys(MANY, 0.5)),
    ],
)
def test_a_hundred_thousand_names_are_not_taken(kind: Kind, field: str, value: Any) -> None:
    table = json.loads(said(kind)) | {field: value}
    found = _consulted(kind, json.dumps(table))
    if field == "sums":  # their number is looked at beside the columns that were agreed: see test_claims
        return
    assert isinstance(found, Failed)
    assert len(found.reason) < MOST_LETTERS


def test_a_text_beyond_all_measure_is_not_parsed() -> None:
    found = _consulted("update", " " * (2**25 + 1))
    assert isinstance(found, Failed)
    assert "at most 33,554,432 characters" in found.reason


@pytest.mark.parametrize("name", ["\x1b[31mred", "two\nlines", "\u202eback", "", "x" * 301])
def test_a_name_with_control_characters_is_not_read(name: str) -> None:
    for field, value in (("client", name), ("classes", [name, "b"])):
        found = _consulted("hello", json.dumps(json.loads(said("hello")) | {field: value}))
        if name or field == "client":
            assert isinstance(found, Failed)
            assert field in found.reason
            assert found.reason.isprintable()


def test_a_refusal_cannot_command_the_terminal() -> None:
    found = _consulted("hello", json.dumps({"error": "no\x1b[2Jsuch\nfile" + "x" * 10_000}))
    assert isinstance(found, Failed)
    assert found.reason.startswith("no [2Jsuch file")
    assert len(found.reason) == 500


def test_tensors_that_nobody_asked_for_are_dropped() -> None:
    found = _consulted("heads", said("heads"), {"w": torch.zeros(9)})
    assert isinstance(found, Answer)
    assert found.tree == {}


BAD_TREES = (
    {},
    {"x" * 1000 + "\n": torch.zeros(1)},
    {"head.weight": torch.zeros(0)},
    {str(number): torch.zeros(0) for number in range(1000)},
)


def _spoiling(data: st.DataObject, kind: Kind) -> Any:
    """Return what one site does to its answers to one kind of request."""

    def change(text: str, tree: Tree) -> tuple[str, Tree]:
        if tree and data.draw(st.booleans(), "of the tensors"):
            how = data.draw(st.sampled_from(("nan", "huge", "half", "other", "cut")))
            if how == "other":
                return text, dict(data.draw(st.sampled_from(BAD_TREES)))
            if how == "half":
                return text, {name: value.half() for name, value in tree.items()}
            if how == "cut":
                return text, dict(list(tree.items())[1:])
            return text, {name: value * (np.nan if how == "nan" else 1e12) for name, value in tree.items()}
        places = fields(text)
        junk = data.draw(st.sampled_from([one for one in ("missing", *JUNK) if "ud800" not in one]))
        whole = st.sampled_from([one for one in WHOLE if one.isascii()])
        bad = spoilt(text, data.draw(st.sampled_from(places)), junk) if places else data.draw(whole)
        return bad, tree

    return spoils(kind, change)


def _opened_or_refused(file: StudyFile, ask: InProcess, out: Path, kind: Kind) -> Server | None:
    """Open it; what nobody can agree on stops all before anything is trained, and names who says so."""
    with suppress(DataError):
        return opened(file, ask, out)
    with pytest.raises(DataError, match="east"):
        opened(file, ask, out)
    assert kind == "hello"
    return None


@pytest.mark.parametrize("kind", ["hello", "start", "update", "adapt"])
@given(data=st.data())
@settings(max_examples=6, deadline=None, suppress_health_check=list(HealthCheck))
def test_one_bad_site_of_four_never_ends_a_run(
    kind: Kind, data: st.DataObject, folder: Path, file: StudyFile, tmp_path_factory: pytest.TempPathFactory
) -> None:
    state = tmp_path_factory.mktemp("hostile")
    ask = InProcess(sites_of(folder, state / "sites"), _spoiling(data, kind))
    server = _opened_or_refused(file, ask, state / "out", kind)
    if server is None:
        return
    found = run_arm(server, arm_of(file, "ridge"))
    assert set(found["clients"]) >= set(NAMES) - {"east"}
    assert all(np.isfinite(loss) for client, loss in losses(found).items() if client != "east")
    assert {one["client"] for one in found["excluded"]} <= {"east", "site 1", "north"}


@pytest.mark.parametrize("kind", ["sums", "heads"])
@given(data=st.data())
@settings(max_examples=6, deadline=None, suppress_health_check=list(HealthCheck))
def test_one_bad_site_of_four_never_ends_a_probe(
    kind: Kind, data: st.DataObject, folder: Path, file: StudyFile, tmp_path_factory: pytest.TempPathFactory
) -> None:
    state = tmp_path_factory.mktemp("hostile")
    found = run_probe(opened(file, InProcess(sites_of(folder, state / "a"), _spoiling(data, kind)), state / "out"))
    assert set(found["scores"]) >= set(NAMES) - {"east"}
    assert set(found["left_out"]) <= {"east"}


@pytest.mark.parametrize("kind", ["hello", "agree", "adapt"])
def test_one_reply_without_a_field_costs_its_site_alone(
    kind: Kind, folder: Path, file: StudyFile, tmp_path: Path
) -> None:
    def change(text: str, tree: Tree) -> tuple[str, Tree]:
        table = json.loads(text)
        del table["excluded" if kind == "adapt" else "sizes"]
        return json.dumps(table), tree

    ask = InProcess(sites_of(folder, tmp_path / "sites"), spoils(kind, change))
    found = run_arm(opened(file, ask, tmp_path / "out"), arm_of(file, "finetune"))
    # Pictures are read as agreed anyway, so that nobody is asked to follow.
    gone = set() if kind == "agree" else {"east" if kind == "adapt" else "site 1"}
    assert {one["client"] for one in found["excluded"]} == gone
    assert set(found["clients"]) == set(NAMES) - ({"east"} if gone else set())


def test_a_run_with_a_bad_site_is_that_without_it(folder: Path, file: StudyFile, tmp_path: Path) -> None:
    bad = spoils("update", lambda said, tree: (said, {name: value * torch.nan for name, value in tree.items()}))
    found = run_arm(
        opened(file, InProcess(sites_of(folder, tmp_path / "a"), bad), tmp_path / "one"), arm_of(file, "fedavg")
    )
    sites = [
        *sites_of(folder, tmp_path / "b", [NAMES[0]]),
        *sites_of(folder, tmp_path / "b", [NAMES[1]], policy="metrics"),
        *sites_of(folder, tmp_path / "b", NAMES[2:]),
    ]
    without = run_arm(opened(file, InProcess(sites), tmp_path / "two"), arm_of(file, "fedavg"))
    assert {one["client"] for one in found["excluded"]} == {"east"}
    assert losses(found) == pytest.approx(losses(without), abs=1e-5)
    assert set(simulated(file, "fedavg", tmp_path / "simulation")) == set(losses(found))


def _claiming(count: int, factor: float) -> Any:
    """Return a site that claims so many training examples and multiplies its updates."""

    def spoil(request: Request, text: str, tree: Tree) -> tuple[str, Tree]:
        if request.site != 1:
            return text, tree
        table = json.loads(text)
        if table.get("sizes"):
            table["sizes"]["train"] = count
        sent = {name: factor * value for name, value in tree.items()} if request.kind == "update" else tree
        return json.dumps(table), sent

    return spoil


def test_a_site_that_claims_a_million_examples_weighs_as_another(folder: Path, file: StudyFile, tmp_path: Path) -> None:
    heard: list[str] = []
    ask = InProcess(sites_of(folder, tmp_path / "sites"), _claiming(1_000_000, -1.0))
    server = opened(file, ask, tmp_path / "out", tell=heard.append)
    weights = {client.id: len(client.train) for client in server.lab.federation.clients}
    assert weights["east"] == int(np.median([count for name, count in weights.items() if name != "east"]))
    assert any("'east' says it has 1,000,000 training examples" in line for line in heard)
    found = run_arm(server, arm_of(file, "fedavg"))
    assert all(np.isfinite(loss) for loss in losses(found).values())


def test_a_claim_of_a_billion_examples_takes_no_memory(folder: Path, file: StudyFile, tmp_path: Path) -> None:
    """Rows of so many examples would be 8 GB of numbers, and a table of them 32."""
    import tracemalloc

    tracemalloc.start()
    ask = InProcess(sites_of(folder, tmp_path / "sites"), _claiming(10**9, 1.0))
    run_arm(opened(file, ask, tmp_path / "out"), arm_of(file, "fedavg"))
    _, peak = tracemalloc.get_traced_memory()
    tracemalloc.stop()
    assert peak < 200e6


def test_more_examples_than_that_are_not_read(folder: Path, file: StudyFile, tmp_path: Path) -> None:
    ask = InProcess(sites_of(folder, tmp_path / "sites"), _claiming(10**12, 1.0))
    server = opened(file, ask, tmp_path / "out")
    assert [one.client for one in server.lost] == ["site 1"]
    assert "sizes.train" in server.lost[0].reason


def test_moments_turned_and_twenty_times_as_large_are_left_out(folder: Path, file: StudyFile, tmp_path: Path) -> None:
    def flip(said: str, tree: Tree) -> tuple[str, Tree]:
        return said, {name: -20 * value if name == "moment" else value for name, value in tree.items()}

    ask = InProcess(sites_of(folder, tmp_path / "sites"), spoils("update", flip))
    found = run_arm(opened(file, ask, tmp_path / "out"), arm_of(file, "ridge"))
    ((client, reason),) = [(one["client"], one["reason"]) for one in found["excluded"]]
    assert client == "east"
    assert "no examples have its sums" in reason
    sites = sites_of(folder, tmp_path / "b", ["north"]) + sites_of(folder, tmp_path / "b", NAMES[2:])
    without = run_arm(opened(file, InProcess(sites), tmp_path / "two"), arm_of(file, "ridge"))
    others = {name: loss for name, loss in losses(found).items() if name != "east"}
    assert others == pytest.approx(losses(without), abs=1e-4)


def _tables() -> Table:
    draw = np.random.default_rng(0)
    rows = {
        name: [
            {
                "age": round(draw.normal(40 + 20 * (row % 2), 9), 2),
                "dose": round(draw.random(), 3),
                "label": "ab"[row % 2],
            }
            for row in range(30)
        ]
        for name in NAMES
    }
    return Table(rows, 'standardize = "pooled"')


def _lost_by(change: Callable[[dict[str, Any]], None], folder: Path) -> list[tuple[str, str]]:
    """Return who is lost, and why, if the second site changes what it says when it agrees."""

    def spoil(request: Request, text: str, tree: Tree) -> tuple[str, Tree]:
        table = json.loads(text)
        if request.kind == "agree" and request.site == 1:
            change(table)
        return json.dumps(table), tree

    file, paths = _tables().write(folder)
    sites = [Site(name, path, folder / "state" / name) for name, path in paths.items()]
    found = run_arm(opened(file, InProcess(sites, spoil), folder / "out"), arm_of(file, "ridge"))
    assert set(found["clients"]) >= set(NAMES) - {"east"}
    return [(one["client"], one["reason"]) for one in found["excluded"]]


SPOILT_SUMS: dict[str, Callable[[dict[str, Any]], None]] = {
    "honest": lambda said: None,
    "of fewer columns": lambda said: said["sums"]["totals"].pop(),
    "of more rows": lambda said: said["sums"].update(rows=10**6),
    "negative squares": lambda said: said["sums"].update(squares=[-1.0, -1.0]),
    "another scale": lambda said: said["sums"].update(totals=[1e30, 0.0]),
    "no field": lambda said: said["sums"].pop("rows"),
    "more examples": lambda said: said["sizes"].update(train=10**6),
    "no examples": lambda said: said.update(sizes={}),
}


@pytest.mark.parametrize("how", SPOILT_SUMS)
def test_counts_that_change_and_columns_that_no_rows_have_cost_their_site_alone(how: str, tmp_path: Path) -> None:
    lost = _lost_by(SPOILT_SUMS[how], tmp_path)
    assert [client for client, _ in lost] == ([] if how == "honest" else ["east"])
    assert all("its answer: " in reason for _, reason in lost)


UNEVEN = {"north": (0, 1, 2, 3, 4, 5, 6), "east": (7,), "south": (8, 9), "west": (6, 7, 8)}
"""Classes of each site: the first holds more than half of all examples, the second one class alone."""


def _uneven_sites(folder: Path, to: Path) -> list[Site]:
    """Deal the same pictures anew, by class."""
    table = pq.read_table(folder / "all.parquet")
    for name, classes in UNEVEN.items():
        # A class that two sites hold is dealt row by row.
        rows = [row for row, label in enumerate(table["label"].to_pylist()) if label in classes]
        pq.write_table(table.take(rows[: None if name == "north" else 30]), to / f"{name}.parquet")
    return sites_of(to, to / "state")


@pytest.mark.parametrize("name", ["fedavg", "ridge", "both"])
def test_honest_sites_that_differ_in_size_and_classes_all_take_part(
    name: str, folder: Path, file: StudyFile, tmp_path: Path
) -> None:
    heard: list[str] = []
    server = opened(file, InProcess(_uneven_sites(folder, tmp_path)), tmp_path / "out", tell=heard.append)
    found = run_arm(server, arm_of(file, name))
    assert found["excluded"] == []
    assert not any("more than 10 times" in line for line in heard)
    halved = [one["words"] for one in found["learnt"] if one["kind"] == "half"]
    assert len(halved) == (name != "ridge")
    assert all(words.startswith("'north' holds more than half of a round's examples") for words in halved)


def test_an_honest_probe_of_uneven_sites_loses_nobody(folder: Path, file: StudyFile, tmp_path: Path) -> None:
    for asks in (Protection(), Protection(noise=1.0, bound=4.0), Protection(secure=True)):
        server = opened(file, InProcess(_uneven_sites(folder, tmp_path)), tmp_path / "out", asks=asks)
        assert run_probe(server)["left_out"] == {}


def test_a_masked_total_that_no_examples_have_is_refused(folder: Path, file: StudyFile, tmp_path: Path) -> None:
    def shift(said: str, tree: Tree) -> tuple[str, Tree]:
        return said, {n: value + 2**40 if n == "train/counts" else value for n, value in tree.items()}

    ask = InProcess(sites_of(folder, tmp_path / "sites"), spoils("sums", shift))
    with pytest.raises(
        ClientError, match=r"no examples have its sums of train: .*taken together; some site's are false"
    ):
        run_probe(opened(file, ask, tmp_path / "out", asks=Protection(secure=True)))


@pytest.mark.parametrize("noise", [-1.0, 0.5, 11.0])
def test_noise_that_was_not_asked_for_hides_nothing(
    noise: float, folder: Path, file: StudyFile, tmp_path: Path
) -> None:
    ask = InProcess(
        sites_of(folder, tmp_path / "sites"), spoils("sums", lambda said, tree: (json.dumps({"noise": noise}), tree))
    )
    found = run_probe(opened(file, ask, tmp_path / "out", asks=Protection(noise=1.0)))
    assert list(found["left_out"]) == ["east"]
    assert "noise" in found["left_out"]["east"]
