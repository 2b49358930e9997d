"""Sites' files from the field, in the folder HEADSTART_CASES: who takes part, who is left out, what stops all."""

import csv
import shutil
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from PIL import Image

from headstart.core.errors import ClientError, DataError, HeadstartError, SettingError
from headstart.core.files import file_name
from headstart.data import open_federation
from headstart.sites.flower.local import write_site_files
from headstart.sites.messages import Hello
from headstart.sites.site import Site
from headstart.study.written.load import load_study
from sites.federations import Table, federated, losses_on_test, of_simulation
from sites.in_process import InProcess, arm_of, opened, run_arm

CLOSE = 1e-6


def run(
    study: Path, out: Path, files: Mapping[str, Path], arm: str = "ridge", policies: Mapping[str, str] | None = None
) -> dict[str, Any]:
    """Return what an arm of a study over sites came to."""
    file = load_study(study)
    sites = [
        Site(name, path, out / file_name(name), (policies or {}).get(name, "updates")) for name, path in files.items()
    ]
    return run_arm(opened(file, InProcess(sites), out / "run"), arm_of(file, arm))


def tables(folder: Path, *names: str) -> dict[str, Path]:
    return {name: folder / f"{name}.csv" for name in names}


def joined(files: Sequence[Path], data: str, arm: str = "ridge") -> Table:
    """Return sites with the rows of these files."""
    return Table({path.stem: list(csv.DictReader(path.read_text().splitlines())) for path in files}, data, arm)


def excluded(found: Mapping[str, Any]) -> dict[str, str]:
    return {one["client"]: one["reason"] for one in found["excluded"]}


def is_scored(found: Mapping[str, Any], client: str) -> bool:
    return bool(found["clients"][client]["metrics"].get("test"))


CLASSES = {
    "A": ("zero", "one"),
    "B": ("two", "three"),
    "C": ("zero", "two"),
    "D": ("two",),
    "E": ("zero", "one", "two", "three"),
}


@pytest.mark.parametrize(("study", "arm"), [("s", "ridge"), ("s", "fedavg"), ("s2", "fedavg")])
def test_a_site_that_holds_one_class_takes_part(study: str, arm: str, cases: Path, tmp_path: Path) -> None:
    draw = np.random.default_rng(0)
    for name, labels in CLASSES.items():
        for label in labels:
            (tmp_path / name / label).mkdir(parents=True)
            for number in range(10):
                pixels = draw.integers(0, 60, (8, 8)) + 20 * len(label)
                Image.fromarray(pixels.astype(np.uint8)).save(tmp_path / name / label / f"{number}.png")
    shutil.copyfile(cases / "case-01" / f"{study}.toml", tmp_path / "study.toml")
    found = run(tmp_path / "study.toml", tmp_path / "out", {name: tmp_path / name for name in CLASSES}, arm)
    assert (set(found["clients"]), found["excluded"]) == (set(CLASSES), [])
    assert is_scored(found, "D")


@pytest.mark.parametrize("policy", ["none", "counts", "metrics"])
@pytest.mark.parametrize(("study", "arm"), [("s", "fedavg"), ("sc", "ridge"), ("free", "ridge"), ("freec", "fedavg")])
def test_where_nobody_may_send_nothing_is_federated(
    study: str, arm: str, policy: str, cases: Path, tmp_path: Path
) -> None:
    folder = cases / "case-03"
    policies = dict.fromkeys(("cleveland", "hungarian"), policy)
    said = ", ".join(f"'{name}' {policy}" for name in policies)
    with pytest.raises(
        SettingError, match=f"'{arm}' .* no site lets (updates|sums) leave, received {said}; .*--policy (updates|sums)"
    ):
        run(folder / f"{study}.toml", tmp_path, tables(folder, *policies), arm, policies)
    assert not list(tmp_path.rglob("federation.jsonl"))


KEPT = {
    "test rows alone": ("onlytest", True),
    "no test rows": ("notest", False),
    "no test rows, one class": ("notest2", False),
    "train rows alone": ("onlytrain", False),
    "train rows alone, one class": ("onlytrain2", False),
    "one row": ("one", False),
    "one class": ("hungarian", True),
    "one row of a class": ("switzerland", True),
}


