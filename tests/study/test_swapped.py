"""What is whole and another's: files of another run, or of another key, in a run folder or a cache."""

from __future__ import annotations

import json
import shutil
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from headstart.core.damage import Damaged
from headstart.core.errors import DataError
from headstart.core.progress import Silent
from headstart.report import check_answer, write_report
from headstart.report.run import load_run
from headstart.study.study import Study
from tiny_study import numbers, open_tiny, write_table

STUDY = {"more": '[tuning]\ntrials = 2\n[devices.phone]\ncompute = "1 GFLOP/s"'}
OTHER = {**STUDY, "decision": "min_effect = 0.05"}
"""Has the same arms, seeds and clients, and another rule."""


class Told(Silent):
    """Keeps notes."""

    def __init__(self) -> None:
        self.lines: list[str] = []

    def warn(self, text: str) -> None:
        self.lines.append(text)


def ordered(out: Path) -> dict[str, Any]:
    """What a folder says, whichever run was recorded last."""
    found = numbers(out)
    records = sorted(found["records"], key=lambda line: (line["arm"], line["seed"]))
    return {**found, "records": records, "clients": sorted(found["clients"], key=json.dumps)}


@pytest.fixture(scope="module")
def two(tmp_path_factory: pytest.TempPathFactory) -> tuple[Study, Path, Path, dict[str, Any]]:
    """A study and its folder, the folder of another over other data, and what the first says."""
    folder = tmp_path_factory.mktemp("swapped")
    for name, data in (("own", 0), ("other", 1)):
        (folder / name).mkdir()
        write_table(folder / name / "clients.csv", seed=data)
        open_tiny(folder / name, **(STUDY if name == "own" else OTHER)).run(folder / name / "out")
    study = Study.load(folder / "own" / "study.toml")
    return study, folder / "own" / "out", folder / "other" / "out", ordered(folder / "own" / "out")


@pytest.fixture
def copied(two: tuple[Study, Path, Path, dict[str, Any]], tmp_path: Path) -> Path:
    return Path(shutil.copytree(two[1], tmp_path / "out"))


def run(study: Study, out: Path) -> list[str]:
    told = Told()
    study.run(out, progress=told)
    return told.lines


OWNED = ["diagnosis.json", "verdict.json", "devices.json"]
WHOLE = ["federation.json", "costs.json", "clients.parquet", "predictions.parquet", "tables.json"]


@pytest.mark.parametrize("name", [*OWNED, *WHOLE])
def test_another_runs_file_changes_no_number(
    two: tuple[Study, Path, Path, dict[str, Any]], copied: Path, name: str
) -> None:
    shutil.copy(two[2] / name, copied / name)
    said = run(two[0], copied)
    assert ordered(copied) == two[3]
    if name in OWNED:
        assert [f"{name} (it is another run's)" in line for line in said] == [True]


@pytest.mark.parametrize("name", [*OWNED, "federation.json", "clients.parquet", "tables.json", "records.jsonl"])
def test_no_page_is_made_of_another_runs_file(
    two: tuple[Study, Path, Path, dict[str, Any]], copied: Path, name: str
) -> None:
    shutil.copy(two[2] / name, copied / name)
    with pytest.raises(Damaged, match="run the study again into its folder, which computes it again"):
        write_report(copied)


def test_records_under_another_rule_are_refused(two: tuple[Study, Path, Path, dict[str, Any]], copied: Path) -> None:
    shutil.copy(two[2] / "records.jsonl", copied / "records.jsonl")
    with pytest.raises(DataError, match=r"^\[decision\]: the rule is fixed before the runs.* restore"):
        run(two[0], copied)


def test_another_rule_in_the_settings_is_named(two: tuple[Study, Path, Path, dict[str, Any]], copied: Path) -> None:
    shutil.copy(two[2] / "settings.json", copied / "settings.json")
    assert "settings.json (it is another run's)" in run(two[0], copied)[0]
    assert ordered(copied) == two[3]


