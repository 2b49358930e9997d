"""Over sites the question has the answer that a simulation on all rows gives, though no row leaves."""

import json
import shutil
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from headstart.core.trees import Tree
from headstart.evidence.answer_json import answer_json
from headstart.report import check_answer
from headstart.sites.arms import run_arm
from headstart.sites.gathered import gather
from headstart.sites.server import open_server
from headstart.sites.site import Site
from headstart.sites.told import told
from headstart.sites.verdict import answer_lines, tell_answer
from headstart.study.study import Study
from headstart.study.written.load import StudyFile, load_study
from sites.federations import write_csv
from sites.in_process import InProcess, Spoil, accept, arm_of, lost, spoils

NAMES = ("clinic", "hospital", "practice")
STUDY = """
name  = "counted"
seeds = [0, 1, 2]
[data]
source = "all.csv"
client = "site"
{data}
[model]
backbone = "linear"
[tuning]
trials = 1
[engine]
name = "serial"
[decision]
baseline = "ridge"
metric   = "{metric}"
[arms.alone]
start = "random"
adapt = {{ method = "linear_probe", epochs = 2, client_lr = 0.05 }}
[arms.alone-ridge]
start = "random"
adapt = "local_ridge"
[arms.ridge]
start    = "random"
federate = "ridge"
[arms.both]
start    = "random"
federate = {{ method = "fedavg", rounds = 2, client_lr = 0.05 }}
adapt    = {{ method = "linear_probe", epochs = 2, client_lr = 0.05 }}
"""
ARMS = ("alone", "alone-ridge", "ridge", "both")


def written(folder: Path, metric: str, data: str = "") -> StudyFile:
    """Write sites whose classes overlap, each with a shift of its own, and a study of all."""
    draw, everyone = np.random.default_rng(7), []
    for number, name in enumerate(NAMES):
        labels = draw.integers(0, 2, 150)
        inputs = draw.normal(labels[:, None] * 1.2 + 0.4 * number, 1.0, (150, 3))
        rows = [
            {"age": a, "dose": b, "visits": c, "label": ("flu", "well")[label]}
            for (a, b, c), label in zip(inputs.round(4).tolist(), labels.tolist(), strict=True)
        ]
        write_csv(folder / f"{name}.csv", rows)
        everyone += [{**row, "site": name} for row in rows]
    write_csv(folder / "all.csv", everyone)
    (folder / "study.toml").write_text(STUDY.format(metric=metric, data=data))
    return load_study(folder / "study.toml")


def federation(folder: Path, policies: dict[str, str] | None = None) -> InProcess:
    policy = policies or {}
    return InProcess([Site(n, folder / f"{n}.csv", folder / "state" / n, policy.get(n, "updates")) for n in NAMES])


def ran(
    file: StudyFile, ask: InProcess, out: Path, seeds: Sequence[int] = (0, 1, 2), arms: Sequence[str] = ARMS
) -> tuple[dict[str, Any] | None, list[str]]:
    """Run arms with some seeds into one folder; return the answer and what was said of it."""
    said: list[str] = []
    accept(file, ask.sites)
    for seed in seeds:
        for name in arms:
            run_arm(open_server(file, ask, ask.addresses, out=out, seed=seed), arm_of(file, name))
    found = tell_answer(open_server(file, ask, ask.addresses, out=out, seed=seeds[-1], tell=said.append))
    return found, said


def numbers(found: Any, way: str = "") -> dict[str, Any]:
    """Return all leaves of a JSON value by their path."""
    if isinstance(found, dict | list):
        items = found.items() if isinstance(found, dict) else enumerate(found)
        return {path: leaf for key, item in items for path, leaf in numbers(item, f"{way}/{key}").items()}
    return {way: found}


@pytest.mark.parametrize("metric", ["accuracy", "balanced_accuracy"])
def test_the_answer_and_every_contrast_are_the_simulations(metric: str, tmp_path: Path) -> None:
    file = written(tmp_path, metric)
    found, said = ran(file, federation(tmp_path), tmp_path / "out")
    assert found is not None
    answer = Study.open(file).run(tmp_path / "simulation").verdict.answer
    expected = numbers(json.loads(json.dumps(answer_json(answer, metric), default=str)))
    mine = numbers(found)
    assert {path: mine[path] for path in expected} == {
        path: pytest.approx(value, rel=1e-9, abs=1e-9) if isinstance(value, float) else value
        for path, value in expected.items()
    }
    assert found["recommended"] == answer.arm
    assert said == [f"answer: {found['sentence']}", f"  arm to use: {answer.arm}"]
    assert check_answer(tmp_path / "out", "both").arm == "both"


