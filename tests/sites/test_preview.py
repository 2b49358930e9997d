"""An operator sees what the site would answer before it does, and accepts that and nothing else."""

import re
from pathlib import Path

import pytest

from headstart.core.errors import DataError, SettingError
from headstart.sites.flower.keys import make_keys
from headstart.sites.preview import accepted, preview, proposal
from headstart.sites.refusals import Refused
from headstart.sites.site_file import SiteFile, site_file
from sites.attacked import Requests, answered, changed, made, requests

FEW = 'name = "north"\nstate = "own"\n[data]\nsource = "north.csv"\n'


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("preview")


@pytest.fixture(scope="module")
def asked(folder: Path) -> Requests:
    return requests(made(folder, 120), folder)


def written(folder: Path, text: str) -> SiteFile:
    (folder / "site.toml").write_text(text)
    return site_file(folder / "site.toml", {})


def test_a_study_is_proposed_looked_at_accepted_and_answered(folder: Path, asked: Requests) -> None:
    said = written(folder, FEW.replace("own", "looks"))
    with pytest.raises(SettingError, match="no study was proposed to this site yet"):
        proposal(said, None)
    refused, _ = answered(said.site, "hello", *asked["hello"])
    assert "waits for its operator" in refused["error"]
    shown = proposal(said, None)
    assert "error" in answered(said.site, "hello", *asked["hello"])[0]
    assert accepted(said, shown) == "accepted: 'agreed' is answered as shown"
    present, _ = answered(said.site, "hello", *asked["hello"])
    assert (present["classes"], present["columns"], present["sizes"]["train"]) == (
        ["sick", "well"],
        ["age", "dose"],
        72,
    )


def test_another_reading_than_the_accepted_is_refused_by_the_field(folder: Path, asked: Requests) -> None:
    said = written(folder, FEW.replace("own", "other"))
    accepted(said, proposal(said, folder / "study.toml"))
    for path, value, words in (
        ("data.label", "ward", "data.label: 'north' reads its data as its operator accepted"),
        ("data.split.train", 0.5, "data.split"),
        ("data.columns", ["name"], "data.columns: 'north' reads"),
        ("seeds", [0, 7], "seed: 'north' reads"),
    ):
        text = changed(asked["hello"][0], {path: value, **({"data.split.test": 0.3} if "split" in path else {})})
        refused, _ = answered(said.site, "hello", text, {})
        assert refused["error"].startswith(words)
        assert "ward" not in refused["error"]


def test_an_accepted_study_that_changed_is_proposed_again(folder: Path, asked: Requests) -> None:
    said = written(folder, FEW.replace("own", "again"))
    accepted(said, proposal(said, folder / "study.toml"))
    text = changed(asked["hello"][0], {"seeds": [0, 7]})
    assert "seed: 'north' reads its data as its operator accepted" in answered(said.site, "hello", text, {})[0]["error"]
    assert proposal(said, None).seeds == (0, 7)
    accepted(said, proposal(said, None))
    assert answered(said.site, "hello", text, {})[0]["client"] == "north"


def test_a_preview_says_what_leaves_and_what_does_not_and_why(folder: Path) -> None:
    said = written(folder, 'policy = "updates"\n' + FEW.replace("own", "says") + "[minima]\nexamples = 30\n")
    lines = list(preview(said.site, proposal(said, folder / "study.toml")))
    text = "\n".join(lines)
    for words in (
        "study 'agreed' at 'north', whose policy is 'updates'",
        "network: linear",
        "label 'label'; train, val and test by 0.6 / 0.2 / 0.2; seeds 0",
        "names of classes that leave: sick, well",
        "names of columns that leave: age, dose",
        "examples: 72 train, 24 val, 24 test",
        "adapts, tells nothing: 'north' has fewer than 30 val examples, of which it says nothing",
        "sums over examples, as they are",
        "weights trained on its examples, which tell more than sums do",
    ):
        assert words in text
    assert "CANARY" not in text
    assert not (folder / "says" / "accepted").exists()


