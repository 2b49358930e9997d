import json
from dataclasses import replace
from pathlib import Path

import pytest

from headstart.report import load_run
from headstart.report.client_data import client_data
from headstart.report.run import Run
from headstart.report.summary import client_rows

from .large import write_large


def test_few_clients_are_told_of_in_whole(answered: dict[str, Path]) -> None:
    run = load_run(answered["undecided"])
    found = client_data(run, client_rows(run))
    assert found is not None
    assert (found["names"], found["of"], found["seen"]) == ([f"clinic-{at}" for at in range(1, 6)], 5, "11111")
    assert found["arms"][0] == run.verdict["recommended"]
    assert {"fedavg", "local"} <= set(found["arms"])
    row = next(row for row in client_rows(run) if row.name == "clinic-3")
    assert found["scores"][0][2] == pytest.approx(100 * (row.recommended or 0), abs=0.06)
    more = found["more"]["clinic-3"]
    assert sum(more["cells"][0][1::2]) == 3 * 150
    assert {gain[0] for gain in more["gains"]} == set(run.verdict["families"]) - {run.verdict["leader"]}
    assert json.loads(json.dumps(found, allow_nan=False)) == found


def test_calibration_is_told_where_losses_were_kept(slate_folder: Path, answered: dict[str, Path]) -> None:
    run = load_run(slate_folder)
    found = client_data(run, client_rows(run))
    assert found is not None
    assert len(found["calibration"]) == len(found["arms"])
    at = found["arms"].index("fedavg")
    assert 0 < found["calibration"][at][0] < 100
    # A ridge regression on labels says scores that are no probabilities.
    assert "ridge-personal" in found["unsure"]
    assert set(found["calibration"][found["arms"].index("ridge-personal")]) == {None}
    without = client_data(load_run(answered["many"]), ())
    assert without is not None
    assert without["calibration"] == []


@pytest.fixture(scope="module")
def crowd(tmp_path_factory: pytest.TempPathFactory) -> Run:
    return load_run(write_large(tmp_path_factory.mktemp("crowd"), arms=13, clients=700))


def test_of_many_clients_the_listed_have_their_classes(crowd: Run) -> None:
    found = client_data(crowd, client_rows(crowd)[:20])
    assert found is not None
    assert (len(found["names"]), len(found["more"])) == (700, 20)
    name = client_rows(crowd)[0].name
    facts = next(one for one in crowd.federation["clients"] if one["id"] == name)
    assert found["more"][name]["labels"] == facts["labels"]
    assert found["sizes"]["train"][found["names"].index(name)] == facts["train"]


def test_long_names_leave_room_for_fewer_clients(crowd: Run) -> None:
    scores = crowd.scores()
    longer = replace(scores, clients=tuple(f"{name} {'x' * 3000}" for name in scores.clients))

    class Longer(Run):
        def scores(self, metric: str | None = None, split: str = "test") -> object:  # type: ignore[override]
            return longer

    listed = client_rows(crowd)[:20]
    named = [replace(row, name=f"{row.name} {'x' * 3000}") for row in listed]
    found = client_data(Longer(**vars(crowd)), named)
    assert found is not None
    assert {row.name for row in named} <= set(found["names"])
    assert len(found["names"]) < 450 < found["of"]
    assert len(json.dumps(found)) < 1_600_000


def test_without_scores_there_is_nothing(crowd: Run) -> None:
    assert client_data(replace(crowd, clients={}), ()) is None
