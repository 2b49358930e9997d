"""Bad study files: each stops with a line that names setting, rule, value and way out; nothing is written."""

from __future__ import annotations

import inspect
import tomllib
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from headstart import Arm, Study, from_arrays
from headstart.core.errors import SettingError
from headstart.study.written.load import load_study

NAME = 'name = "demo"\n'
DATA = '[data]\nsource = "digits"\npartition = { method = "iid" }\n'
HEAD = NAME + DATA
ARMS = '[arms.fedavg]\nstart = "random"\n'


def arm(federate: str = "", adapt: str = "", start: str = '"random"') -> str:
    """Write a study with one arm."""
    stages = [
        f"start = {start}",
        f"federate = {federate}" if federate else "",
        f"adapt = {adapt}" if adapt else "",
    ]
    return HEAD + "[arms.fedavg]\n" + "\n".join(stages)


def fedavg(settings: str) -> str:
    """Write a study with one FedAvg arm."""
    return arm('{ method = "fedavg", ' + settings + " }")


# Study file; setting, rule, value received, way out.
BAD: dict[str, tuple[str, str, str, str, str]] = {
    # The file and its top level.
    "broken-toml": ("name = \n", "study.toml", "valid TOML", "line 1", "mend that line"),
    "key-twice": (NAME + NAME + DATA, "study.toml", "valid TOML", "line 2", "mend that line"),
    "no-name": (DATA, "name", "is required", "nothing", "add it"),
    "no-data": (NAME, "data", "is required", "nothing", "add it"),
    "empty-file": ("", "data", "is required", "nothing", "add it"),
    "name-is-a-number": ("name = 3\n" + DATA, "name", "must be text", "3", "in quotes"),
    "name-is-a-path": ('name = "../up"\n' + DATA, "name", "letters, digits", "'../up'", "give one that does"),
    "name-is-empty": ('name = ""\n' + DATA, "name", "letters, digits", "''", "give one that does"),
    "misspelt-table": (
        HEAD + "[decison]\nmin_effect = 0.1\n",
        "decison",
        "unknown setting",
        "0.1",
        "mean 'decision'",
    ),
    "misspelt-top-key": ("seed = 3\n" + HEAD, "seed", "unknown setting", "3", "mean 'seeds'"),
    # Seeds.
    "seeds-twice": ("seeds = [1, 2, 1]\n" + HEAD, "seeds", "distinct", "[1, 2, 1]", "second 1"),
    "seeds-negative": (
        "seeds = [0, -1]\n" + HEAD,
        "seeds[1]",
        "greater than or equal to 0",
        "-1",
        "give one that does",
    ),
    "seeds-none": ("seeds = []\n" + HEAD, "seeds", "at least one", "[]", "seeds = [0]"),
    "seeds-a-number": ("seeds = 5\n" + HEAD, "seeds", "must be a list", "5", "square brackets"),
    "seeds-text": ('seeds = ["0"]\n' + HEAD, "seeds[0]", "whole number", "'0'", "without quotes"),
    "seeds-a-fraction": ("seeds = [0.5]\n" + HEAD, "seeds[0]", "whole number", "0.5", "a count, not a share"),
    # Data.
    "data-is-text": (NAME + 'data = "digits"\n', "data", "must be a table", "'digits'", "[section]"),
    "no-source": (NAME + "[data]\nseed = 1\n", "data.source", "is required", "nothing", "add it"),
    "misspelt-data-key": (HEAD + "chanels = 3\n", "data.chanels", "unknown setting", "3", "mean 'channels'"),
    "group-beside-split": (
        HEAD + 'group = "patient"\n',
        *("data.group", "unknown setting", "'patient'", "setting of 'split': write split = { group = … }"),
    ),
    "misspelt-deep-key": (
        NAME + '[data]\nsource = "digits"\npartition = { method = "iid", num_client = 3 }\n',
        *("data.partition.num_client", "unknown setting", "3", "mean 'num_clients'"),
    ),
    "unknown-partition": (
        NAME + '[data]\nsource = "digits"\npartition = { method = "dirichlet" }\n',
        *("data.partition.method", "must be 'natural'", "'dirichlet'", "mean 'dirichlet_cl"),
    ),
    "held-out-all": (
        HEAD + "held_out_clients = 1.0\n",
        "data.held_out_clients",
        "share",
        "1.0",
        "up to but not",
    ),
    "held-out-text": (
        HEAD + 'held_out_clients = "0.2"\n',
        "data.held_out_clients",
        "a number",
        "'0.2'",
        "without quotes",
    ),
    "split-sum": (
        HEAD + "split = { train = 0.9, val = 0.2, test = 0.2 }\n",
        *("data.split", "sum to 1", "0.9 + 0.2 + 0.2", "change one"),
    ),
    "channels-two": (HEAD + "channels = 2\n", "data.channels", "must be 1 or 3", "2", "give one that does"),
    "central-empty": (
        HEAD + "central = {}\n",
        "data.central",
        "either source or fraction",
        "None",
        "give either",
    ),
    "missing-file": (
        NAME + '[data]\nsource = "no/such.parquet"\n',
        *("data.source", "existing file", "'no/such.parquet'", "correct the path"),
    ),
    "missing-central-file": (
        HEAD + 'central = { source = "pool.csv" }\n',
        *("data.central.source", "existing file", "'pool.csv'", "correct the path"),
    ),
    "variable-unset": (
        NAME + '[data]\nsource = "$HEADSTART_NOWHERE/x.csv"\n',
        *(
            "data.source",
            "HEADSTART_NOWHERE is not set",
            "'$HEADSTART_NOWHERE/x.csv'",
            "export HEADSTART_NOWHERE=",
        ),
    ),
    "data-variable-unset": (
        NAME + '[data]\nsource = "${HEADSTART_DATA}/x.csv"\n',
        *("data.source", "HEADSTART_DATA is not set", "'${HEADSTART_DATA}/x.csv'", "where to get them"),
    ),
    "source-not-finite": (
        HEAD + "held_out_clients = nan\n",
        "data.held_out_clients",
        "finite",
        "nan",
        "give another",
    ),
    # Model.
    "misspelt-model-key": (
        HEAD + '[model]\nbackbon = "mlp"\n',
        "model.backbon",
        "unknown",
        "'mlp'",
        "mean 'backbone'",
    ),
    "hidden-zero": (
        HEAD + "[model]\nhidden = [0]\n",
        "model.hidden[0]",
        "greater than 0",
        "0",
        "give one that does",
    ),
    "trainable-word": (
        HEAD + '[model]\ntrainable = "haed"\n',
        *("model.trainable", "'head' or 'all' or must be a whole number", "'haed'", "mean 'head'"),
    ),
    "missing-checkpoint": (
        HEAD + '[model]\nbackbone = "./resnet"\n',
        *("model.backbone", "existing file or folder", "'./resnet'", "correct the path"),
    ),
    # Devices.
    "device-unit": (
        HEAD + '[devices.clinic]\nmemory = "2 gigs"\n',
        *("devices.clinic.memory", "a size with a unit", "'2 gigs'", "'2 GB'"),
    ),
    "device-no-unit": (
        HEAD + "[devices.clinic]\nmemory = 2\n",
        "devices.clinic.memory",
        "unit",
        "2",
        '"2 MB"',
    ),
    "device-rate": (
        HEAD + '[devices.clinic]\nuplink = "3 MB"\n',
        *("devices.clinic.uplink", "a rate with a unit", "'3 MB'", "'1 Mbit/s'"),
    ),
    "device-key": (
        HEAD + '[devices.clinic]\nup_link = "none"\n',
        *("devices.clinic.up_link", "unknown setting", "'none'", "mean 'uplink'"),
    ),
    # Tuning, decision, evaluation, engine.
    "no-trials": (
        HEAD + "[tuning]\ntrials = 0\n",
        "tuning.trials",
        "greater than 0",
        "0",
        "give one that does",
    ),
    "unknown-baseline": (
        HEAD + '[decision]\nbaseline = "fedavgg"\n',
        *("decision.baseline", "one of the arms", "'fedavgg'", "mean 'fedavg'"),
    ),
    "baseline-not-an-arm": (
        HEAD + '[arms.local]\nstart = "random"\n[decision]\nbaseline = "fedavg"\n',
        *("decision.baseline", "one of the arms", "'fedavg'", "valid: local"),
    ),
    "unknown-metric": (
        HEAD + '[decision]\nmetric = "acuracy"\n',
        *("decision.metric", "must be a metric that comes along", "'acuracy'", "mean 'accuracy'"),
    ),
    "confidence-percent": (
        HEAD + "[decision]\nconfidence = 95\n",
        "decision.confidence",
        "less than 1",
        "95",
        "0.95",
    ),
    "confidence-half": (
        HEAD + "[decision]\nconfidence = 0.5\n",
        "decision.confidence",
        "than 0.5",
        "0.5",
        "0.95",
    ),
    "effect-negative": (
        HEAD + "[decision]\nmin_effect = -0.1\n",
        "decision.min_effect",
        "equal to 0",
        "-0.1",
        "0.02",
    ),
    "effect-percent": (
        HEAD + '[decision]\nmetric = "auroc"\nmin_effect = 2\n',
        "decision.min_effect",
        "must be a share of at most 1",
        "2",
        "0.02",
    ),
    "eval-never": (
        HEAD + "[evaluation]\neval_every = 0\n",
        "evaluation.eval_every",
        "greater than 0",
        "0",
        "give one that does",
    ),
    "half-precision": (
        HEAD + '[engine]\ndtype = "float16"\n',
        *("engine.dtype", "'float32' or 'float64'", "'float16'", "valid: float32"),
    ),
    "unknown-engine": (
        HEAD + '[engine]\nname = "gpu"\n',
        *("engine.name", "'fleet' or 'serial'", "'gpu'", "valid: fleet"),
    ),
    "bad-clients-percent": (
        HEAD + "[engine]\nmax_bad_clients = 50\n",
        *("engine.max_bad_clients", "less than or equal to 1", "50", "the default is 0.5"),
    ),
    # Training defaults.
    "training-key": (
        HEAD + "[training]\nbatchsize = 8\n",
        "training.batchsize",
        "unknown",
        "8",
        "mean 'batch_size'",
    ),
    "training-value": (
        HEAD + '[training]\noptimizer = "adamm"\n',
        *("training.optimizer", "must be 'sgd'", "'adamm'", "mean 'adam'"),
    ),
    # Arms.
    "arm-is-text": (
        HEAD + '[arms]\nfedavg = "fedavg"\n',
        "arms.fedavg",
        "must be a table",
        "'fedavg'",
        "[section]",
    ),
    "arm-name": (HEAD + '[arms."a/b"]\nstart = "random"\n', "arms.a/b", "letters, digits", "'a/b'", "rename"),
    "no-start": (
        HEAD + '[arms.fedavg]\nadapt = "keep"\n',
        "arms.fedavg.start",
        "is required",
        "nothing",
        "random",
    ),
    "misspelt-stage": (
        HEAD + ARMS + 'federated = "fedavg"\n',
        *("arms.fedavg.federated", "unknown stage", "'fedavg'", "mean 'federate'"),
    ),
    "unknown-start": (
        arm(start='"pretraind"'),
        *("arms.fedavg.start", "unknown method", "'pretraind'", "mean 'pretrained'"),
    ),
    "unknown-method": (
        arm('"fedavgg"'),
        "arms.fedavg.federate",
        "unknown method",
        "'fedavgg'",
        "mean 'fedavg'",
    ),
    "unknown-adapt": (arm(adapt='"lpft"'), "arms.fedavg.adapt", "unknown method", "'lpft'", "mean 'lp_ft'"),
    "method-of-another-stage": (arm('"keep"'), "arms.fedavg.federate", "unknown method", "'keep'", "valid: "),
    "stage-without-method": (
        arm("{ rounds = 3 }"),
        "arms.fedavg.federate",
        "method",
        "{'rounds': 3}",
        "valid: ",
    ),
    "stage-is-a-number": (arm("3"), "arms.fedavg.federate", "a method's name or a table", "3", "valid: "),
    "second-stage": (
        arm('["ridge", "fedadm"]'),
        *("arms.fedavg.federate[1]", "unknown method", "'fedadm'", "mean 'fedadam'"),
    ),
    "second-stage-value": (
        arm('["ridge", { method = "fedadam", rounds = 0 }]'),
        *("arms.fedavg.federate[1].rounds", "greater than 0", "0", "the default is 20"),
    ),
    "misspelt-setting": (
        fedavg("local_epoch = 2"),
        *("arms.fedavg.federate.local_epoch", "unknown setting", "2", "mean 'local_epochs'"),
    ),
    "rounds-negative": (
        fedavg("rounds = -3"),
        "arms.fedavg.federate.rounds",
        "greater than 0",
        "-3",
        "default is 20",
    ),
    "rounds-text": (
        fedavg('rounds = "3"'),
        "arms.fedavg.federate.rounds",
        "whole number",
        "'3'",
        "without quotes",
    ),
    "cohort-a-share": (
        fedavg("cohort_size = 0.1"),
        *("arms.fedavg.federate.cohort_size", "whole number", "0.1", "a count, not a share"),
    ),
    "dropout-one": (
        fedavg("client_dropout = 1.0"),
        *("arms.fedavg.federate.client_dropout", "less than 1", "1.0", "the default is 0.0"),
    ),
    "lr-zero": (
        fedavg("client_lr = 0.0"),
        "arms.fedavg.federate.client_lr",
        "greater than 0",
        "0.0",
        "default is 0.05",
    ),
    "lr-infinite": (
        fedavg("client_lr = inf"),
        "arms.fedavg.federate.client_lr",
        "finite",
        "inf",
        "give another",
    ),
    "balance-word": (
        fedavg('balance = "sample"'),
        *("arms.fedavg.federate.balance", "must be 'none'", "'sample'", "mean 'sampling'"),
    ),
    "accept-number": (
        arm(adapt='{ method = "lp_ft", accept = 1 }'),
        *("arms.fedavg.adapt.accept", "true or false", "1", "the default is True"),
    ),
    "pretrained-without-checkpoint": (
        arm(start='"pretrained"'),
        *("arms.fedavg.start", "trained weights", "'pretrained'", "set model.backbone"),
    ),
    "pretrain-without-pool": (
        arm(start='"pretrain"'),
        *("arms.fedavg.start", "labelled central pool", "'pretrain'", "[data.central]"),
    ),
}


