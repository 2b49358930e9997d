"""What was accepted is what is answered: no walk over seeds, splits, columns, classes or agreements reads a row."""

import json
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from headstart.core.errors import ClientError
from headstart.data import resplit
from headstart.data.examples import Examples
from headstart.models.spec import ModelSpec
from headstart.sites.answers import Kind
from headstart.sites.settings import Minima
from headstart.sites.site import Site
from headstart.sites.terms import Terms, check_model
from headstart.study.written.load import StudyFile
from sites.attacked import Requests, answered, changed, lenient, made, ready, requests, site_of, sums_asked


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("terms")


@pytest.fixture(scope="module")
def file(folder: Path) -> StudyFile:
    return made(folder, 120)


@pytest.fixture(scope="module")
def asked(file: StudyFile, folder: Path) -> Requests:
    return requests(file, folder)


WALKS = {
    "seeds": [{"setup.seed": seed} for seed in range(60)],
    "splits": [
        {"setup.data.split": {"train": n / 100, "val": 0.2, "test": 0.8 - n / 100, "column": None, "group": None}}
        for n in range(20, 80)
    ],
    "limits": [{"setup.data.train_per_client": number} for number in range(1, 25)],
    "columns": [{"setup.data.columns": [name]} for name in ("age", "dose", "name", "ward", "label")],
    "classes": [{"setup.agreement.classes": list(names)} for names in (["sick"], ["well", "x"], ["well"])],
}


@pytest.mark.parametrize("walk", WALKS.values(), ids=WALKS.keys())
@pytest.mark.parametrize("kind", ["update", "sums", "heads", "adapt"])
def test_walking_is_refused_naming_the_setting(
    kind: Kind, walk: list[dict[str, Any]], file: StudyFile, folder: Path, asked: Requests
) -> None:
    site = ready(site_of(folder, state="walks"), file, asked)
    known = {*file.settings.seeds}
    for change in walk:
        said, sent = answered(site, kind, changed(asked[kind][0], change), asked[kind][1])
        allowed = change.get("setup.seed") in known
        assert ("error" in said) != allowed
        assert allowed or not sent


def rows_read(site: Site, file: StudyFile, asked: Requests, seeds: range) -> int:
    """Return how many of a site's rows its sums at many seeds tell, to whoever knows which rows each seed draws."""
    read = site.read(file.data)
    taken, told = [], []
    for seed in seeds:
        kind, text = sums_asked(asked, "ridge", **{"setup.seed": seed})
        said, sent = answered(site, kind, text, asked[kind][1])
        if "error" not in said:
            (client,) = resplit(read, seed).clients
            taken.append(np.isin(np.arange(len(read.examples)), client.train).astype(float))
            told.append(sent["moment"][:-1].numpy())
    return sum(_rows_of(label, np.array(taken), np.array(told), read.examples) for label in (0, 1)) if taken else 0


def _rows_of(label: int, taken: np.ndarray, told: np.ndarray, examples: Examples) -> int:
    """Solve for the rows of one class, whose sums are told apart."""
    own = examples.labels == label
    found = np.linalg.lstsq(taken[:, own], told[:, :, label], rcond=1e-9)[0]
    return int((np.abs(found - examples.inputs[own]).max(1) < 1e-2).sum())


def test_walking_seeds_reads_no_row(tmp_path: Path) -> None:
    file = made(tmp_path, 40)
    asked = requests(file, tmp_path)
    site = ready(site_of(tmp_path), file, asked)
    assert rows_read(site, file, asked, range(80)) == 0
    # Where an operator accepts all these seeds, and sums of single examples, nothing stands in the way.
    many = replace(file, settings=replace(file.settings, seeds=tuple(range(64))))
    open_site = ready(lenient(site_of(tmp_path, state="open")), many, asked)
    assert rows_read(open_site, file, asked, range(80)) > 20


def test_seeds_that_tell_rows_together_are_refused_though_they_were_accepted(tmp_path: Path) -> None:
    file = made(tmp_path, 40)
    asked = requests(file, tmp_path)
    many = replace(file, settings=replace(file.settings, seeds=tuple(range(64))))
    site = ready(site_of(tmp_path), many, asked)
    said, _ = answered(site, *sums_asked(asked, "ridge"), {})
    assert "so few examples of a class that sums of all seeds would tell single ones" in said["error"]
    assert rows_read(site, file, asked, range(80)) == 0


def test_names_beyond_the_agreed_are_refused(file: StudyFile, folder: Path, asked: Requests) -> None:
    site = ready(site_of(folder, state="names"), file, asked)
    for change, words in (
        ({"setup.agreement.columns": ["age", "dose", "name"]}, "'north' has no column 'name' that it learns from"),
        ({"setup.agreement.classes": ["sick", "x"]}, "agreement.classes: must hold all classes of 'north'"),
        ({"setup.agreement.categories": {"ward": ["x", "y"]}}, "'north' lets those of other columns leave"),
        ({"setup.agreement.missing": ["age"]}, "'north' was not asked to say where those columns are empty"),
    ):
        said, _ = answered(site, "update", changed(asked["update"][0], change), asked["update"][1])
        assert words in said["error"] or "agreement.categories" in said["error"]


