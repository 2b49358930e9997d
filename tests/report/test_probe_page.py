"""A probe's page: the answer first, every client and head, who was left out; sound, of one file, and safe."""

import json
from pathlib import Path
from typing import Any

import pytest

from headstart.core.damage import Damaged
from headstart.core.errors import SettingError
from headstart.core.files import append_json_line, write_json
from headstart.report import write_report
from headstart.report.network_lines import NETWORK
from headstart.report.probe import is_probe, load_probe
from headstart.report.probe_page import write_probe

from .browser import needs_chromium, ran
from .test_page import Tree

FOUND: dict[str, Any] = {
    "study": "hearts <b>",
    "run": "1",
    "verdict": "unsure",
    "means": {"local": 0.8, "global": 0.9, "personal": 0.85, "lda": 0.7, "ncm": 0.6},
    "ceiling": 0.1,
    "interval": [-0.02, 0.3],
    "confidence": 0.95,
    "clients": 2,
    "claims_significance": False,
    "prediction": None,
    "scores": {
        "<script>alert(1)</script>": {
            "examples": 9,
            "local": 0.8,
            "global": 0.9,
            "personal": 0.85,
            "lda": 0.7,
            "ncm": 0.6,
        },
        "🏥 " + "y" * 200: {"examples": 0},
    },
    "skew": None,
    "shift": 0.1,
    "logme": None,
    "penalty": 10.0,
    "bytes_up": 2856,
    "bytes_down": 1560,
    "min_effect": 0.02,
    "secure": False,
    "noise": 0.0,
    "bound": 10.0,
    "senders": [],
    "epsilon": None,
    "delta": 1e-5,
    "left_out": {"\u202elate": "it did not answer within 5 s <img src=x>"},
    "seconds": 1.5,
}


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    return written(tmp_path / "probe")


def written(folder: Path, **said: Any) -> Path:
    folder.mkdir()
    write_json(folder / "probe.json", {**FOUND, **said})
    for run in ("1", "before"):
        site = {"how": "answered", "reason": "", "down": 10, "up": 5, "again": 0, "noise": 0.0}
        one = {"what": "sums", "run": run, "data": "d", "seconds": 1.0, "masks": False, "clients": {"north": site}}
        append_json_line(folder / NETWORK, one)
    return folder


def test_the_page_is_sound_and_says_it_all(folder: Path) -> None:
    (path,) = write_report(folder)
    page, tree = path.read_text(), Tree()
    tree.feed(page)
    assert path.name == "report.html"
    assert not tree.open
    assert len(tree.ids) == len(set(tree.ids))
    assert {target.removeprefix("#") for target in tree.targets} <= set(tree.ids)
    for words in (
        "<h1>Unsure</h1>",
        "+10.0\N{NO-BREAK SPACE}pp of balanced accuracy",
        "95% interval",
        "so few clients",
        "1 client was left out",
        "not told",
        "Nothing is foretold",
        "There were no masks",
        "1 exchange with 1 client",
    ):
        assert words in page, words


def test_names_and_reasons_stay_words(folder: Path) -> None:
    page, words, data = (path.read_text() for path in write_report(folder, formats=("html", "md", "json")))
    for text in (page, words):
        assert "<img" not in text
        assert "<script>alert" not in text
        assert "\u202e" not in text
        assert "y" * 200 in text
    assert "hearts &lt;b&gt;" in page
    assert json.loads(data)["probe"]["scores"] == FOUND["scores"]


@pytest.mark.parametrize(
    ("verdict", "headline"), [("fine-tune", "Fine-tune"), ("federate", "Federate"), ("both", "Do both")]
)
def test_every_verdict_has_its_words(tmp_path: Path, verdict: str, headline: str) -> None:
    probe = load_probe(written(tmp_path / "probe", verdict=verdict, claims_significance=True, left_out={}))
    assert (probe.headline, probe.cautions) == (headline, ())
    assert probe.sentence.split(". ")[0]


def test_what_protected_is_told(tmp_path: Path) -> None:
    said = load_probe(written(tmp_path / "probe", secure=True, noise=1.0, epsilon=4.38)).protection
    assert "hidden under masks" in said[0]
    assert "epsilon 4.38 (delta 1e-05)" in said[1]


def test_a_probe_of_before_has_a_page(tmp_path: Path) -> None:
    folder = tmp_path / "probe"
    folder.mkdir()
    new = ("study", "run", "confidence", "min_effect", "secure", "noise", "bound", "senders")
    write_json(folder / "probe.json", {name: value for name, value in FOUND.items() if name not in new})
    (page,) = write_report(folder)
    assert "made before its folder said so" in page.read_text()


def test_beside_a_study_it_has_a_name_of_its_own(folder: Path) -> None:
    write_json(folder / "federation.json", {})
    assert not is_probe(folder)
    assert [path.name for path in write_probe(folder)] == ["probe-report.html"]


def test_a_format_that_it_has_not_is_an_error(folder: Path) -> None:
    with pytest.raises(SettingError, match="'card' is none of a probe's"):
        write_report(folder, formats=("card",))


def test_a_damaged_probe_is_an_error_and_no_page(folder: Path) -> None:
    path = folder / "probe.json"
    path.write_text(path.read_text().replace('"unsure"', '"federate"'))
    with pytest.raises(Damaged):
        write_report(folder)


@needs_chromium
def test_its_tables_sort_and_go_out(folder: Path, tmp_path: Path) -> None:
    (path,) = write_report(folder)
    (tmp_path / "browser").mkdir()
    script = (
        'document.getElementById("found").textContent = '
        'document.querySelectorAll("#heads th button, #heads th [role=button]").length + " " + '
        'document.documentElement.classList.contains("script");'
    )
    found = ran(path.read_text(), script, tmp_path / "browser")
    buttons, ran_whole = found.split()
    assert (int(buttons) > 0, ran_whole) == (True, "true")