def in_python(text: str) -> dict[str, Any] | None:
    """Return the arguments of ``Study`` that say what a study file says; None where Python has no word for it."""
    try:
        table = tomllib.loads(text)
    except tomllib.TOMLDecodeError:
        return None
    plain = {"source": "digits", "partition": {"method": "iid"}}
    arms, model, decision = (table.pop(name, {}) for name in ("arms", "model", "decision"))
    said = {**table.pop("tuning", {}), **model, **decision}
    known = table.pop("data", None) == plain and "name" in table and {*table, *said} <= PARAMETERS
    return {**table, **said, "arms": arms} if known and all(map(_is_arm, arms.values())) else None


def _is_arm(table: object) -> bool:
    return isinstance(table, dict) and "start" in table and table.keys() <= {"start", "federate", "adapt"}


def by_file(text: str) -> None:
    Path("study.toml").write_text(text)
    load_study("study.toml")


def by_python(text: str) -> None:
    said = in_python(text)
    assert said is not None
    arms = [Arm(name, **table) for name, table in said.pop("arms").items()]
    Study(from_arrays(np.eye(12), np.arange(12) % 2, clients=np.arange(12) % 3), arms, **said)


PARAMETERS = set(inspect.signature(Study.__init__).parameters)
ROADS = [(case, by_file) for case in BAD] + [(case, by_python) for case in BAD if in_python(BAD[case][0]) is not None]
SAID = pytest.mark.parametrize(("case", "road"), ROADS, ids=[f"{road.__name__}-{case}" for case, road in ROADS])


