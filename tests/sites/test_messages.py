"""What does not fit its class is refused by name: at the site as an error, at the server as that site's failure."""

import json
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any, get_args

import pytest
from pydantic import ValidationError

from headstart.core.errors import ClientError, SettingError
from headstart.data.agreement import Agreement
from headstart.data.settings import DataSettings
from headstart.data.standardize import ColumnSums
from headstart.models.spec import ModelSpec
from headstart.sites.answers import DUTIES, Kind, answer
from headstart.sites.counts import Count, Counted
from headstart.sites.messages import Adapt, Agree, Asks, Heads, Hello, Masks, Method, Setup, Stage, Start, Sums, Update
from headstart.sites.said import Agreed, Compared, Evaluated, Noisy, Present, Refusal
from headstart.sites.secure.messages import Keyed, Keys, Reveal, Revealed, Shared, Shares
from headstart.sites.site import Site
from headstart.sites.transport import Answer, Failed, Request, consult
from headstart.sites.wire import read, write

HASH, KEY = "0" * 32, "0" * 64
DATA = DataSettings(source="all.parquet", client="site", classes=("a", "b"), where={"site": ("north", "south")})
AGREEMENT = Agreement(classes=("a", "b"), columns=("age", "sex"), categories={"sex": ("f", "m")})
SETUP = Setup(data=DATA, agreement=AGREEMENT, model=ModelSpec(), dtype="float32", seed=0, digest=KEY, from_scratch=True)
STAGE = Stage(Method("fedavg", {"rounds": 3, "client_lr": 0.1, "trainable": "all"}), HASH)

REQUESTS: dict[Kind, Asks[Any]] = {
    "hello": Hello(DATA, "study", (0, 1)),
    "agree": Agree(DATA, AGREEMENT),
    "start": Start(KEY, ""),
    "keys": Keys(HASH),
    "shares": Shares(HASH, 3, 60, {"north": Keyed(KEY, KEY, KEY)}),
    "update": Update(SETUP, STAGE, 0),
    "reveal": Reveal(HASH, ("north", "south")),
    "adapt": Adapt(SETUP, Method("keep", {}), "accuracy", ("val", "test"), STAGE, 3, "0" * 64, HASH),
    "count": Count(((HASH, HASH), (HASH, HASH)), by_class=True),
    "sums": Sums(SETUP, 1.0, 10.0, Masks(HASH, {"north": "0" * 96})),
    "heads": Heads(SETUP, "accuracy", 1.0, 10.0),
}
SCORES = {"local": 0.5, "global": 0.5, "personal": 0.5, "lda": 0.5, "ncm": 0.5}
ANSWERS: dict[Kind, Any] = {
    "hello": Present("north", "0.1", "image", ("a", "b"), (), {}, (1, 8, 8), False, "updates", {"train": 3}),
    "agree": Agreed({"train": 3}, ColumnSums(3, (3, 2), (1.0, 2.0), (0.5, 0.0))),
    "start": DUTIES["start"].answer(),
    "keys": Keyed(KEY, KEY, KEY, "ab"),
    "shares": Shared({"north": "0" * 96}),
    "update": DUTIES["update"].answer(),
    "reveal": Revealed({"north": HASH}, {}),
    "adapt": Evaluated(True, {"test": {"accuracy": (0.5,)}}, {"test": {"accuracy": 0.5}}, ()),
    "count": Counted(
        (1,), (7,), (((7, 6), (3, 3)),), (((25, 12), (12, 10)),), (((13, 6), (6, 6)),), (((0, 5), (0, 0)),), 1
    ),
    "sums": Noisy(1.0),
    "heads": Compared(3, SCORES),  # type: ignore[arg-type]
}

WRONG_REQUESTS: dict[Kind, tuple[str, Any]] = {
    "hello": ("data.image_size", "large"),
    "agree": ("agreement.classes", "ab"),
    "start": ("digest", "../../etc/passwd"),
    "keys": ("exchange", "../outside"),
    "shares": ("keys.north.seal", "short"),
    "update": ("round", "0"),
    "reveal": ("alive", "all"),
    "adapt": ("setup.seed", 0.5),
    "count": ("runs", "all"),
    "sums": ("masks.sealed.north", "short"),
    "heads": ("setup.dtype", "float16"),
}
WRONG_ANSWERS: dict[Kind, tuple[str, Any]] = {
    "hello": ("policy", "all"),
    "agree": ("sums.rows", -1),
    "keys": ("signature", "abc"),
    "shares": ("sealed.north", "0"),
    "reveal": ("own.north", "../x"),
    "adapt": ("metrics.test.accuracy", 0.5),
    "count": ("kept_back", -1),
    "sums": ("noise", None),
    "heads": ("scores.global", "good"),
}
WITH_FIELDS: tuple[Kind, ...] = ("hello", "agree", "keys", "shares", "reveal", "adapt", "count", "sums", "heads")
"""Kinds whose answer says something."""


def _changed(message: object, path: str, value: Any) -> str:
    """Return a message as JSON, with one field changed."""
    table = json.loads(write(message))
    *way, last = path.split(".")
    place = table
    for each in way:
        place = place[each]
    place[last] = value
    return json.dumps(table)


def _without(message: object, field: str) -> str:
    return json.dumps({name: value for name, value in json.loads(write(message)).items() if name != field})


def _first(message: object) -> str:
    return str(next(iter(json.loads(write(message)))))


@pytest.fixture
def site(tmp_path: Path) -> Site:
    return Site("north", tmp_path / "north.parquet", tmp_path / "state")


