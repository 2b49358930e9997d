"""No cell of a site's data leaves it: in no answer, in no error, under no policy, whatever a hostile server asks."""

import json
import logging
from pathlib import Path
from typing import Any, get_args

import pytest

from headstart.core.errors import HeadstartError
from headstart.data.settings import DataSettings
from headstart.sites.answers import DUTIES, Kind
from headstart.sites.settings import Policy
from headstart.sites.site import Site
from headstart.sites.terms import Accepted, Terms
from headstart.study.written.load import StudyFile
from sites.attacked import Requests, answered, changed, made, ready, requests, site_of

HOSTILE: dict[str, dict[str, Any]] = {
    "the names as categories": {"columns": ["name"], "one_hot": ["name"]},
    "the names as categories beside others": {"columns": ["age", "name"], "one_hot": ["name"]},
    "the names as classes": {"label": "name"},
    "the names as classes for sure": {"label": "name", "task": "classification"},
    "other classes": {"classes": ["x", "y"]},
    "the names as numbers": {"columns": ["name"]},
    "the names as splits": {"split": {"train": 0.6, "val": 0.2, "test": 0.2, "column": "name", "group": None}},
    "the names as groups": {"split": {"train": 0.6, "val": 0.2, "test": 0.2, "column": None, "group": "name"}},
    "the names as ids": {"id": "name"},
    "the wards as ids": {"id": "ward"},
    "the names as pictures": {"image": "name"},
    "the names as texts": {"text": "name"},
    "the ages as classes": {"label": "age"},
    "another decimal sign": {"decimal": ","},
    "another delimiter": {"delimiter": "4"},
    "another encoding": {"encoding": "utf-16"},
    "dropped rows": {"missing": "drop", "missing_words": ["emergency"]},
}
IN_EXCHANGES = ("keys", "shares", "reveal")
WITH_DATA: tuple[Kind, ...] = tuple(kind for kind in DUTIES if kind not in ("start", "count", *IN_EXCHANGES))


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("CANARY-folder")


@pytest.fixture(scope="module")
def file(folder: Path) -> StudyFile:
    return made(folder, 120)


@pytest.fixture(scope="module")
def asked(file: StudyFile, folder: Path) -> Requests:
    return requests(file, folder)


@pytest.fixture(scope="module")
def sites(file: StudyFile, folder: Path, asked: Requests) -> dict[str, Site]:
    """One site of each policy that has accepted the study."""
    policies = get_args(Policy)
    return {policy: ready(site_of(folder, policy=policy, state=f"by/{policy}"), file, asked) for policy in policies}


def with_data(kind: Kind, text: str, change: dict[str, Any]) -> str:
    """Return a request whose data are read otherwise."""
    path = "data" if kind in ("hello", "agree") else "setup.data"
    return changed(text, {f"{path}.{name}": value for name, value in change.items()})


def holds_no_cell(said: Any, folder: Path) -> bool:
    """Say whether nothing that was said has a mark of a cell, or of a file, in it."""
    text = json.dumps(said)
    cells = [cell for line in (folder / "north.csv").read_text().splitlines()[1:] for cell in line.split(",")]
    return not any(cell in text for cell in cells if cell not in ("sick", "well")) and "CANARY" not in text


@pytest.mark.parametrize("policy", get_args(Policy))
@pytest.mark.parametrize("change", HOSTILE.values(), ids=HOSTILE.keys())
@pytest.mark.parametrize("kind", WITH_DATA)
def test_a_hostile_reading_is_refused_and_no_cell_is_told(
    kind: Kind, change: dict[str, Any], policy: str, folder: Path, asked: Requests, sites: dict[str, Site]
) -> None:
    said, sent = answered(sites[policy], kind, with_data(kind, asked[kind][0], change), asked[kind][1])
    assert "error" in said
    assert not sent
    assert holds_no_cell(said, folder)