@pytest.fixture(autouse=True)
def empty_folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Start in an empty folder, on a machine without data sets."""
    monkeypatch.delenv("HEADSTART_DATA", raising=False)
    monkeypatch.chdir(tmp_path)


def complaint(case: str, road: Callable[[str], None]) -> list[str]:
    with pytest.raises(SettingError) as caught:
        road(BAD[case][0])
    return str(caught.value).splitlines()


@SAID
def test_message_names_setting_rule_value_and_way_out(case: str, road: Callable[[str], None], tmp_path: Path) -> None:
    _, setting, rule, value, way_out = BAD[case]
    line = next(line for line in complaint(case, road) if line.startswith(f"{setting}:"))
    assert [part for part in (rule, value, way_out) if part not in line.removeprefix(setting)] == []
    assert [path.name for path in tmp_path.iterdir()] == ["study.toml"] * (road is by_file)


@SAID
def test_one_mistake_is_one_line(case: str, road: Callable[[str], None]) -> None:
    assert len(complaint(case, road)) == (2 if case == "empty-file" else 1)


@pytest.mark.parametrize("case", [case for case, road in ROADS if road is by_python])
def test_both_roads_say_the_same(case: str) -> None:
    assert complaint(case, by_python) == complaint(case, by_file)


def test_python_has_words_for_much_of_a_study_file() -> None:
    said = {case for case, road in ROADS if road is by_python}
    assert {"seeds-twice", "unknown-metric", "training-key", "device-key", "unknown-baseline", "no-trials"} <= said
    assert len(said) >= 45


def test_a_federation_made_in_python_is_no_source_of_a_file() -> None:
    with pytest.raises(SettingError, match=r"^data\.source: .*received 'python:ab'.*give the federation to"):
        by_file(NAME + '[data]\nsource = "python:ab"\n')


def test_two_arms_of_one_name_are_refused() -> None:
    federation = from_arrays(np.eye(12), np.arange(12) % 2, clients=np.arange(12) % 3)
    with pytest.raises(SettingError, match=r"^arms\.fedavg: must be said once, received two .*; rename one$"):
        Study(federation, [Arm("fedavg", "random"), Arm("fedavg", "random", "fedavg")])


def test_two_mistakes_are_two_lines(tmp_path: Path) -> None:
    path = tmp_path / "study.toml"
    path.write_text("seeds = 5\n" + HEAD + "[tuning]\ntrials = 0\n")
    with pytest.raises(SettingError) as caught:
        load_study(path)
    assert [line.split(":")[0] for line in str(caught.value).splitlines()] == ["seeds", "tuning.trials"]


def test_missing_study_file(tmp_path: Path) -> None:
    with pytest.raises(SettingError, match=r"^study file: must exist, received '.*none.toml'; check the path$"):
        load_study(tmp_path / "none.toml")


def test_study_file_is_a_folder(tmp_path: Path) -> None:
    with pytest.raises(SettingError, match=r"^study file: must be a readable text file"):
        load_study(tmp_path)


def test_study_file_in_another_encoding(tmp_path: Path) -> None:
    path = tmp_path / "study.toml"
    path.write_bytes('name = "é"'.encode("latin-1"))
    with pytest.raises(SettingError, match=r"^study file: must be a readable text file in UTF-8"):
        load_study(path)