@pytest.mark.parametrize(("name", "scored"), KEPT.values(), ids=KEPT.keys())
def test_a_site_of_any_rows_takes_part_as_in_a_simulation(name: str, scored: bool, cases: Path, tmp_path: Path) -> None:
    folder = cases / "case-03"
    files = tables(folder, "cleveland", "va", name)
    found = run(folder / "s.toml", tmp_path, files, "fedavg")
    assert (set(found["clients"]), found["excluded"]) == (set(files), [])
    assert is_scored(found, name) == scored
    made = joined(list(files.values()), "", "fedavg")
    made.write(tmp_path)
    text = (folder / "s.toml").read_text().replace('client="hospital"', 'client="site"')
    (tmp_path / "study.toml").write_text(text)
    assert losses_on_test(found) == pytest.approx(of_simulation(made, tmp_path), abs=CLOSE)


@pytest.mark.parametrize("study", ["free", "freec"])
@pytest.mark.parametrize("name", ["one", "onlytrain2"])
def test_without_a_column_of_splits_too(name: str, study: str, cases: Path, tmp_path: Path) -> None:
    folder = cases / "case-03"
    found = run(folder / f"{study}.toml", tmp_path, tables(folder, "cleveland", "va", name), "fedavg")
    assert (set(found["clients"]), found["excluded"]) == ({"cleveland", "va", name}, [])


@pytest.mark.parametrize("others", [("a",), ("a", "b_words"), ("b_case",)])
def test_who_is_left_out_at_the_first_message_stands_in_the_result(
    others: tuple[str, ...], cases: Path, tmp_path: Path
) -> None:
    folder = cases / "case-03"
    good = tables(folder, "cleveland", "va", "hungarian")
    found = run(folder / "free.toml", tmp_path, good | tables(cases / "case-21", *others))
    assert set(found["clients"]) == set(good)
    assert set(excluded(found)) == set(others)


def test_too_many_left_out_stop_all(cases: Path, tmp_path: Path) -> None:
    folder = cases / "case-03"
    bad = tables(cases / "case-21", "a", "b", "b_case", "b_words")
    with pytest.raises(ClientError, match=r"4 of 7 sites are lost, .* engine\.max_bad_clients"):
        run(folder / "free.toml", tmp_path, tables(folder, "cleveland", "va", "hungarian") | bad)


STATED = "columns = ['age', 'sex', 'trestbps', 'chol', 'thalach', 'oldpeak']"
LABEL = "label = 'outcome'"
SAME = {
    "the same columns": ("b", f"{LABEL}"),
    "another order": ("b_order", LABEL),
    "another order, stated": ("b_order", f"{LABEL}\n{STATED}"),
    "an extra column": ("b_more", f"{LABEL}\n{STATED}"),
    "other units": ("b_units", f"{LABEL}\nstandardize = 'client'"),
    "holes": ("b_fill", f"{LABEL}\nmissing = 'mean'\nstandardize = 'none'"),
    "holes, by default": ("b_fill", f"{LABEL}\nmissing = 'mean'"),
    "holes, each by its own": ("b_fill", f"{LABEL}\nmissing = 'mean'\nstandardize = 'client'"),
    "holes, left out": ("b_fill", f"{LABEL}\nmissing = 'drop'"),
    "an empty column": ("b_empty", f"{LABEL}\n{STATED}\nmissing = 'mean'"),
    "an empty column, each by its own": ("b_empty", f"{LABEL}\n{STATED}\nmissing = 'mean'\nstandardize = 'client'"),
}


@pytest.mark.parametrize(("name", "data"), SAME.values(), ids=SAME.keys())
def test_tables_that_differ_are_the_joined_table(name: str, data: str, cases: Path, tmp_path: Path) -> None:
    made = joined([cases / "case-21" / f"{each}.csv" for each in ("a", name)], data)
    found = federated(made, tmp_path)
    assert found["excluded"] == []
    assert losses_on_test(found) == pytest.approx(of_simulation(made, tmp_path), abs=CLOSE)