@pytest.fixture(scope="module")
def finished(tmp_path_factory: pytest.TempPathFactory) -> tuple[StudyFile, Path]:
    """A federation over which two arms ran with three seeds."""
    folder = tmp_path_factory.mktemp("finished")
    file = written(folder, "balanced_accuracy")
    ran(file, federation(folder), folder / "out", arms=("alone-ridge", "ridge"))
    return file, folder


def asked_again(finished: tuple[StudyFile, Path], spoil: Spoil) -> dict[str, Any]:
    """Ask for the answer of what ran, with a site that spoils what it says."""
    (file, folder), ask = finished, federation(finished[1])
    ask.spoil = spoil
    found = tell_answer(open_server(file, ask, ask.addresses, out=folder / "out", seed=0))
    assert found is not None
    return found


def tampered(field: str, value: Any) -> Spoil:
    return spoils("count", lambda said, tree: (json.dumps({**json.loads(said), field: value}), tree))


@pytest.mark.parametrize(
    ("spoil", "reason"),
    [
        (tampered("sums", [[[1e9]]]), "its answer: field 'sums.0.0.0' must be a valid integer"),
        (tampered("sums", [[[-1]]]), "its answer: field 'sums.0.0.0' must be greater than or equal to 0"),
        (tampered("sums", [[[10**9] * 3] * 2] * 2), "its count's 'sums' must be at most 'count'"),
        (tampered("count", [5000, 5000]), "its count's 'count' must be at most its 30 test examples together"),
        (tampered("rows", [1, 0]), "its answer: field 'rows' is unknown"),
        (spoils("count", lost), "it did not answer within 600 s"),
    ],
)
def test_a_site_whose_counts_cannot_be_is_left_out_by_name(
    finished: tuple[StudyFile, Path], spoil: Spoil, reason: str
) -> None:
    found = asked_again(finished, spoil)
    assert list(found["left_out"]) == ["hospital"]
    assert found["left_out"]["hospital"].startswith(reason)
    assert {one["clients"] for one in found["contrasts"]} == {2}


def test_what_a_site_counts_holds_no_row(finished: tuple[StudyFile, Path]) -> None:
    said: list[dict[str, Any]] = []

    def listen(request: Any, text: str, tree: Tree) -> tuple[str, Tree]:
        if request.kind == "count":
            said.append({**json.loads(text), "tensors": len(tree)})
        return text, tree

    asked_again(finished, listen)
    assert [sum(one["count"]) for one in said] == [30, 30, 30]
    assert all(np.array(one["products"]).shape == (2, 2, 2) and not one["tensors"] for one in said)


def test_a_site_that_lets_nothing_leave_is_left_out_and_named(tmp_path: Path) -> None:
    file, ask = written(tmp_path, "accuracy"), federation(tmp_path, {"clinic": "none", "hospital": "metrics"})
    found, said = ran(file, ask, tmp_path / "out", arms=("alone-ridge", "ridge"))
    assert found is not None
    reason = "it lets no more than 'none' leave, and 'metrics' is needed"
    assert found["left_out"] == {"clinic": reason}
    assert f"  not in the answer: clinic: {reason}" in said
    assert ("clinic", "count", None) not in ask.asked
    assert (found["num_clients"], found["absent"]) == (2, {"both": "both did not run in full"})


@pytest.mark.parametrize(("seeds", "were"), [((0,), "1 was"), ((0, 1), "2 were")])
def test_fewer_than_three_seeds_claim_nothing(seeds: Sequence[int], were: str, tmp_path: Path) -> None:
    file = written(tmp_path, "accuracy")
    found, said = ran(file, federation(tmp_path), tmp_path / "out", seeds, ("alone-ridge", "ridge"))
    assert found is not None
    assert (found["answer"], found["grounds"]) == (None, "no claim")
    assert said[0].startswith(f"answer: No claim: it needs 3 seeds, and {were} run; ")
    assert not check_answer(tmp_path / "out", "federate").passed


def test_one_family_asks_nothing(tmp_path: Path) -> None:
    file, ask = written(tmp_path, "accuracy"), federation(tmp_path)
    assert ran(file, ask, tmp_path / "out", (0,), ("alone", "alone-ridge")) == (None, [])
    assert "count" not in {kind for _, kind, _ in ask.asked}


def test_runs_of_other_settings_are_not_compared(finished: tuple[StudyFile, Path]) -> None:
    file, folder = finished
    ask, text = federation(folder), (folder / "study.toml").read_text()
    (folder / "other.toml").write_text(text.replace('client = "site"', 'client = "site"\nstandardize = "none"'))
    other = load_study(folder / "other.toml")
    accept(other, ask.sites)
    assert tell_answer(open_server(other, ask, ask.addresses, out=folder / "out", seed=0)) is None
    accept(file, ask.sites)
    assert tell_answer(open_server(file, ask, ask.addresses, out=folder / "out", seed=0)) is not None


