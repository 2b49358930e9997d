"""A federation's sites by name and its runs, in 80 columns."""

import pytest

pytest.importorskip("flwr")

from flwr.proto.node_pb2 import NodeInfo
from flwr.proto.run_pb2 import Run, RunStatus
from flwr.proto.transport_pb2 import Scalar

from headstart.sites.flower.standing import Standing

CAME, LEFT = "2026-11-27T02:40:59+00:00", 1795747380.0  # 02:43
SITES = {
    "south": NodeInfo(status="offline", last_activated_at=CAME, online_until=LEFT),
    "north": NodeInfo(status="online", last_activated_at=CAME, online_until=LEFT),
    "west": None,
    "St. Mary's Hospital, Ward 3/B of the old building": NodeInfo(status="registered"),
}


def test_sites_stand_by_name() -> None:
    assert list(Standing(SITES, []).lines()) == [
        "site                              state          since (UTC)",
        "St. Mary's Hospital, Ward 3/B o…  new            -",
        "north                             connected      2026-11-27 02:40",
        "south                             gone           2026-11-27 02:43",
        "west                              not let in     start the link again",
    ]


def test_a_federation_is_whole_when_all_are_connected() -> None:
    assert Standing({"north": SITES["north"]}, []).is_whole
    assert not any(Standing({"north": SITES["north"], name: SITES[name]}, []).is_whole for name in ("south", "west"))


def test_runs_stand_with_study_and_arm_the_latest_last() -> None:
    runs = [
        _run("2026-11-27T03:00:00+00:00", "running", "", "reviews", "probe"),
        _run("2026-11-27T02:50:00+00:00", "finished", "failed", "a" * 40, "b" * 40),
        _run("2026-11-27T02:40:00+00:00", "finished", "completed", "", ""),
    ]
    assert list(Standing({}, runs).lines())[1:] == [
        "",
        "run (UTC)         study                     arm                       state",
        "2026-11-27 02:40  -                         -                         completed",
        f"2026-11-27 02:50  {'a' * 23}…  {'b' * 23}…  failed",
        "2026-11-27 03:00  reviews                   probe                     running",
    ]


def test_the_same_is_told_to_programs() -> None:
    runs = [
        _run("2026-11-27T03:00:00+00:00", "running", "", "reviews", "probe"),
        _run("2026-11-27T02:40:00+00:00", "finished", "completed", "", ""),
    ]
    found = Standing(SITES, runs)
    assert [*found.states().values()] == ["new", "connected", "gone", "not let in"]
    assert list(found.told_runs()) == [
        {"study": "", "arm": "", "began": "2026-11-27 02:40", "state": "completed"},
        {"study": "reviews", "arm": "probe", "began": "2026-11-27 03:00", "state": "running"},
    ]


def test_lines_fit_into_80_columns() -> None:
    longest = _run("2026-11-27T02:50:00+00:00", "finished", "completed", "a" * 99, "b" * 99)
    names = {"n" * 99: SITES["north"]}
    assert max(map(len, Standing({**SITES, **names}, [longest]).lines())) <= 80


def _run(at: str, status: str, end: str, study: str, arm: str) -> Run:
    said = {name: Scalar(string=text) for name, text in (("study", study), ("arm", arm)) if text}
    return Run(pending_at=at, status=RunStatus(status=status, sub_status=end), override_config=said)