LOST = {
    "cols": {
        "b_lacks": ["no column 'chol'"],
        "b_case": ["no column 'chol'", "did you mean 'Chol'?"],
        "b_question": ["'chol'", "'?'"],
        "b_words": ["'sex'"],
        "b_missing": ["data.missing", "'chol'"],
        "b_empty": ["'chol'"],
    },
    "s": {"b_case": ["no column 'outcome'", "did you mean 'Outcome'?"], "b_question": ["'chol'", "'?'"]},
}


@pytest.mark.parametrize(
    ("study", "name", "words"), [(study, *one) for study, found in LOST.items() for one in found.items()]
)
def test_a_table_that_does_not_fit_is_named_with_its_column(
    study: str, name: str, words: list[str], cases: Path, tmp_path: Path
) -> None:
    folder = cases / "case-21"
    found = run(folder / f"{study}.toml", tmp_path, tables(folder, "a", "b", name))
    (reason,) = excluded(found).values()
    assert (set(excluded(found)), set(found["clients"])) == ({name}, {"a", "b"})
    assert "waits for its operator" in reason
    # Why it cannot be accepted is for its operator alone.
    file = load_study(folder / f"{study}.toml")
    with pytest.raises(HeadstartError) as error:
        Site(name, folder / f"{name}.csv", tmp_path / "state").accept(Hello(file.data, file.settings.name, (0,)))
    assert [word for word in words if word not in str(error.value)] == []


@pytest.mark.parametrize(
    ("name", "words"),
    [
        ("b_lacks", ["'b_lacks'", "no column 'chol'", 'columns = ["age", "sex", "trestbps", "thalach", "oldpeak"]']),
        ("b_more", ["'a'", "no column 'ward'", 'columns = ["age", "sex", "trestbps", "chol", "thalach", "oldpeak"]']),
        ("b_words", ["'b_words'", "'sex'"]),
    ],
)
def test_columns_that_differ_are_named_with_their_sites(
    name: str, words: list[str], cases: Path, tmp_path: Path
) -> None:
    folder = cases / "case-21"
    with pytest.raises(DataError) as found:
        run(folder / "s.toml", tmp_path, tables(folder, "a", name))
    assert [word for word in words if word not in str(found.value)] == []
    assert "image_size" not in str(found.value)


def test_fills_that_may_not_leave_are_each_sites_own_or_refused(cases: Path, tmp_path: Path) -> None:
    folder = cases / "case-21"
    files = tables(folder, "a", "b_fill")
    found = run(folder / "mean.toml", tmp_path / "own", files, policies={"a": "metrics"})
    assert found["excluded"] == []
    made = joined(list(files.values()), f"{LABEL}\nmissing = 'mean'\nstandardize = 'none'")
    (tmp_path / "refused").mkdir()
    with pytest.raises(SettingError, match=r"^data\.missing: 'mean' needs sums of every site's columns, .* 'a' do not"):
        federated(made, tmp_path / "refused", {"a": "metrics"})


@pytest.mark.parametrize("arm", ["fedavg", "local"])
def test_names_are_never_paths(arm: str, cases: Path, tmp_path: Path) -> None:
    folder = tmp_path / "inner"
    folder.mkdir()
    adapts = '[arms.local]\nstart = "random"\nadapt = { method = "full_finetune", epochs = 1 }\n'
    (folder / "study.toml").write_text((cases / "case-27" / "s.toml").read_text() + adapts)
    shutil.copyfile(cases / "case-27" / "in.csv", folder / "in.csv")
    file = load_study(folder / "study.toml")
    paths = write_site_files(open_federation(file.data, folder), file.data, folder / "o" / "sites", 6, folder)
    found = run(folder / "study.toml", folder / "o", paths, arm)
    assert set(found["clients"]) == {"St. Mary's Ward 3/B", "../outside", 'a"b', "-x", ".", "Zürich Süd"}
    assert found["excluded"] == []
    assert list(tmp_path.iterdir()) == [folder]
    assert {path.name for path in folder.iterdir()} == {"study.toml", "in.csv", "o"}
    assert {path.parent for path in paths.values()} == {folder / "o" / "sites"}