def test_agreements_do_not_change_for_ever(file: StudyFile, folder: Path, asked: Requests, tmp_path: Path) -> None:
    site = ready(site_of(folder, state=f"agreements/{tmp_path.name}"), file, asked)
    said = []
    for number in range(12):
        classes = ["sick", "well", *(f"class {n}" for n in range(number))]
        text = changed(asked["agree"][0], {"agreement.classes": classes})
        said.append(answered(site, "agree", text, {})[0])
    assert [("error" in one) for one in said] == [False] * 10 + [True] * 2
    assert "has followed 10 different ones of this study" in said[-1]["error"]


def test_data_that_changed_are_not_answered_about(tmp_path: Path) -> None:
    file = made(tmp_path, 120)
    asked = requests(file, tmp_path)
    site = ready(site_of(tmp_path, minima=Minima()), file, asked)
    assert "error" not in answered(site, "update", *asked["update"])[0]
    lines = site.data.read_text().splitlines()
    site.data.write_text("\n".join(lines[:-1]) + "\n")
    for kind in ("hello", "agree", "adapt", "update", "sums", "heads"):
        said, _ = answered(site, kind, *asked[kind])
        assert said["error"].startswith("the data of 'north' have changed since its operator accepted the study")
    assert json.loads(asked["hello"][0])["study"] == file.settings.name


MODELS = [{"backbone": "evil/model"}, {"backbone": "/etc/ssl"}, {"backbone": "mlp", "hidden": [200_000, 200_000]}]


@pytest.mark.parametrize("model", [*MODELS, {"backbone": "mlp"}])
@pytest.mark.parametrize("kind", ["update", "sums", "heads", "adapt"])
def test_no_other_network_than_the_accepted_is_opened(
    kind: Kind, model: dict[str, Any], file: StudyFile, folder: Path, asked: Requests
) -> None:
    site = ready(site_of(folder, state="models"), file, asked)
    said, sent = answered(site, kind, changed(asked[kind][0], {f"setup.model.{k}": v for k, v in model.items()}), {})
    assert said["error"].startswith("model: 'north' runs the network that its operator accepted, and no other")
    assert not sent


@pytest.mark.parametrize("model", MODELS)
def test_where_none_was_accepted_a_network_is_built_in_and_no_giant(model: dict[str, Any], file: StudyFile) -> None:
    terms = Terms(study="s", data=file.data, seeds=(0,), classes=(), columns=(), content="")
    check_model(terms, ModelSpec(backbone="mlp"), "north")
    check_model(terms, ModelSpec(backbone="minilm"), "north")
    check_model(terms, ModelSpec(backbone="efficientnet-lite0"), "north")
    with pytest.raises(ClientError, match="model: 'north' runs the network"):
        check_model(terms, ModelSpec(**{**model, "hidden": tuple(model.get("hidden", ()))}), "north")


OWN = [
    {"backbone": "canary:build"},
    {"backbone": "mlp", "weights": "/etc/passwd"},
    {"backbone": "mlp", "tokenizer": "/etc"},
    {"backbone": "mlp", "head": "fc"},
]


@pytest.mark.parametrize("model", OWN)
@pytest.mark.parametrize("kind", ["update", "sums", "heads", "adapt"])
def test_a_site_imports_no_code_that_a_server_names(
    kind: Kind, model: dict[str, Any], file: StudyFile, folder: Path, asked: Requests, monkeypatch: pytest.MonkeyPatch
) -> None:
    canary = folder / "ran"
    (folder / "canary.py").write_text(f"from pathlib import Path\nPath({str(canary)!r}).touch()\ndef build(): ...\n")
    monkeypatch.chdir(folder)
    monkeypatch.syspath_prepend(folder)
    site = ready(site_of(folder, state="code"), file, asked)
    said, sent = answered(site, kind, changed(asked[kind][0], {f"setup.model.{k}": v for k, v in model.items()}), {})
    assert said["error"].startswith("model: 'north' runs no code and opens no file that a study names")
    assert not sent
    assert not canary.exists()


@pytest.mark.parametrize("model", OWN)
def test_no_code_runs_though_its_operator_accepted_it(model: dict[str, Any], file: StudyFile) -> None:
    spec = ModelSpec(**model)
    terms = Terms(study="s", data=file.data, seeds=(0,), classes=(), columns=(), content="", model=spec)
    with pytest.raises(ClientError, match="model: 'north' runs no code and opens no file that a study names"):
        check_model(terms, spec, "north")