def test_a_site_with_other_data_than_before_is_left_out(tmp_path: Path) -> None:
    # Nothing is agreed on of the rows, so that the server cannot see it.
    file = written(tmp_path, "accuracy", 'standardize = "none"')
    ask = federation(tmp_path)
    arms, out = ("alone-ridge",), tmp_path / "out"
    ran(file, ask, out, (0,), arms)
    rows = (tmp_path / "clinic.csv").read_text().splitlines()
    (tmp_path / "clinic.csv").write_text("\n".join([*rows[:-1], rows[1]]))
    ran(file, ask, out, (1,), arms)
    runs = told(open_server(file, ask, ask.addresses, out=out, seed=0))
    found = gather(open_server(file, ask, ask.addresses, out=out, seed=0), runs, "accuracy")
    assert found.clients == ("hospital", "practice")
    assert found.left_out["clinic"] == "the data of 'clinic' are others now than at an earlier run; run its arms again"


def test_an_arm_that_lacks_seeds_is_named(finished: tuple[StudyFile, Path], tmp_path: Path) -> None:
    file, folder = finished
    out = tmp_path / "out"
    out.mkdir()
    lines = (folder / "out" / "federation.jsonl").read_text().splitlines()
    (out / "federation.jsonl").write_text("\n".join([*lines[:3], *lines[4:]]) + "\n")
    said: list[str] = []
    ask = federation(folder)
    found = tell_answer(open_server(file, ask, ask.addresses, out=out, seed=0, tell=said.append))
    assert found is not None
    assert (found["num_seeds"], found["lacking_seeds"]) == (2, {"ridge": [1]})
    assert "  compared on the seeds of all arms alone: ridge lacks 1" in said


def test_classes_of_few_examples_are_said_to_be_missing(finished: tuple[StudyFile, Path]) -> None:
    def keep_one(said: str, tree: Tree) -> tuple[str, Tree]:
        parts = {name: part[:1] if isinstance(part, list) else 1 for name, part in json.loads(said).items()}
        return json.dumps(parts), tree

    found = asked_again(finished, spoils("count", keep_one))
    assert (found["left_out"], found["kept_back"]) == ({}, {"hospital": 1})
    line = "  not counted: hospital: 1 of its classes, with fewer than 5 test examples each"
    assert line in list(answer_lines(found))


def test_without_validation_data_the_cheapest_arm_stands(tmp_path: Path) -> None:
    file = written(tmp_path, "accuracy", "split = { train = 0.8, val = 0.0 }")
    found, said = ran(file, federation(tmp_path), tmp_path / "out", (0,), ("alone", "alone-ridge", "ridge"))
    assert found is not None
    assert {one["picked_by"] for one in found["families"].values()} == {"cost"}
    assert any(line.startswith("  no client has validation scores: the cheapest arm stands") for line in said)


def test_a_metric_that_cannot_be_counted_compares_clients(tmp_path: Path) -> None:
    file, ask = written(tmp_path, "macro_f1"), federation(tmp_path)
    found, _ = ran(file, ask, tmp_path / "out", arms=("alone-ridge", "ridge"))
    assert found is not None
    assert (found["scope"], found["num_clients"], found["num_seeds"]) == ("like these", 3, 3)
    assert "count" not in {kind for _, kind, _ in ask.asked}


def test_a_simulations_verdict_is_not_overwritten(finished: tuple[StudyFile, Path], tmp_path: Path) -> None:
    (file, folder), said, ask = finished, list[str](), federation(finished[1])
    shutil.copy(folder / "out" / "federation.jsonl", tmp_path)
    (tmp_path / "records.jsonl").touch()
    found = tell_answer(open_server(file, ask, ask.addresses, out=tmp_path, seed=0, tell=said.append))
    assert found is not None
    assert said[-1].startswith("no verdict.json is written: ")
    assert not (tmp_path / "verdict.json").exists()


def test_a_run_that_is_made_again_takes_the_place_of_the_first(tmp_path: Path) -> None:
    file, ask, out = written(tmp_path, "accuracy"), federation(tmp_path), tmp_path / "out"
    arms = ("alone-ridge", "ridge")
    first, _ = ran(file, ask, out, (0,), arms)
    kept = {path: path.read_bytes() for path in (tmp_path / "state").rglob("predicted-*.safetensors")}
    again, _ = ran(file, ask, out, (0,), arms)
    assert again == first
    assert len(kept) == 2 * len(NAMES)
    assert {path: path.read_bytes() for path in (tmp_path / "state").rglob("predicted-*.safetensors")} == kept
