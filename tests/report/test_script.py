"""The page's script: what it may do, and what it does in a browser."""

from __future__ import annotations

import base64
import csv
import hashlib
import html
import json
import re
from pathlib import Path

import pytest

from headstart.report import load_run
from headstart.report.page import to_html
from headstart.report.script import harmless, part, policy, script

from .answered import CASES, write_answered
from .browser import dom_of, needs_chromium, ran

EVIL = "</script><img src=x onerror=alert(1)>\u2028\u202e'\"&"
NAMES = "<b>{}</b>\"' & \N{GRINNING FACE} \u05d0 " + 40 * "long "


def test_data_cannot_end_their_element() -> None:
    said = harmless({EVIL: [EVIL, 1.5, None, True]})
    assert not re.search(r"[<>&\u2028\u202e]", said)
    ((key, values),) = json.loads(said).items()
    assert key.startswith("</script><img src=x onerror=alert(1)>")
    assert values == [key, 1.5, None, True]
    with pytest.raises(ValueError, match="JSON"):
        harmless(float("nan"))


def test_nothing_but_the_script_of_the_page_may_run() -> None:
    digest = base64.b64encode(hashlib.sha256(script().encode()).digest()).decode()
    assert f"script-src 'sha256-{digest}';" in policy()
    assert policy().startswith("default-src 'none';")


def test_the_script_makes_text_of_data_and_asks_no_network() -> None:
    forbidden = (
        r"innerHTML|outerHTML|insertAdjacent|document\.write|eval\(|Function\(|fetch\(|XMLHttp|import\(|https?://"
    )
    assert re.findall(forbidden, script()) == []
    assert '"use strict"' in script()
    assert all(
        len(part(name).splitlines()) <= 250 for name in ("start", "what_if", "panel", "tables", "figures", "clients")
    )


@pytest.fixture(scope="module")
def hostile(tmp_path_factory: pytest.TempPathFactory) -> str:
    folder = tmp_path_factory.mktemp("hostile")
    return to_html(load_run(write_answered(folder / "run", CASES["undecided"], names=NAMES)))


@needs_chromium
@pytest.mark.slow
def test_the_page_asks_back_under_its_own_policy(hostile: str, tmp_path: Path) -> None:
    (tmp_path / "page.html").write_text(hostile, encoding="utf-8")
    dom = dom_of(tmp_path / "page.html", tmp_path / "profile")
    said = re.search(r'<h3 id="asked-headline">([^<]*)</h3>', dom)
    title = re.search(r"<h1>([^<]*)</h1>", dom)
    assert said is not None
    assert title is not None
    assert html.unescape(said[1]) == html.unescape(title[1]) != ""
    assert 'class="sort"' in dom
    assert dom.count("<b>") == hostile.count("<b>")


CLICKS = """
const table = document.querySelector('[aria-label="Arms in numbers"] table');
const shown = () => [...table.tBodies[0].rows].filter((row) => !row.hidden);
const texts = () => shown().map((row) => row.cells[0].firstChild.textContent.trim());
const head = [...table.tHead.rows[0].cells].find((cell) => cell.textContent.trim().startsWith("Mean"));
const found = { before: texts() };
head.querySelector("button").click(); head.querySelector("button").click();
found.sorted = texts(); found.aria = head.getAttribute("aria-sort");
const search = table.closest(".scroll").previousElementSibling.querySelector("input");
if (search) { search.value = "ridge"; search.dispatchEvent(new Event("input")); }
found.searched = texts();
const least = document.getElementById("ask-least");
least.value = "40"; least.dispatchEvent(new Event("input", { bubbles: true }));
found.headline = document.getElementById("asked-headline").textContent;
document.querySelector('#clients .open, #each-client .open').click();
const dialog = document.getElementById("client");
found.client = dialog.open ? dialog.querySelector("h2").textContent : "";
found.tables = [...dialog.querySelectorAll("h3")].map((head) => head.textContent);
found.heads = document.querySelectorAll("dialog b, dialog img, dialog script").length;
dialog.close();
const mark = document.querySelector("figure [data-t]"), tip = document.getElementById("tip");
mark.focus(); found.tip = tip.textContent; found.shown = !tip.hidden;
dispatchEvent(new KeyboardEvent("keydown", { key: "Escape" })); found.escaped = tip.hidden;
document.getElementById("found").textContent = JSON.stringify(found);
"""


@needs_chromium
@pytest.mark.slow
def test_tables_sort_and_filter_and_a_client_opens(hostile: str, tmp_path: Path) -> None:
    found = json.loads(ran(hostile, CLICKS, tmp_path))
    assert found["sorted"] == found["before"][::-1]
    assert found["aria"] == "ascending"
    assert (
        found["searched"] == [name for name in found["sorted"] if "ridge" in name] if len(found["before"]) > 8 else True
    )
    assert found["headline"] == "Fine-tune, do not upload"
    assert found["client"].startswith("<b>")
    assert {"What it reaches", "What another family would change"} <= set(found["tables"])
    assert (found["heads"], found["shown"], found["escaped"]) == (0, True, True)
    assert ": " in found["tip"]


