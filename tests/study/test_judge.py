from __future__ import annotations

import html
import json
from pathlib import Path
from types import SimpleNamespace

import pytest

from headstart.cli.answer import answer_block
from headstart.core.files import read_json
from headstart.evidence.verdict import prediction_held
from headstart.report import check_answer, write_report
from headstart.study.judge import with_looks, without_last_step
from headstart.study.plan import references
from headstart.study.study import Study
from headstart.study.written.arms import Arm, Stage
from tiny_study import FEDAVG, numbers, open_tiny, read_records, run_tiny, write_study

RANDOM, AVERAGE = Stage("start", "random"), (Stage("federate", "fedavg"),)


def verdict(
    predicted: str | None, leader: str | None = "both", gap: float | None = 0.1, grounds: str = "better"
) -> SimpleNamespace:
    found = None if gap is None else SimpleNamespace(gap=gap)
    answer = SimpleNamespace(leader=leader, grounds=grounds, between=lambda of, over: found)
    arms = {"ridge": SimpleNamespace(family="federate")}
    return SimpleNamespace(predicted=predicted, answer=answer, arms=arms, min_effect=0.01)


@pytest.mark.parametrize(
    ("found", "held"),
    [
        (verdict("both"), True),
        (verdict("federate"), False),
        (verdict("federate", gap=0.01), True),
        (verdict("federate", gap=0.005, grounds="undecided"), True),
        (verdict("ridge"), False),
        (verdict("ridge", leader="federate"), True),
        (verdict("fine-tune", gap=None), None),
        (verdict("both", grounds="no claim"), None),
        (verdict(None), None),
        (verdict("both", leader=None), None),
    ],
)
def test_a_predicted_family_holds_within_what_matters(found: SimpleNamespace, held: bool | None) -> None:
    assert prediction_held(found) is held  # type: ignore[arg-type]


def test_an_arm_is_paired_with_itself_without_its_last_stage() -> None:
    arms = [
        Arm("shared", RANDOM, AVERAGE),
        Arm("tuned", RANDOM, AVERAGE, Stage("adapt", "linear_probe")),
        Arm("alone", RANDOM, (), Stage("adapt", "full_finetune")),
    ]
    twice = Arm("twice", RANDOM, (*AVERAGE, Stage("federate", "fedadam")))
    assert without_last_step([*arms, twice]) == {"tuned": "shared", "twice": "shared"}
    assert without_last_step([Arm("zero-shot", RANDOM), *arms])["shared"] == "zero-shot"


def test_the_verdict_rests_on_the_seen_clients_own_tests(finished: Path) -> None:
    told = numbers(finished)
    for arm, score in told["verdict"]["arms"].items():
        values = [
            row["value"]
            for row in told["clients"]
            if (row["arm"], row["split"], row["metric"], row["seen"]) == (arm, "test", "balanced_accuracy", True)
        ]
        assert score["mean"] == pytest.approx(sum(values) / len(values))
    assert set(told["verdict"]["clients"]) == {f"site-{i}" for i in range(4)} - unseen(told)


def unseen(told: dict[str, object]) -> set[str]:
    return {row["client"] for row in told["clients"] if not row["seen"]}  # type: ignore[attr-defined]


def test_a_reference_is_shown_and_never_recommended(tmp_path: Path) -> None:
    arms = {
        "fedavg": FEDAVG,
        "pooled": 'start = "random"\nfederate = { method = "pooled", epochs = 20, client_lr = 0.2 }',
    }
    outcome = run_tiny(tmp_path, arms=arms)
    assert references(open_tiny(tmp_path, arms=arms).slate.arms) == {"pooled"}
    assert outcome.verdict.recommended == "fedavg"
    assert outcome.verdict.arms["pooled"].status == "reference"
    assert "pooled" not in outcome.verdict.probability_best


def test_the_verdict_is_written_as_it_is_returned(tmp_path: Path) -> None:
    outcome = run_tiny(tmp_path)
    written = read_json(tmp_path / "out" / "verdict.json")
    assert written.pop("prediction_held") is prediction_held(outcome.verdict)
    assert written.pop("rests_on") == sorted(line["key"] for line in read_records(tmp_path / "out"))
    assert written == json.loads(json.dumps(outcome.verdict.as_json()))


def test_every_look_at_the_test_is_remembered() -> None:
    said = {"looks": [{"seeds": 5, "arms": 4, "alpha": 0.05, "answer": "both"}], "cautions": []}
    assert with_looks(said, {}) == said
    assert with_looks(said, said) == said
    again = with_looks(said, {"looks": [{"seeds": 3, "arms": 4, "alpha": 0.05, "answer": None}]})
    assert [look["seeds"] for look in again["looks"]] == [3, 5]
    assert "looked at 2 times (3 seeds of 4 arms, 5 seeds of 4 arms)" in again["cautions"][0]


def test_a_look_that_may_err_less_does_not_make_up_for_one_that_erred_more() -> None:
    first = {"seeds": 3, "arms": 4, "alpha": 0.05, "answer": None}
    said = {"looks": [{**first, "alpha": 0.01}], "cautions": []}
    again = with_looks(said, {"looks": [first]})
    assert [look["alpha"] for look in again["looks"]] == [0.05, 0.01]
    assert len(again["cautions"]) == 1
    assert with_looks({**said, "looks": [first]}, said) == {"looks": [first], "cautions": []}
    none = with_looks({"looks": [], "cautions": []}, {"looks": [first]})
    assert none["cautions"][0].startswith("The test was looked at before (3 seeds of 4 arms)")


def test_an_input_that_tells_the_label_stands_before_the_answer_everywhere(tmp_path: Path) -> None:
    path = write_study(tmp_path)
    table = tmp_path / "clients.csv"
    head, *rows = table.read_text().splitlines()
    codes = {name: str(code) for code, name in enumerate(("cat", "dog", "owl"))}
    table.write_text("\n".join([f"{head},code", *(f"{row},{codes[row.split(',')[2]]}" for row in rows)]) + "\n")
    Study.load(path).run(tmp_path / "out", page=lambda folder: write_report(folder, formats=("html",)))
    words = "Column 'code' alone tells 'label': unless it is known before that is, every score here is too good"
    found = read_json(tmp_path / "out" / "verdict.json") or {}
    assert found["doubt"].startswith(words)
    assert found["cautions"][0] == found["doubt"]
    assert next(iter(answer_block(found, 200))).startswith(f"[yellow]Careful: {words}")
    page = html.unescape((tmp_path / "out" / "report.html").read_text())
    assert page.count(words) == 1
    assert page.index(words) < page.index("<h1>") < page.index('<p class="lead">')
    checked = check_answer(tmp_path / "out", str(found["leader"]))
    assert f"careful: {words}" in checked.line
