"""A whole study over sites: the simulation's numbers, answer and page, though no row leaves."""

import json
from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from headstart.core.errors import HeadstartError
from headstart.core.progress import Silent
from headstart.core.trees import Tree
from headstart.report import check_answer, load_run, write_report
from headstart.sites.settings import Minima
from headstart.sites.site import Site
from headstart.study.study import Outcome, Study
from headstart.study.written.load import StudyFile, load_study
from sites.federations import write_csv
from sites.in_process import InProcess, Spoil, at_sites, lost, opened, spoils

NAMES = ("clinic", "hospital", "practice")
STUDY = """
name  = "counted"
seeds = {seeds}
[data]
source = "all.csv"
client = "site"
{data}
[model]
backbone = "linear"
[tuning]
trials = {trials}
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


def written(
    folder: Path, metric: str = "accuracy", data: str = "", seeds: Sequence[int] = (0, 1, 2), trials: int = 1
) -> StudyFile:
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
    (folder / "study.toml").write_text(STUDY.format(metric=metric, data=data, seeds=list(seeds), trials=trials))
    return load_study(folder / "study.toml")


def sites(folder: Path, policies: dict[str, str] | None = None) -> InProcess:
    policy = policies or {}
    return InProcess([Site(n, folder / f"{n}.csv", folder / "state" / n, policy.get(n, "updates")) for n in NAMES])


@dataclass(frozen=True)
class Warned(Silent):
    """Keeps what the user must know."""

    lines: list[str]

    def warn(self, text: str) -> None:
        self.lines.append(text)


def ran(file: StudyFile, ask: InProcess, out: Path, progress: Silent | None = None) -> Outcome:
    """Run a study over sites."""
    return at_sites(opened(file, ask, out)).run(out, progress=progress)


def leaves(found: Any, way: str = "") -> dict[str, Any]:
    """Return all leaves of a JSON value by their path."""
    if isinstance(found, dict | list):
        items = found.items() if isinstance(found, dict) else enumerate(found)
        return {path: leaf for key, item in items for path, leaf in leaves(item, f"{way}/{key}").items()}
    return {way: found}


def alike(mine: Any, right: Any, tolerance: float = 1e-6) -> None:
    """Check that two JSON values say the same, numbers within a tolerance."""
    found, expected = leaves(mine), leaves(right)
    assert set(found) == set(expected)
    numbers = {path: value for path, value in expected.items() if isinstance(value, float)}
    assert {path: found[path] for path in numbers} == pytest.approx(numbers, rel=tolerance, abs=tolerance)
    assert {path: value for path, value in found.items() if path not in numbers} == {
        path: value for path, value in expected.items() if path not in numbers
    }


def verdict(out: Path) -> dict[str, Any]:
    said: dict[str, Any] = json.loads((out / "verdict.json").read_text())
    return said


_OWN = ("rests_on", "belongs_to", "checksum", "owner", "predicted", "prediction_held", "cautions", "confusions")
"""Names of runs, which hold what sites are; what a probe foretells is less than a diagnosis does."""


@pytest.mark.parametrize("metric", ["accuracy", "balanced_accuracy"])
@pytest.mark.parametrize("trials", [1, 4])
def test_the_verdict_is_the_simulations(metric: str, trials: int, tmp_path: Path) -> None:
    file = written(tmp_path, metric, trials=trials)
    ran(file, sites(tmp_path), tmp_path / "out")
    Study.open(file).run(tmp_path / "simulation")
    mine, right = verdict(tmp_path / "out"), verdict(tmp_path / "simulation")
    for said in (mine, right):
        # Examples that stay where they are cannot be redrawn, nor told of one by one.
        said["pairs"].pop("spread")
    alike(*({name: value for name, value in said.items() if name not in _OWN} for said in (mine, right)))
    tuned, also = (
        [(line["arm"], line["tuning"]) for line in records(tmp_path / name)] for name in ("out", "simulation")
    )
    alike(tuned, also, 1e-4)
    assert all(len(each) == (trials if trials > 1 else 0) or arm in ("alone-ridge", "ridge") for arm, each in tuned)
    assert check_answer(tmp_path / "out", mine["answer"] or "both")


def records(out: Path) -> list[dict[str, Any]]:
    return [json.loads(line) for line in (out / "records.jsonl").read_text().splitlines()]


def test_the_curves_are_the_simulations(tmp_path: Path) -> None:
    file = written(tmp_path, seeds=(0,))
    ran(file, sites(tmp_path), tmp_path / "out")
    Study.open(file).run(tmp_path / "simulation")
    curves = [{one["arm"]: one["curve"] for one in records(tmp_path / name)} for name in ("out", "simulation")]
    assert [point["round"] for point in curves[0]["both"]] == [0, 1, 2]
    for point in (point for curve in curves[1].values() for point in curve):
        assert point.pop("val_score") is not None, "what sites tell of a round is loss and accuracy alone"
    alike(*curves, tolerance=1e-4)


def test_finished_work_is_not_done_twice(tmp_path: Path) -> None:
    file, ask = written(tmp_path), sites(tmp_path)
    ran(file, ask, tmp_path / "out")
    ask.asked.clear()
    said = Warned([])
    ran(file, ask, tmp_path / "out", said)
    assert {kind for _, kind, _ in ask.asked} == {"hello", "agree", "count"}
    assert said.lines == []


def test_the_page_is_written(tmp_path: Path) -> None:
    ran(written(tmp_path), sites(tmp_path), tmp_path / "out")
    write_report(tmp_path / "out")
    page = (tmp_path / "out" / "report.html").read_text()
    assert all(name in page for name in NAMES)
    assert load_run(tmp_path / "out").scores().clients == NAMES


@pytest.fixture(scope="module")
def finished(tmp_path_factory: pytest.TempPathFactory) -> tuple[StudyFile, Path]:
    """A federation over which a study ran."""
    folder = tmp_path_factory.mktemp("finished")
    file = written(folder, "balanced_accuracy")
    ran(file, sites(folder), folder / "out")
    return file, folder


def asked_again(finished: tuple[StudyFile, Path], spoil: Spoil) -> dict[str, Any]:
    """Judge again what ran, with a site that spoils what it says."""
    (file, folder), ask = finished, sites(finished[1])
    ask.spoil = spoil
    ran(file, ask, folder / "out")
    return verdict(folder / "out")


def tampered(field: str, value: Any) -> Spoil:
    return spoils("count", lambda said, tree: (json.dumps({**json.loads(said), field: value}), tree))


@pytest.mark.parametrize(
    ("spoil", "reason"),
    [
        (tampered("sums", [[[1e9]]]), "its answer: field 'sums.0.0.0' must be a valid integer"),
        (tampered("sums", [[[-1]]]), "its answer: field 'sums.0.0.0' must be greater than or equal to 0"),
        (tampered("sums", [[[10**9] * 3] * 4] * 2), "its count's 'sums' must be at most 'count'"),
        (tampered("ahead", [[[9] * 4] * 4] * 2), "its count's 'ahead' must be nothing of an arm over itself"),
        (tampered("count", [5000, 5000]), "its count's 'count' must be at most its 30 test examples together"),
        (tampered("rows", [1, 0]), "its answer: field 'rows' is unknown"),
        (spoils("count", lost), "it did not answer within 600 s"),
    ],
)
def test_a_site_whose_counts_cannot_be_is_left_out_by_name(
    finished: tuple[StudyFile, Path], spoil: Spoil, reason: str
) -> None:
    found = asked_again(finished, spoil)
    assert found["cautions"][0].startswith(f"Not in the answer: hospital: {reason}")
    assert {one["clients"] for one in found["contrasts"]} == {2}


def test_what_a_site_counts_holds_no_row(finished: tuple[StudyFile, Path]) -> None:
    said: list[dict[str, Any]] = []

    def listen(request: Any, text: str, tree: Tree) -> tuple[str, Tree]:
        if request.kind == "count":
            said.append({**json.loads(text), "tensors": len(tree)})
        return text, tree

    asked_again(finished, listen)
    assert [sum(one["count"]) for one in said] == [30, 30, 30]
    assert all(np.array(one["products"]).shape == (2, 4, 4) and not one["tensors"] for one in said)


def test_a_site_that_lets_nothing_leave_is_left_out_and_named(tmp_path: Path) -> None:
    file, ask = written(tmp_path), sites(tmp_path, {"clinic": "none", "hospital": "metrics"})
    outcome = ran(file, ask, tmp_path / "out")
    reason = "it lets no more than 'none' leave, and 'metrics' is needed"
    assert outcome.verdict.cautions[0] == f"Not in the answer: clinic: {reason}."
    assert ("clinic", "count", None) not in ask.asked
    assert outcome.verdict.num_clients == 2


def test_a_site_of_few_examples_says_why_it_tells_no_scores(tmp_path: Path) -> None:
    file, ask = written(tmp_path, seeds=(0,)), sites(tmp_path)
    ask.sites = [replace(site, minima=Minima(examples=31 if site.name == "clinic" else 1)) for site in ask.sites]
    caution = ran(file, ask, tmp_path / "out").verdict.cautions[0]
    assert caution == "Not in the answer: clinic: 'clinic' has fewer than 31 val examples, of which it says nothing."


def test_classes_of_few_examples_are_said_to_be_missing(finished: tuple[StudyFile, Path]) -> None:
    def keep_one(said: str, tree: Tree) -> tuple[str, Tree]:
        parts = {name: part[:1] if isinstance(part, list) else 1 for name, part in json.loads(said).items()}
        return json.dumps(parts), tree

    found = asked_again(finished, spoils("count", keep_one))
    words = "Not counted at hospital: 1 of its classes, with fewer than 5 test examples each."
    assert words in found["cautions"]


def test_without_validation_data_the_cheapest_arm_stands(tmp_path: Path) -> None:
    file = written(tmp_path, data="split = { train = 0.8, val = 0.0 }")
    outcome = ran(file, sites(tmp_path), tmp_path / "out")
    assert {one.picked_by for one in outcome.verdict.answer.families.values()} == {"cost"}
    assert any(line.startswith("There are no validation data: the cheapest") for line in outcome.verdict.cautions)


def test_a_metric_that_cannot_be_counted_compares_clients(tmp_path: Path) -> None:
    file, ask = written(tmp_path, "macro_f1"), sites(tmp_path)
    outcome = ran(file, ask, tmp_path / "out")
    assert outcome.verdict.answer.rule.scope == "like these"
    assert "count" not in {kind for _, kind, _ in ask.asked}


def test_where_nobody_can_count_scores_are_compared(tmp_path: Path) -> None:
    file, ask = written(tmp_path), sites(tmp_path)

    def refuse(request: Any, said: str, tree: Tree) -> tuple[str, Tree]:
        return (json.dumps({"error": "too few"}), tree) if request.kind == "count" else (said, tree)

    ask.spoil = refuse
    outcome = ran(file, ask, tmp_path / "out")
    assert outcome.verdict.answer.rule.scope == "like these"
    assert outcome.verdict.cautions[0].startswith("No client's test examples can be counted (clinic: too few): ")
    assert outcome.verdict.num_clients == 3


def test_other_data_at_a_site_are_another_federation(tmp_path: Path) -> None:
    # Nothing is agreed on of the rows: the server sees it by the name of what the site holds alone.
    file, ask = written(tmp_path, data='standardize = "none"', seeds=(0,)), sites(tmp_path)
    ran(file, ask, tmp_path / "out")
    rows = (tmp_path / "clinic.csv").read_text().splitlines()
    (tmp_path / "clinic.csv").write_text("\n".join([*rows[:-1], rows[1]]))
    ask.asked.clear()
    ran(file, ask, tmp_path / "out")
    assert "adapt" in {kind for _, kind, _ in ask.asked}


def test_a_site_that_is_lost_on_the_way_is_named(tmp_path: Path) -> None:
    file, ask = written(tmp_path), sites(tmp_path)
    ask.spoil = spoils("adapt", lost)
    outcome = ran(file, ask, tmp_path / "out")
    assert outcome.verdict.cautions[0].startswith("Not in the answer: hospital: it told no score of ")
    assert outcome.verdict.num_clients == 2


def test_what_needs_examples_here_is_refused(tmp_path: Path) -> None:
    with pytest.raises(HeadstartError, match="diagnose: needs the clients' examples, which are elsewhere"):
        at_sites(opened(written(tmp_path), sites(tmp_path), tmp_path / "out")).diagnose(tmp_path / "out")


def test_sites_that_let_nothing_leave_come_to_no_verdict(tmp_path: Path) -> None:
    file, ask = written(tmp_path), sites(tmp_path, dict.fromkeys(NAMES, "none"))
    with pytest.raises(HeadstartError):
        ran(file, ask, tmp_path / "out")