def _came(kind: Kind, text: str) -> Answer[Any] | Failed:
    """Return what the server makes of an answer."""

    def ask(requests: Sequence[Request]) -> Iterator[Answer[str] | Failed]:
        yield Answer(requests[0].site, text, {})

    (found,) = consult(ask, [7], REQUESTS[kind])
    return found


@pytest.mark.parametrize("kind", DUTIES)
def test_a_request_is_read_as_it_was_written(kind: Kind) -> None:
    assert read(DUTIES[kind].request, write(REQUESTS[kind]), kind) == REQUESTS[kind]


@pytest.mark.parametrize("kind", DUTIES)
def test_an_answer_is_read_as_it_was_written(kind: Kind) -> None:
    found = _came(kind, write(ANSWERS[kind]))
    assert isinstance(found, Answer)
    assert (found.site, found.said) == (7, ANSWERS[kind])


def test_every_kind_has_its_duty() -> None:
    assert tuple(DUTIES) == get_args(Kind)


@pytest.mark.parametrize("kind", DUTIES)
def test_a_site_refuses_an_unknown_field(kind: Kind, site: Site) -> None:
    with pytest.raises(ClientError, match=f"^request '{kind}': field 'surprise' is unknown; run one version"):
        answer(site, kind, _changed(REQUESTS[kind], "surprise", 1), {})


@pytest.mark.parametrize("kind", DUTIES)
def test_a_site_refuses_a_missing_field(kind: Kind, site: Site) -> None:
    field = _first(REQUESTS[kind])
    with pytest.raises(ClientError, match=f"^request '{kind}': field '{field}' is missing; run one version"):
        answer(site, kind, _without(REQUESTS[kind], field), {})


@pytest.mark.parametrize(("kind", "field", "value"), [(k, *wrong) for k, wrong in WRONG_REQUESTS.items()])
def test_a_site_refuses_a_wrong_type(kind: Kind, field: str, value: Any, site: Site) -> None:
    with pytest.raises(ClientError, match=f"^request '{kind}': field '{field}' .*, received {value!r}$"):
        answer(site, kind, _changed(REQUESTS[kind], field, value), {})


@pytest.mark.parametrize(
    ("kind", "table"),
    [
        ("hello", "data"),
        ("agree", "agreement"),
        ("update", "setup.data"),
        ("update", "stage.method"),
        ("adapt", "method"),
        ("sums", "masks"),
        ("shares", "keys.north"),
    ],
)
def test_a_site_looks_into_tables_too(kind: Kind, table: str, site: Site) -> None:
    with pytest.raises(ClientError, match=f"field '{table}.surprise' is unknown"):
        answer(site, kind, _changed(REQUESTS[kind], f"{table}.surprise", 1), {})


@pytest.mark.parametrize("text", ["", "{", "[1]", "null", '"hello"'])
def test_a_site_refuses_what_is_no_table(text: str, site: Site) -> None:
    with pytest.raises(ClientError, match=r"^request 'hello': it "):
        answer(site, "hello", text, {})


@pytest.mark.parametrize("kind", DUTIES)
def test_at_the_server_an_unknown_field_is_the_sites_failure(kind: Kind) -> None:
    found = _came(kind, _changed(ANSWERS[kind], "surprise", 1))
    assert found == Failed(7, "its answer: field 'surprise' is unknown; run one version of Headstart on both sides")


@pytest.mark.parametrize("kind", WITH_FIELDS)
def test_at_the_server_a_missing_field_is_the_sites_failure(kind: Kind) -> None:
    field = _first(ANSWERS[kind])
    found = _came(kind, _without(ANSWERS[kind], field))
    assert found == Failed(7, f"its answer: field '{field}' is missing; run one version of Headstart on both sides")


@pytest.mark.parametrize(("kind", "field", "value"), [(k, *wrong) for k, wrong in WRONG_ANSWERS.items()])
def test_at_the_server_a_wrong_type_is_the_sites_failure(kind: Kind, field: str, value: Any) -> None:
    found = _came(kind, _changed(ANSWERS[kind], field, value))
    assert isinstance(found, Failed)
    assert found.reason.startswith(f"its answer: field '{field}' ")
    assert found.reason.endswith(f"received {value!r}")


def test_scores_of_some_heads_alone_are_refused() -> None:
    found = _came("heads", json.dumps({"examples": 3, "scores": {"local": 0.5}}))
    assert isinstance(found, Failed)
    assert "field 'scores' " in found.reason
    assert "must score every head: local, global, personal, lda, ncm" in found.reason


def test_a_refusal_is_the_sites_failure_with_its_own_words() -> None:
    assert _came("update", write(Refusal("no such file"))) == Failed(7, "no such file", how="refused")


@pytest.mark.parametrize(
    ("method", "error"),
    [
        (Method("fedavgg", {}), "federate: unknown method 'fedavgg'; did you mean 'fedavg'?"),
        (Method("fedavg", {"round": 3}), "round: unknown setting; did you mean 'rounds'?"),
        (Method("fedavg", {"rounds": "3"}), "rounds: must be a whole number, received '3'"),
    ],
)
def test_a_method_is_built_from_what_fits_alone(method: Method, error: str) -> None:
    with pytest.raises(SettingError) as found:
        method.build("federate")
    assert error in str(found.value)


@pytest.mark.parametrize("metric", ["os:getcwd", "ward.scores:cost", "acuracy"])
def test_a_site_takes_no_metric_but_those_that_come_along(metric: str) -> None:
    with pytest.raises(ValidationError, match="should be 'accuracy'"):
        Adapt(SETUP, Method("keep", {}), metric, ("val", "test"), STAGE, 3, "0" * 64, HASH)  # type: ignore[arg-type]
