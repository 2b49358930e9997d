from __future__ import annotations

from pathlib import Path

import pytest

from headstart.core.errors import SettingError
from headstart.study.written.load import load_study, parse_study, resolve_path
from headstart.study.written.schema import study_hash

STUDY = """
name  = "cats-dogs"
seeds = [0, 1]

[data]
source = "$HEADSTART_PICTURES/cats.parquet"
client = "site"
split  = { train = 0.6, val = 0.2, test = 0.2 }
held_out_clients = 0.2
central = { source = "../pool.csv" }

[model]
backbone = "./checkpoint"

[devices.clinic]
memory = "2 GB"
uplink = "none"

[training]
batch_size = 16

[tuning]
trials = 8

[arms.finetune]
start = "pretrained"
adapt = { method = "lp_ft", head_epochs = 10, epochs = 5 }

[arms.fedavg]
start    = "random"
federate = { method = "fedavg", rounds = 50, cohort_size = 20, local_epochs = 1, client_lr = 0.05 }

[decision]
baseline   = "fedavg"
metric     = "balanced_accuracy"
min_effect = 0.01
confidence = 0.95
"""


@pytest.fixture
def study(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A study file with everything it names."""
    (tmp_path / "pictures").mkdir()
    (tmp_path / "pictures" / "cats.parquet").touch()
    (tmp_path / "pool.csv").touch()
    (tmp_path / "studies" / "checkpoint").mkdir(parents=True)
    monkeypatch.setenv("HEADSTART_PICTURES", str(tmp_path / "pictures"))
    path = tmp_path / "studies" / "study.toml"
    path.write_text(STUDY)
    return path


def test_everything_arrives(study: Path) -> None:
    loaded = load_study(study)
    assert (loaded.settings.name, loaded.settings.seeds, loaded.settings.tuning.trials) == (
        "cats-dogs",
        (0, 1),
        8,
    )
    assert (loaded.data.client, loaded.data.held_out_clients) == ("site", 0.2)
    assert [arm.name for arm in loaded.arms] == ["finetune", "fedavg"]
    assert loaded.arms[0].adapt.settings == {"head_epochs": 10, "epochs": 5, "batch_size": 16}
    assert (loaded.devices[0].name, loaded.devices[0].memory, loaded.devices[0].uplink) == ("clinic", 2e9, 0)
    assert (loaded.text, loaded.folder) == (STUDY, study.parent)


def test_paths_start_at_the_study_file(study: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir("/")
    loaded, root = load_study(study), study.parent.parent
    assert loaded.data.source == str(root / "pictures" / "cats.parquet")
    assert loaded.data.central is not None
    assert loaded.data.central.source == str(root / "pool.csv")
    assert loaded.model.backbone == str(root / "studies" / "checkpoint")


def test_settings_stay_as_written(study: Path) -> None:
    settings = load_study(study).settings
    assert settings.data.source == "$HEADSTART_PICTURES/cats.parquet"
    assert settings.model.backbone == "./checkpoint"


def test_hash_does_not_depend_on_where_the_files_lie(
    study: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    before = study_hash(load_study(study).settings)
    (tmp_path / "pictures").rename(tmp_path / "moved")
    monkeypatch.setenv("HEADSTART_PICTURES", str(tmp_path / "moved"))
    assert study_hash(load_study(study).settings) == before


@pytest.mark.parametrize("source", ["digits", "glyphs", "hub:mnist", "hub:a/b:config"])
def test_names_that_are_no_paths_stay(source: str) -> None:
    assert parse_study({"name": "demo", "data": {"source": source}}, Path("/nowhere")).data.source == source


@pytest.mark.parametrize("backbone", ["small-cnn", "mlp", "microsoft/resnet-18"])
def test_backbones_that_are_no_paths_stay(backbone: str) -> None:
    table = {"name": "demo", "data": {"source": "digits"}, "model": {"backbone": backbone}}
    assert parse_study(table, Path("/nowhere")).model.backbone == backbone


def test_no_arms_means_the_standard_slate() -> None:
    assert parse_study({"name": "demo", "data": {"source": "digits"}}, Path()).arms == ()


def test_a_pool_without_labels_is_nothing_to_pretrain_on() -> None:
    table = {
        "name": "demo",
        "data": {"source": "digits", "central": {"source": "glyphs", "unlabelled": True}},
        "arms": {"fedavg": {"start": "pretrain"}},
    }
    with pytest.raises(SettingError, match=r"^arms\.fedavg\.start: needs a labelled central pool"):
        parse_study(table, Path())


@pytest.mark.parametrize("written", ["$HEADSTART_HERE/a.csv", "${HEADSTART_HERE}/a.csv", "a.csv", "./a.csv"])
def test_ways_to_write_a_path(written: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "a.csv").touch()
    monkeypatch.setenv("HEADSTART_HERE", str(tmp_path))
    assert resolve_path("data.source", written, tmp_path) == str(tmp_path / "a.csv")


@pytest.mark.parametrize("written", ["$HOME/a.csv", "${SECRET}", "$SECRET/$HEADSTART_HERE", "$(SECRET)", "%SECRET%"])
def test_a_study_file_reads_no_other_variable(written: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A study file may be a stranger's: neither a path nor a message may tell what a variable holds."""
    monkeypatch.setenv("HEADSTART_HERE", str(tmp_path / "hidden"))
    monkeypatch.setenv("SECRET", "token-1234")
    with pytest.raises(SettingError) as error:
        parse_study({"name": "demo", "data": {"source": written}}, tmp_path)
    assert "token-1234" not in str(error.value)
    assert "hidden" not in str(error.value)
    assert repr(written) in str(error.value)
    assert "\n" not in str(error.value)


def test_a_variable_of_another_name_is_part_of_a_path(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("SECRET", "other")
    (tmp_path / "$SECRET").touch()
    found = parse_study({"name": "demo", "data": {"source": "$SECRET"}}, tmp_path)
    assert found.data.source == str(tmp_path / "$SECRET")


@pytest.mark.parametrize("text", ["a = " + "[" * 50_000, "a" + ".b" * 100_000 + " = 1", "\n" * 2**21])
def test_a_study_file_too_deep_or_too_long_is_one_line(text: str, tmp_path: Path) -> None:
    (tmp_path / "study.toml").write_text(text)
    with pytest.raises(SettingError, match=r"study\.toml") as error:
        load_study(tmp_path / "study.toml")
    assert "\n" not in str(error.value)


POOL = {"data": {"source": "digits", "central": {"source": "glyphs"}}}
CHECKPOINT = {"data": {"source": "digits"}, "model": {"backbone": "microsoft/resnet-18"}}
NOTHING = {"data": {"source": "digits"}}
FEDAVG = {"start": "random", "federate": "fedavg"}


@pytest.mark.parametrize(
    ("table", "expected"),
    [
        (NOTHING, "fedavg"),
        (POOL, "fedavg-pretrained"),
        (CHECKPOINT, "fedavg-pretrained"),
        ({**POOL, "decision": {"baseline": "fedavg"}}, "fedavg"),
        ({**POOL, "arms": {"fedavg": FEDAVG}}, "fedavg"),
        (
            {**POOL, "arms": {"fedavg": FEDAVG, "fedavg-pretrained": {**FEDAVG, "start": "pretrain"}}},
            "fedavg-pretrained",
        ),
    ],
)
def test_the_baseline_has_the_good_start_if_there_is_one(table: dict, expected: str, tmp_path: Path) -> None:
    """Federated averaging from random weights is no yardstick where better ones are at hand."""
    assert parse_study({"name": "a", **table}, tmp_path).settings.decision.baseline == expected
