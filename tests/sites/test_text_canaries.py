"""No text of a site leaves it, nor a word of one, nor how long one is; no other network is opened than its own."""

import json
from dataclasses import replace
from pathlib import Path
from typing import Any, get_args

import pytest
import torch

from headstart.sites import site as sites_of_data
from headstart.sites.answers import DUTIES, Kind
from headstart.sites.settings import Policy
from headstart.sites.site import Site
from headstart.study.written.load import StudyFile
from sites.attacked import EXCHANGE, Listening, Requests, answered, changed, lenient, ready
from sites.in_process import accept, arm_of, opened, run_arm, sites_of
from sites.text_sites import NAMES, letters, write_letters

HOSTILE: dict[str, dict[str, Any]] = {
    "the texts as classes": {"label": "letter"},
    "the texts as classes for sure": {"label": "letter", "task": "classification"},
    "the texts as ids": {"id": "letter"},
    "the texts as splits": {"split": {"train": 0.6, "val": 0.2, "test": 0.2, "column": "letter", "group": None}},
    "the texts as groups": {"split": {"train": 0.6, "val": 0.2, "test": 0.2, "column": None, "group": "letter"}},
    "the texts as categories": {"text": None, "columns": ["letter"], "one_hot": ["letter"]},
    "the texts as pictures": {"text": None, "image": "letter"},
    "the texts as a table": {"text": None},
    "empty texts as an error": {"missing": "error"},
}
MODELS: dict[str, dict[str, Any]] = {
    "another folder": {"backbone": "/etc/ssl"},
    "a name of the Hub": {"backbone": "evil/encoder"},
    "what a package carries": {"backbone": "minilm"},
    "fewer tokens": {"max_tokens": 3},
    "the first token alone": {"pooling": "cls"},
}
WITH_MODEL: tuple[Kind, ...] = ("update", "adapt", "sums", "heads")


def marked(site: int) -> list[dict[str, str | None]]:
    """Return texts with words that no encoder knows, each of one text."""
    return [
        {**row, "letter": row["letter"] and f"{row['letter']} zq{site}x{number:03}w"}
        for number, row in enumerate(letters(site))
    ]


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("letters")


@pytest.fixture(scope="module")
def file(folder: Path) -> StudyFile:
    return write_letters(folder, rows={name: marked(number) for number, name in enumerate(NAMES)})


@pytest.fixture(scope="module")
def asked(file: StudyFile, folder: Path) -> Requests:
    """What an honest run asks its first site."""
    ask = Listening(sites_of(folder, folder / "honest", NAMES, policy="updates"))
    run_arm(opened(file, ask, folder / "out"), arm_of(file, "fedavg"))
    setup = json.loads(ask.heard["update"][0])["setup"]
    probe = {"setup": setup, "noise": 0.0, "bound": 10.0}
    heads = {f"{name}/head.{part}": torch.zeros(shape) for name in ("ridge", "lda", "ncm") for part, shape in HEAD}
    run = json.loads(ask.heard["adapt"][0])["run"]
    return {
        **EXCHANGE,
        "agree": (json.dumps({"data": setup["data"], "agreement": setup["agreement"]}), {}),
        "count": (json.dumps({"runs": [[run]], "by_class": True}), {}),
        "sums": (json.dumps({**probe, "masks": None}), {}),
        "heads": (json.dumps({**probe, "metric": "accuracy"}), heads),
        **ask.heard,
    }


HEAD = (("weight", (2, 8)), ("bias", (2,)))


def site_of(folder: Path, state: str, policy: str = "updates") -> Site:
    return lenient(sites_of(folder, folder / state, NAMES[:1], policy=policy)[0])


def tells_no_word(said: Any) -> bool:
    text = json.dumps(said)
    return "zq0x" not in text and not any((row["letter"] or "zq0x") in text for row in marked(0))


@pytest.mark.parametrize("policy", get_args(Policy))
def test_what_leaves_has_no_word_in_it_and_no_length(
    policy: str, file: StudyFile, folder: Path, asked: Requests
) -> None:
    site = ready(site_of(folder, f"by/{policy}", policy), file, asked)
    for kind in ("hello", "agree", "adapt", *DUTIES):
        said, sent = answered(site, kind, *asked[kind])  # type: ignore[arg-type]
        assert tells_no_word(said)
        assert set(sent) <= {"head.weight", "head.bias"} or kind == "sums"
    assert "error" not in answered(site, "hello", *asked["hello"])[0]


@pytest.mark.parametrize("change", HOSTILE.values(), ids=HOSTILE.keys())
@pytest.mark.parametrize("kind", ["hello", "agree", *WITH_MODEL])
def test_a_hostile_reading_is_refused_and_no_word_is_told(
    kind: Kind, change: dict[str, Any], file: StudyFile, folder: Path, asked: Requests
) -> None:
    site = ready(site_of(folder, "hostile"), file, asked)
    path = "data" if kind in ("hello", "agree") else "setup.data"
    text = changed(asked[kind][0], {f"{path}.{name}": value for name, value in change.items()})
    said, sent = answered(site, kind, text, asked[kind][1])
    assert "error" in said
    assert tells_no_word(said)
    assert not sent


@pytest.mark.parametrize("change", MODELS.values(), ids=MODELS.keys())
@pytest.mark.parametrize("kind", WITH_MODEL)
def test_no_network_is_opened_but_the_sites_own(
    kind: Kind, change: dict[str, Any], file: StudyFile, folder: Path, asked: Requests, monkeypatch: pytest.MonkeyPatch
) -> None:
    site = ready(site_of(folder, "models"), file, asked)
    monkeypatch.setattr(sites_of_data, "with_tokens", lambda *_: pytest.fail("a tokenizer was looked for"))
    text = changed(asked[kind][0], {f"setup.model.{name}": value for name, value in change.items()})
    said, sent = answered(site, kind, text, asked[kind][1])
    assert said["error"].startswith("model: 'clinic' runs the network that its operator accepted, and no other")
    assert not sent


def test_no_update_leaves_whose_rows_are_words(file: StudyFile, folder: Path, asked: Requests) -> None:
    site = ready(site_of(folder, "words"), file, asked)
    everything = {"name": "fedavg", "settings": {"rounds": 2, "client_lr": 0.1, "trainable": "all"}}
    said, sent = answered(site, "update", changed(asked["update"][0], {"stage.method": everything}), {})
    assert "'clinic' sends no update of 'blocks.0.embeddings." in said["error"]
    assert not sent


def test_bytes_that_are_no_text_are_for_the_operator_alone(file: StudyFile, folder: Path, asked: Requests) -> None:
    import pyarrow as pa
    import pyarrow.parquet as pq

    site = replace(site_of(folder, "broken"), data=folder / "broken.parquet")
    rows = [{**row, "letter": f"{row['letter']} é".encode("latin-1")} for row in marked(0)]
    pq.write_table(pa.Table.from_pylist(rows), site.data)
    accept(file, [site])
    said, _ = answered(site, "hello", *asked["hello"])
    assert "error" in said
    assert tells_no_word(said)


def test_texts_are_cut_into_tokens_once(
    file: StudyFile, folder: Path, asked: Requests, monkeypatch: pytest.MonkeyPatch
) -> None:
    site, cut = ready(site_of(folder, "once"), file, asked), []
    real = sites_of_data.with_tokens
    monkeypatch.setattr(sites_of_data, "with_tokens", lambda *given: cut.append(given) or real(*given))
    for kind in (*WITH_MODEL, *WITH_MODEL):
        assert "error" not in answered(site, kind, *asked[kind])[0]
    assert len(cut) == 1
