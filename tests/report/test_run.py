import json
import shutil
from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from headstart.core.errors import DataError
from headstart.report import load_run


def test_reads_what_the_folder_says(slate_folder: Path) -> None:
    run = load_run(slate_folder)
    assert (run.name, run.metric, run.baseline) == ("cats-dogs", "balanced_accuracy", "fedavg")
    assert (len(run.arms), run.seeds) == (13, (0, 1, 2, 3, 4))
    scores = run.scores()
    assert scores.values.shape == (13, 5, 20)
    assert int(np.isnan(scores.values).sum()) == 1
    assert int((~scores.seen).sum()) == 4


def test_clients_are_in_natural_order(slate_folder: Path) -> None:
    assert load_run(slate_folder).scores().clients[:3] == ("site-1", "site-2", "site-3")
    assert load_run(slate_folder).scores().clients[-1] == "site-20"


def test_other_metrics_and_splits(slate_folder: Path) -> None:
    run = load_run(slate_folder)
    counts = run.scores("num_examples")
    assert np.allclose(counts.values[0, 0], counts.values[-1, -1])
    assert run.scores(split="global_test").clients == ()


def test_a_folder_without_records(tmp_path: Path) -> None:
    with pytest.raises(DataError, match=r"is no run folder: it has no records\.jsonl"):
        load_run(tmp_path)


def test_a_folder_that_does_not_exist() -> None:
    with pytest.raises(DataError, match="'nowhere' is no run folder"):
        load_run("nowhere")


def test_nothing_finished_yet(tmp_path: Path) -> None:
    (tmp_path / "records.jsonl").write_text('{"arm": "fedavg", "se')
    with pytest.raises(DataError, match="holds no finished run yet"):
        load_run(tmp_path)


def test_a_torn_last_line_is_not_counted_and_said(bare_folder: Path) -> None:
    with (bare_folder / "records.jsonl").open("a") as file:
        file.write('{"arm": "ridge", "seed')
    run = load_run(bare_folder)
    assert run.arms == ("fedavg",)
    assert any("cut off by a stop" in note for note in run.notes)


def test_a_damaged_line_in_the_middle(bare_folder: Path) -> None:
    path = bare_folder / "records.jsonl"
    path.write_text('{"arm": "ridge", "see\n' + path.read_text())
    with pytest.raises(DataError, match=r"records\.jsonl' is damaged \(line 1: it is not JSON\); run the study again"):
        load_run(bare_folder)


def test_a_line_that_is_no_record(bare_folder: Path) -> None:
    path = bare_folder / "records.jsonl"
    path.write_text(path.read_text() + '{"arm": "ridge"}\n')
    with pytest.raises(DataError, match="line 2: 'seed' is missing"):
        load_run(bare_folder)


def test_the_later_of_two_records_counts(bare_folder: Path) -> None:
    path = bare_folder / "records.jsonl"
    again = {**json.loads(path.read_text()), "accepted": 0.125}
    path.write_text(path.read_text() + json.dumps(again) + "\n")
    run = load_run(bare_folder)
    assert [record["accepted"] for record in run.records] == [0.125]
    assert any("recorded twice" in note for note in run.notes)


@pytest.mark.parametrize(
    ("name", "content", "message"),
    [
        ("study.toml", "name = ", "study.toml' is not valid TOML"),
        ("verdict.json", "{", "verdict.json' is damaged (it is not JSON)"),
        ("verdict.json", "[1]", "verdict.json' is damaged (it must be a JSON object, and is a list)"),
        ("diagnosis.json", "x", "diagnosis.json' is damaged (it is not JSON)"),
        ("clients.parquet", "x", "clients.parquet' is damaged (it is not a Parquet file)"),
    ],
)
def test_a_broken_file_is_one_clear_error(bare_folder: Path, name: str, content: str, message: str) -> None:
    (bare_folder / name).write_text(content)
    with pytest.raises(DataError) as caught:
        load_run(bare_folder)
    assert message in str(caught.value)


def test_a_table_without_a_column(bare_folder: Path) -> None:
    pq.write_table(pa.table({"arm": ["fedavg"], "seed": [0]}), bare_folder / "clients.parquet")
    with pytest.raises(DataError, match="lacks the column 'client'"):
        load_run(bare_folder)


@pytest.mark.parametrize("name", ["study.toml", "clients.parquet"])
def test_a_missing_file_is_said(bare_folder: Path, name: str) -> None:
    (bare_folder / name).unlink()
    run = load_run(bare_folder)
    assert any(name in note for note in run.notes)


def test_a_verdict_that_has_lost_its_answer_is_one_clear_error(answered: dict[str, Path], tmp_path: Path) -> None:
    folder = shutil.copytree(answered["better"], tmp_path / "run")
    verdict = json.loads((folder / "verdict.json").read_text())
    del verdict["answer"]
    (folder / "verdict.json").write_text(json.dumps(verdict))
    with pytest.raises(DataError, match=r"verdict.json' is damaged \(it lacks answer\)"):
        load_run(folder)
