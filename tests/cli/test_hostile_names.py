"""Names that want to command: in a terminal, in Rich's markup, in Markdown, on the page, in its figures."""

from __future__ import annotations

import contextlib
import io
import json
import re
import unicodedata
from pathlib import Path
from xml.etree import ElementTree

import numpy as np
import pytest
from markdown_it import MarkdownIt

from headstart.cli import main
from headstart.cli.progress import Bar
from headstart.cli.terminal import Terminal

CLASSES = ("cat\x1b[31m<script>alert(1)</script>", "dog[bold red]x[/] `rm -rf`", "=cmd|' /C calc'!A0 \u202eowl")
CLIENTS = (
    "site\x1b]0;gone\x07\x1b[2J\uffff",
    "![x](http://evil.example/p.png)<img src=x onerror=alert(1)>",
    '"><svg onload=alert(1)> | a | b',
    "]]></script>{{7*7}}${x} http://evil.example [link](javascript:alert(1))",
)
COLUMNS = ("a\x1b[0m", "b[/red]", "c<b>", "d|e", "e\u2066")
DRAWN = {"svg", "title", "desc", "g", "path", "line", "rect", "text", "tspan", "defs", "clipPath", "circle"}
STUDY = """
name  = "hostile"
seeds = [0]
[data]
source = "clients.csv"
client = "site"
label = "label"
[model]
backbone = "linear"
[training]
batch_size = 8
[decision]
baseline = "fedavg"
[tuning]
trials = 1
[arms."fedavg"]
start = "random"
federate = { method = "fedavg", rounds = 1, client_lr = 0.2 }
[arms."tuned"]
start = "random"
federate = { method = "fedavg", rounds = 1, client_lr = 0.2 }
adapt = { method = "linear_probe", epochs = 1, client_lr = 0.1 }
"""


def _quoted(cell: object) -> str:
    return '"' + str(cell).replace('"', '""') + '"'


def _write_data(path: Path) -> None:
    draw, lines = np.random.default_rng(0), [("site", "label", *COLUMNS)]
    for client in CLIENTS:
        lines += [(client, CLASSES[row % 3], *(f"{x + row % 3:.3f}" for x in draw.normal(size=5))) for row in range(24)]
    path.write_text("\n".join(",".join(map(_quoted, line)) for line in lines) + "\n", encoding="utf-8")


def _said(*arguments: object) -> tuple[int, str]:
    told, code = io.StringIO(), 0
    with contextlib.redirect_stdout(told), contextlib.redirect_stderr(told):
        try:
            main([str(argument) for argument in arguments])
        except SystemExit as stop:
            code = int(stop.code or 0)
    return code, told.getvalue()


@pytest.fixture(scope="module")
def done(tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, str]:
    """A study of such names, its run folder, and all that the command printed."""
    folder = tmp_path_factory.mktemp("hostile")
    (folder / "study.toml").write_text(STUDY)
    _write_data(folder / "clients.csv")
    out = folder / "[red]run\x1b[2J[/]"
    code, told = _said("study", folder / "study.toml", "--out", out)
    assert code == 0, told
    return out, told


def _commands(text: str) -> list[str]:
    return [sign for sign in text if unicodedata.category(sign) in ("Cc", "Cf") and sign != "\n"]


def test_nothing_in_names_commands_the_terminal(done: tuple[Path, str]) -> None:
    out, told = done
    told += _said("plan", out.parent / "study.toml")[1] + _said("diagnose", out.parent / "study.toml")[1]
    told += "".join(_said("report", out, "--format", form)[1] for form in ("html", "md", "json"))
    assert _commands(told) == []
    # Rich's markup stands there as it was written.
    assert "[red]run[/]" in re.sub(r"\n\s*", "", told)


def test_nothing_in_an_error_commands_the_terminal(tmp_path: Path) -> None:
    _write_data(tmp_path / "clients.csv")
    (tmp_path / "study.toml").write_text(STUDY.replace('label = "label"', 'label = "x\\u001b[31m[red]\\u202e"'))
    code, told = _said("study", tmp_path / "study.toml", "--out", tmp_path / "out")
    assert (code, _commands(told)) == (2, [])
    assert told.startswith("error: data.label: ")
    assert "'x[red]" in told
    assert told.count("\n") == 1


def test_a_bar_and_its_lines_draw_names_as_text() -> None:
    told = io.StringIO()
    with Bar(Terminal(file=told, force_terminal=True, width=80)) as bar:
        for name in (*CLASSES, *CLIENTS):
            for say in (bar.tell, bar.finish, bar.stand, bar.warn):
                say(name)
    # Rich's own commands are colours and the cursor; none of the names' is among them.
    text = told.getvalue()
    assert not any(taken in text for taken in ("\x1b]", "\x07", "\u202e", "\u2066"))
    assert "\x1b[31m" not in text
    assert "[bold red]x[/]" in text


def test_markdown_shows_names_and_nothing_else(done: tuple[Path, str]) -> None:
    out, _ = done
    assert _said("report", out, "--format", "md")[0] == 0
    text = (out / "report.md").read_text(encoding="utf-8")
    page = MarkdownIt("commonmark", {"html": True}).enable("table").enable("strikethrough").render(text)
    assert re.findall(r"<(?:a|img|script|svg|b|code|html)\b", page) == []
    assert "http://" not in text
    assert _commands(text) == []
    table = page[page.index("Every client") :]
    rows = re.findall(r"<tr>(.*?)</tr>", table[: table.index("</table>")], re.DOTALL)
    assert {len(re.findall("<t[hd]", row)) for row in rows} == {5}
    assert len(rows) == 1 + len(CLIENTS)


def test_the_page_and_its_figures_show_names_and_nothing_else(done: tuple[Path, str]) -> None:
    out, _ = done
    page = (out / "report.html").read_text(encoding="utf-8")
    assert len(re.findall("<script", page)) == len(re.findall("</script", page)) == 3
    assert re.findall(r"<script(?!>| type)|<img|onload=alert\(1\)>|onerror=alert\(1\)>", page) == []
    assert "{{7*7}}" in page
    assert "javascript:" not in "".join(re.findall(r"href=[\"'][^\"']*", page))
    figures = re.findall(r"<svg viewBox.*?</svg>", page, re.DOTALL)
    assert figures
    for figure in figures:
        names = {element.tag.rpartition("}")[2] for element in ElementTree.fromstring(figure).iter()}
        assert names <= {
            "svg",
            "title",
            "desc",
            "g",
            "path",
            "line",
            "rect",
            "text",
            "tspan",
            "defs",
            "clipPath",
            "circle",
        }
    assert _commands(page) == []


def test_json_says_names_as_they_are(done: tuple[Path, str]) -> None:
    out, _ = done
    assert _said("report", out, "--format", "json")[0] == 0
    text = (out / "report.json").read_text(encoding="utf-8")
    assert {client["name"] for client in json.loads(text)["clients"]} == {name.strip() for name in CLIENTS}
    assert "\x1b" not in text