def exchange(folder: Path, pattern: str) -> list[Path]:
    """Let two files of a kind change places; return them."""
    by_content = {path.read_bytes(): path for path in sorted(folder.glob(pattern))}
    one, other = list(by_content.values())[:2]
    content = one.read_bytes()
    one.write_bytes(other.read_bytes())
    other.write_bytes(content)
    return [one, other]


@pytest.mark.parametrize("pattern", ["nodes/*.json", "weights/predictions-*.safetensors", "weights/[0-9a-f]*"])
def test_two_files_that_changed_places_are_both_found(
    two: tuple[Study, Path, Path, dict[str, Any]], copied: Path, pattern: str
) -> None:
    paths = exchange(copied, pattern)
    said = run(two[0], copied)
    assert ordered(copied) == two[3]
    assert all(any(path.name in line for line in said) for path in paths)


def lines_of(path: Path) -> list[str]:
    return path.read_text().splitlines(keepends=True)


def lost(path: Path) -> None:
    path.write_text("".join(lines_of(path)[1:]))


def doubled(path: Path) -> None:
    path.write_text("".join([*lines_of(path), lines_of(path)[0]]))


def reordered(path: Path) -> None:
    path.write_text("".join(reversed(lines_of(path))))


def edited(path: Path) -> None:
    """Write a plausible number."""
    line = json.loads(lines_of(path)[0])
    line["metrics"]["accuracy"] = 0.97
    path.write_text("".join([json.dumps(line) + "\n", *lines_of(path)[1:]]))


@pytest.mark.parametrize("change", [lost, doubled, reordered, edited])
def test_records_whose_lines_are_others_come_out_the_same(
    two: tuple[Study, Path, Path, dict[str, Any]], copied: Path, change: Callable[[Path], None]
) -> None:
    change(copied / "records.jsonl")
    run(two[0], copied)
    assert ordered(copied) == two[3]


@pytest.mark.parametrize("change", [lost, edited])
def test_no_page_is_made_of_records_that_lack_a_run(copied: Path, change: Callable[[Path], None]) -> None:
    change(copied / "records.jsonl")
    for read in (write_report, lambda out: check_answer(out, "both")):
        with pytest.raises(Damaged, match=r"records\.jsonl' is damaged"):
            read(copied)


@pytest.mark.parametrize("change", [doubled, reordered])
def test_lines_that_stand_twice_or_elsewhere_count_once(
    two: tuple[Study, Path, Path, dict[str, Any]], copied: Path, change: Callable[[Path], None]
) -> None:
    change(copied / "records.jsonl")
    assert {(r["arm"], r["seed"]) for r in load_run(copied).records} == {
        (r["arm"], r["seed"]) for r in load_run(two[1]).records
    }
    assert load_run(copied).scores().clients == load_run(two[1]).scores().clients


def test_an_edited_rule_in_the_copy_of_the_study_is_named(copied: Path) -> None:
    text = (copied / "study.toml").read_text()
    (copied / "study.toml").write_text(text.replace("[decision]", "[decision]\nmin_effect = 0.2"))
    with pytest.raises(Damaged, match=r"study\.toml' .*decision\.min_effect was .*, is 0\.2"):
        write_report(copied)


@pytest.mark.parametrize("link", ["dangling", "to itself", "to another's", "to a folder"])
@pytest.mark.parametrize("name", ["verdict.json", "records.jsonl", "diagnosis.json", "clients.parquet"])
def test_a_link_in_a_files_place_is_no_traceback(
    two: tuple[Study, Path, Path, dict[str, Any]], copied: Path, name: str, link: str
) -> None:
    """What it leads to is not written through, and not believed."""
    path, other = copied / name, two[2] / name
    before = other.read_bytes()
    if (name, link) == ("records.jsonl", "to another's"):
        pytest.skip("those are refused, see above")
    path.unlink()
    target = {"dangling": "nowhere", "to itself": name, "to another's": str(other), "to a folder": "nodes"}[link]
    path.symlink_to(target)
    run(two[0], copied)
    assert ordered(copied) == two[3]
    assert other.read_bytes() == before
    assert list((copied / "nodes").iterdir())