SAVES = """
const saved = {}, make = URL.createObjectURL;
URL.createObjectURL = (blob) => {
  blob.arrayBuffer().then((content) => { saved[blob.type] = [...new Uint8Array(content)]; });
  return make(blob);
};
HTMLAnchorElement.prototype.click = () => {};
document.querySelectorAll("figure .tools button").forEach((button) => button.click());
document.querySelector('[aria-label="CSV: Client by client"], [aria-label="CSV: Arms in numbers"]').click();
setTimeout(() => { document.getElementById("found").textContent = JSON.stringify(saved); }, 3000);
"""


@needs_chromium
@pytest.mark.slow
def test_tables_and_figures_go_out(hostile: str, tmp_path: Path) -> None:
    found = {kind: bytes(content) for kind, content in json.loads(ran(hostile, SAVES, tmp_path)).items()}
    assert found["image/png"].startswith(b"\x89PNG")
    drawn = found["image/svg+xml"].decode()
    assert drawn.startswith("<svg")
    assert "var(" not in drawn
    rows = list(csv.reader(found["text/csv"].decode("utf-8-sig").splitlines()))
    assert {len(row) for row in rows} == {len(rows[0])}
    assert len(rows) > 3
    assert not any(cell.startswith(("=", "@")) for row in rows for cell in row)


FILES = """
const files = {}, make = URL.createObjectURL;
let last = "";
URL.createObjectURL = (blob) => {
  const name = last;
  blob.text().then((text) => { files[name] = text; });
  return make(blob);
};
HTMLAnchorElement.prototype.click = () => {};
document.querySelectorAll('.tools button[aria-label^="CSV"]').forEach((button) => {
  last = button.getAttribute("aria-label");
  button.click();
});
setTimeout(() => { document.getElementById("found").textContent = JSON.stringify(files); }, 2000);
"""


@needs_chromium
@pytest.mark.slow
def test_a_table_goes_out_as_plain_numbers_one_fact_a_column(tmp_path: Path) -> None:
    page = to_html(load_run(write_answered(tmp_path / "run", CASES["undecided"])))
    found = json.loads(ran(page, FILES, tmp_path))
    arms = list(csv.DictReader(found["CSV: Arms in numbers"].lstrip("\ufeff").splitlines()))
    words = {"Arm", "Family", "Role", "Why it went out", "Kept"}
    assert {"Mean, %", "Interval from, %", "Up, bytes", "Compute, FLOP"} <= set(arms[0])
    for arm in arms:
        assert all(float(value) >= 0 for name, value in arm.items() if value and name not in words)
        assert 0.1 < float(arm["Mean, %"]) / 100 < 1
    assert {arm["Family"] for arm in arms} == {"fine-tune", "federate", "both"}
    assert not any(sign in text for text in found.values() for sign in ("\u2212", "\u2013,"))
    gains = list(csv.DictReader(found["CSV: Gain of each client"].lstrip("\ufeff").splitlines()))
    assert min(float(row["Gain, points"]) for row in gains) < 0


FIELDS = """
const found = {};
const fill = (name, value, kind = "input") => {
  const field = document.getElementById(name);
  field.value = value;
  field.dispatchEvent(new Event(kind, { bubbles: true }));
  return field;
};
const said = (part) => document.getElementById(`asked-${part}`).textContent;
const first = said("words");
found.invalid = fill("ask-weight", "3").getAttribute("aria-invalid");
found.wrong = said("wrong");
found.clamped = fill("ask-weight", "3", "change").value;
fill("ask-weight", "");
fill("ask-least", "");
found.same = said("words") === first;
found.least = fill("ask-least", "", "change").value;
found.turns = said("turns");
fill("ask-rate", "0");
found.late = said("words");
const search = fill("find-client", "nobody of that name"), press = () =>
  search.dispatchEvent(new KeyboardEvent("keydown", { key: "Enter", bubbles: true, cancelable: true }));
press();
found.none = search.nextElementSibling.textContent;
fill("find-client", "clinic-3");
press();
found.opened = document.querySelector("dialog[open] h2")?.textContent;
document.getElementById("found").textContent = JSON.stringify(found);
"""


@needs_chromium
@pytest.mark.slow
def test_fields_say_what_is_wrong_and_enter_opens_a_client(tmp_path: Path) -> None:
    page = to_html(load_run(write_answered(tmp_path / "run", CASES["better"])))
    found = json.loads(ran(page, FIELDS, tmp_path))
    assert (found["invalid"], found["clamped"]) == ("true", "1")
    assert "out of range; 1 is taken" in found["wrong"]
    assert (found["same"], found["least"]) == (True, "2")
    assert "pp per MB to \u201cFine-tune, do not upload\u201d" in found["turns"]
    assert "the others are excluded by the limit. At an uplink of 0 nobody can send" in found["late"]
    assert (found["none"], found["opened"]) == ("None found.", "clinic-3")
