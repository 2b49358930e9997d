import json
import re
import subprocess
import sys
import time
from html.parser import HTMLParser
from pathlib import Path

import pytest

from headstart.report import load_run
from headstart.report.page import to_html

from .answered import CASES, Case, write_answered
from .run_folders import Recipe, write_run

VOID = {"meta", "br", "hr", "img", "input", "link"}


class Tree(HTMLParser):
    """Checks that tags nest, and gathers ids and targets."""

    def __init__(self) -> None:
        super().__init__()
        self.open: list[str] = []
        self.ids: list[str] = []
        self.targets: set[str] = set()

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        found = dict(attrs)
        self.ids += [found["id"]] if found.get("id") else []
        self.targets |= {found["href"]} if found.get("href") else set()
        if tag not in VOID:
            self.open.append(tag)

    def handle_startendtag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.handle_starttag(tag, attrs)
        if tag not in VOID:
            self.open.pop()

    def handle_endtag(self, tag: str) -> None:
        assert self.open.pop() == tag


@pytest.fixture(scope="module")
def timed_page(slate_folder: Path) -> tuple[str, float]:
    """The slate's page and the CPU seconds it took."""
    begin = time.process_time()
    return to_html(load_run(slate_folder)), time.process_time() - begin


@pytest.fixture(scope="module")
def page(timed_page: tuple[str, float]) -> str:
    return timed_page[0]


def check(text: str) -> Tree:
    tree = Tree()
    tree.feed(text)
    assert tree.open == []
    assert len(tree.ids) == len(set(tree.ids))
    assert tree.targets <= {f"#{name}" for name in tree.ids}
    return tree


def test_the_page_is_one_file_that_needs_nothing(page: str) -> None:
    check(page)
    assert re.findall("<script[^>]*>", page) == ['<script type="application/json" id="client-data">', "<script>"]
    assert not re.findall(r"https?://|url\((?!#)|@import|<link|<img| src=", page)


def test_sections_come_in_order(page: str) -> None:
    order = [
        "arms",
        "clients",
        "cost",
        "curves",
        "hurt",
        "diagnosis",
        "ruled-out",
        "change",
        "data",
        "settings",
        "terms",
    ]
    at = [page.index(f'<section id="{name}">') for name in order]
    assert at == sorted(at)


def test_the_verdict_comes_first_with_its_uncertainty(page: str) -> None:
    head = page[page.index("<h1>") : page.index("<nav")]
    assert "Recommended: ridge-personal" in head
    assert "against fedavg (95% interval" in head
    assert "What ridge-personal does: it starts from a pretrained model; clients learn ridge" in head


@pytest.mark.parametrize(
    "text",
    [
        "prox-large",
        "uplink = &#34;none&#34;",
        "Ridge-personal was foretold. It held: ridge-personal is the arm to use.",
        "update holds NaN",
        "a personal head should beat one shared head",
        "With min_effect at least",
        "client scores are missing",
        "5f0c7a1d9be24a30a1",
        "2.13.0+cpu",
    ],
)
def test_what_was_asked_for_is_said(page: str, text: str) -> None:
    assert text in page


def test_names_are_escaped(tmp_path: Path) -> None:
    recipe = Recipe(arms=("local", "fedavg"), seeds=1, clients=4, unseen=0, names="<b>&{}", curves=False)
    text = to_html(load_run(write_run(tmp_path, recipe)))
    check(text)
    assert "<b>&" not in text
    assert "&lt;b&gt;&amp;1" in text


@pytest.mark.parametrize("name", CASES)
def test_the_page_of_every_case_is_sound_and_opens_with_the_answer(answered: dict[str, Path], name: str) -> None:
    run = load_run(answered[name])
    text = to_html(run)
    check(text)
    head = text[text.index("<h1>") : text.index("<nav")]
    assert f"<h1>{run.verdict['headline']}</h1>" in head
    assert head.count('<span class="asks">') == 3
    assert (
        f"<b>{'Ahead so far: ' if run.verdict['grounds'] == 'no claim' else 'Use '}{run.verdict['recommended']}</b>"
        in head
    )
    assert text.index("<h1>") < text.index('<ol class="asked"') < text.index('<section id="arms">')
    assert not re.findall(r"[Nn]o clear winner|oracle|[Nn]o\s+significance|\bnan\b", text)


