"""Which records a study still counts, and the words for why it does not count others."""

from __future__ import annotations

from pathlib import Path

import pytest

from headstart.core.version import __version__
from headstart.study.run.changes import differences, not_used
from tiny_study import ARMS, FEDAVG, keys, open_tiny, read_records, run_tiny, write_table

TUNED = "[tuning]\ntrials = 2"


@pytest.fixture(scope="module")
def done(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder of a study with both arms and seeds, tuned."""
    folder = tmp_path_factory.mktemp("done")
    run_tiny(folder, more=TUNED)
    return folder


def outdated(folder: Path, **changes: object) -> tuple[str, ...]:
    study = open_tiny(folder, **{"more": TUNED, **changes})
    return study.outdated(study.plan(folder / "out"), folder / "out")


def test_nothing_changed(done: Path) -> None:
    assert outdated(done) == ()
    assert outdated(done, seeds=(0, 1, 2), arms={**ARMS, "more": FEDAVG}) == ()


@pytest.mark.parametrize(
    ("change", "count", "why"),
    [
        ({"data": "standardize = 'none'"}, 4, "the data changed (data.standardize was 'auto', is 'none'; as many rows"),
        ({"data": "held_out_clients = 0.25"}, 4, "the data changed (data.held_out_clients was 0.0, is 0.25"),
        ({"more": "[tuning]\ntrials = 3"}, 4, "settings changed (tuning.trials was 2, is 3)"),
        ({"more": "[tuning]\ntrials = 2\nseed = 5"}, 4, "settings changed (tuning.seed was 0, is 5)"),
        ({"more": f"{TUNED}\n[engine]\nmax_bad_clients = 0.1"}, 4, "settings changed (engine.max_bad_clients was"),
        ({"arms": {"fedavg": FEDAVG}}, 2, "the study has other arms, seeds or tuning"),
        ({"decision": "min_effect = 0.2"}, 0, "[decision] changed (decision.min_effect was 0.02, is 0.2)"),
        ({"seeds": (1,)}, 2, "settings changed (seeds was [0, 1], is [1])"),
        ({"arms": {**ARMS, "fedavg": FEDAVG.replace("3", "4")}}, 2, "settings changed (arms.fedavg.federate.rounds"),
    ],
)
def test_what_changed_is_named_and_the_records_counted(done: Path, change: dict, count: int, why: str) -> None:
    (told,) = outdated(done, **change)
    assert told.startswith(why)
    assert told.endswith(f"{count} records of before are not used" if count else "will be refused; give another")
    assert len(keys(done / "out")) == 4


def test_other_rows_in_the_same_file_are_other_data(tmp_path: Path) -> None:
    run_tiny(tmp_path)
    write_table(tmp_path / "clients.csv", seed=1)
    assert outdated(tmp_path, more="")[0].startswith("the data changed (as many rows, with other values")


def test_a_run_says_it_before_it_begins(tmp_path: Path) -> None:
    run_tiny(tmp_path)
    with (tmp_path / "clients.csv").open("a") as file:
        file.write("more,site-9,cat,1,2,3,4,5\n")
    warned: list[str] = []

    class Told:
        """Keeps warnings."""

        def warn(self, text: str) -> None:
            warned.append(text)

        def plan(self, runs: int) -> None:
            assert warned

        def tell(self, text: str) -> None: ...

        def finish(self, text: str) -> None: ...

        def stand(self, text: str) -> None: ...

        def count(self, what: str, done: int, total: int) -> None: ...

    open_tiny(tmp_path).run(tmp_path / "out", progress=Told())
    assert warned == [
        "the data changed (rows used were 120, are 121; clients were 4, are 5): 4 records of before are not used"
    ]
    assert len(read_records(tmp_path / "out")) == 4


def test_another_version_is_named() -> None:
    facts = {"key": "k", "clients": [], "classes": [], "central": 0}
    told = not_used([{"versions": {"headstart": "0.0.1"}}], (facts, facts), ({}, {}))
    assert told == (f"the program changed (headstart was 0.0.1, is {__version__}): 1 record of before is not used")


def test_a_setting_that_only_one_has_is_no_change() -> None:
    assert differences({"a": 1, "old": 1, "t": [1]}, {"a": 1, "new": 2, "t": (1,)}) == []
    assert differences({"a": {"b": 1}}, {"a": {"b": 2}}) == ["a.b was 1, is 2"]