def test_a_preview_names_covers(folder: Path) -> None:
    said = written(folder, 'masked = true\nnoise = 2.0\npolicy = "sums"\n' + FEW)
    text = "\n".join(preview(said.site, proposal(said, folder / "study.toml")))
    assert "sums over examples, under masks and noise of 2 sensitivities" in text
    assert "update, averages nothing: policy 'sums'" in text
    assert "keys of masks    for exchanges with whomever the server names, as no peers are pinned" in text


def test_a_preview_says_that_masked_updates_leave_and_with_whom(folder: Path, tmp_path: Path) -> None:
    make_keys(tmp_path / "keys", ["127.0.0.1"], ["south", "east"])
    more = f'masked = true\npolicy = "updates"\npeers = "{tmp_path}/keys/sites"\n'
    said = written(folder, more + FEW)
    text = "\n".join(preview(said.site, proposal(said, folder / "study.toml")))
    assert "update, averages weights trained on its examples, under masks: the server reads everybody's mean" in text
    assert "keys of masks    for exchanges with pinned peers alone: east, south" in text


def test_a_proposal_does_not_paint_the_operators_terminal(folder: Path, asked: Requests) -> None:
    said = written(folder, FEW.replace("own", "paints"))
    answered(said.site, "hello", changed(asked["hello"][0], {"study": "\x1b[2J\rharmless\n"}), {})
    lines = list(preview(said.site, proposal(said, None)))
    assert lines[0] == "study '?[2J?harmless?' at 'north', whose policy is 'metrics'"
    assert all(line.isprintable() for line in lines)


def test_the_operator_reads_the_whole_error(folder: Path, tmp_path: Path) -> None:
    made(tmp_path, 120)
    (tmp_path / "north.csv").write_text((tmp_path / "north.csv").read_text().replace("age", "Age", 1))
    said = written(tmp_path, FEW)
    with pytest.raises(DataError, match=r"no column 'age'.*did you mean 'Age'"):
        list(preview(said.site, proposal(said, tmp_path / "study.toml")))


def test_data_that_changed_are_accepted_with_a_word(folder: Path, tmp_path: Path) -> None:
    made(tmp_path, 120)
    said = written(tmp_path, FEW)
    shown = proposal(said, tmp_path / "study.toml")
    accepted(said, shown)
    (tmp_path / "north.csv").write_text((tmp_path / "north.csv").read_text() + "x,50.0,3.0,emergency,sick\n")
    assert "its data have changed, and how answers differ" in accepted(said, shown)


def test_a_file_that_fixes_the_reading_accepts_no_other(tmp_path: Path) -> None:
    made(tmp_path, 120)
    said = written(tmp_path, FEW + 'columns = ["age"]\n')
    said.settled()
    assert proposal(said, None).study == "site.toml"
    with pytest.raises(Refused, match=r"^data\.columns: 'north' reads its data as its operator accepted"):
        accepted(said, proposal(said, tmp_path / "study.toml"))


def test_a_network_that_is_code_is_neither_read_nor_accepted(folder: Path, asked: Requests) -> None:
    said, canary = written(folder, FEW.replace("own", "code")), folder / "ran"
    (folder / "canary.py").write_text(f"from pathlib import Path\nPath({str(canary)!r}).touch()\ndef build(): ...\n")
    text = re.sub('backbone *= *"[a-z-]+"', 'backbone = "canary:build"', (folder / "study.toml").read_text())
    (folder / "code.toml").write_text(text)
    with pytest.raises(SettingError, match=r"model.backbone: code runs for the studies of its own user alone"):
        proposal(said, folder / "code.toml")
    answered(said.site, "hello", changed(asked["hello"][0], {"model": {"backbone": "canary:build"}}), {})
    with pytest.raises(Refused, match="runs no code and opens no file that a study names"):
        accepted(said, proposal(said, None))
    assert not canary.exists()