def test_a_page_without_any_arm_to_use(tmp_path: Path) -> None:
    text = to_html(load_run(write_answered(tmp_path / "run", Case({"pooled": 0.8}, clients=3))))
    check(text)
    assert "<h1>No answer: no arm may be recommended</h1>" in text
    assert "<b>Use " not in text


def test_an_undecided_page_says_what_is_needed_and_what_can_be_decided(answered: dict[str, Path]) -> None:
    text = to_html(load_run(answered["undecided"]))
    assert "<b>Needed to decide:</b> about " in text
    panel = text[text.index('<section id="power">') : text.index('<section id="data">')]
    assert "the question is decided at any" in panel
    assert "twice the clients" in panel


def test_who_is_surely_better_otherwise_is_named(answered: dict[str, Path]) -> None:
    text = to_html(load_run(answered["better"]))
    each = text[text.index('<section id="each-client">') : text.index('<section id="clients">')]
    assert "<li>Better alone, in accuracy: clinic-2 (+" in each
    assert each.count('<th scope="row">clinic-') == 6
    many = to_html(load_run(answered["many"]))
    assert "No client is surely better alone" in many


def test_a_caution_is_seen_before_the_sections(answered: dict[str, Path]) -> None:
    text = to_html(load_run(answered["not kept"]))
    assert text.index("<b>Careful:</b> These runs are older") < text.index("<nav")


def test_names_are_escaped_in_the_answer_too(tmp_path: Path) -> None:
    text = to_html(load_run(write_answered(tmp_path / "run", "better", names="<b>&{}")))
    check(text)
    assert "<b>&" not in text
    assert "Better alone, in accuracy: &lt;b&gt;&amp;2 (+" in text


def test_few_clients_are_all_listed(few_folder: Path) -> None:
    text = to_html(load_run(few_folder))
    check(text)
    assert "<h1>Recommended: finetune-lp-ft</h1>" in text
    assert "This verdict is from before studies answered the question" in text
    assert all(f'<th scope="row">Hospital {at}' in text for at in range(1, 5))


def test_a_study_without_a_verdict(bare_folder: Path) -> None:
    text = to_html(load_run(bare_folder))
    check(text)
    assert "<h1>No verdict yet</h1>" in text
    assert "Nothing was tuned" in text
    assert "One seed only" in text
    assert '<section id="ruled-out">' not in text


def test_no_arm_can_be_recommended(tmp_path: Path) -> None:
    extra = {"recommended": None, "clear_winner": False, "effect": None, "interval": None, "nearest": None}
    extra |= {
        "sentence": "No arm can be recommended: none ran in full.",
        "would_change": [],
        "prediction_held": None,
    }
    recipe = Recipe(arms=("local", "fedavg"), seeds=1, clients=8, extra=extra, curves=False)
    text = to_html(load_run(write_run(tmp_path, recipe)))
    check(text)
    assert "<h1>No arm can be recommended</h1>" in text
    assert "none ran in full" in text


def test_records_with_nothing_but_names(tmp_path: Path) -> None:
    (tmp_path / "records.jsonl").write_text(json.dumps({"arm": "fedavg", "seed": 0}) + "\n")
    check(to_html(load_run(tmp_path)))


def test_the_page_of_a_slate_takes_less_than_six_seconds_of_one_core(timed_page: tuple[str, float]) -> None:
    assert timed_page[1] < 6


def test_no_torch_is_loaded(bare_folder: Path) -> None:
    code = "import sys, headstart.report as r; r.write_report(sys.argv[1]); sys.exit('torch' in sys.modules)"
    assert subprocess.run([sys.executable, "-c", code, str(bare_folder)], check=False).returncode == 0