@pytest.mark.parametrize("change", HOSTILE.values(), ids=HOSTILE.keys())
@pytest.mark.parametrize("kind", WITH_DATA)
def test_what_reads_the_data_quotes_cells_to_the_operator_alone(
    kind: Kind, change: dict[str, Any], file: StudyFile, folder: Path, asked: Requests, tmp_path: Path
) -> None:
    """Even an operator who accepted such a reading, and lists the column, sends no cell of it in an error."""
    site = ready(site_of(folder, one_hot=("name",), state=f"lax/{tmp_path.name}"), file, asked)
    tables = {name: value for name, value in change.items() if name != "split"}
    data = DataSettings(**{**vars(file.data), **{n: tuple(v) if isinstance(v, list) else v for n, v in tables.items()}})
    if "split" in change:
        data = DataSettings(**{**vars(data), "split": type(data.split)(**change["split"])})
    for path in (site.state / "accepted").glob("*.json"):
        path.unlink()
    content = Accepted(site.state).content(site.data)
    terms = Terms(study="lax", data=data, seeds=(0,), classes=(), columns=("age", "dose", "name"), content=content)
    Accepted(site.state).put(terms)
    text = changed(asked[kind][0], {"seeds": [0]} if kind == "hello" else {})
    said, _ = answered(site, kind, with_data(kind, text, change), asked[kind][1])
    told = said if "error" in said else {**said, "classes": []}
    assert holds_no_cell(told, folder)


@pytest.mark.parametrize("kind", DUTIES)
@pytest.mark.parametrize("policy", get_args(Policy))
def test_an_honest_request_tells_no_cell_under_any_policy(
    policy: str, kind: Kind, folder: Path, asked: Requests, sites: dict[str, Site]
) -> None:
    site = sites[policy]
    for each in dict.fromkeys(("adapt", kind)):
        said, sent = answered(site, each, *asked[each])  # type: ignore[arg-type]
    assert holds_no_cell(said, folder)
    assert not (sent and policy in ("none", "counts", "metrics"))


@pytest.mark.parametrize("kind", DUTIES)
def test_before_its_operator_looked_a_site_says_nothing_but_that(
    kind: Kind, folder: Path, asked: Requests, tmp_path: Path
) -> None:
    site = site_of(folder, state=f"waits/{tmp_path.name}")
    said, sent = answered(site, kind, *asked[kind])
    assert not sent
    if kind == "hello":
        assert "'north' waits for its operator, who can look at the study with 'headstart fed" in said["error"]
    assert set(said) <= {"error", "client", "noise", "val"}
    assert holds_no_cell(said, folder)


def test_the_sites_own_log_says_what_the_server_is_not_told(
    file: StudyFile, folder: Path, asked: Requests, caplog: pytest.LogCaptureFixture
) -> None:
    site = ready(site_of(folder, state="logs"), file, asked)
    with caplog.at_level(logging.WARNING, "headstart"):
        text = changed(asked["update"][0], {"setup.agreement.classes": ["sick", "well"], "setup.digest": "1" * 64})
        said, _ = answered(site, "update", text, {})
    assert "the model 111111111111 was not received" in said["error"]
    assert "the model 111111111111 was not received" in caplog.text


def test_malformed_cells_are_quoted_to_the_operator_and_to_nobody_else(folder: Path, asked: Requests) -> None:
    site = site_of(folder, "broken", "broken")
    site.data.write_text(
        (folder / "north.csv").read_text().replace("\n", "\nCANARY-x,CANARY-age,3.0,emergency,sick\n", 1)
    )
    with pytest.raises(HeadstartError, match="CANARY-age"):
        site.read(DataSettings(**{**asdict_of(asked), "source": "x"}))
    said, _ = answered(site, "hello", *asked["hello"])
    assert holds_no_cell(said, folder)


def asdict_of(asked: Requests) -> dict[str, Any]:
    """Return the study's settings as far as this test needs them."""
    data = json.loads(asked["hello"][0])["data"]
    return {"label": data["label"], "columns": tuple(data["columns"]), "standardize": data["standardize"]}
