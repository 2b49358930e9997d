from __future__ import annotations

import re
import tomllib
from importlib import resources
from pathlib import Path
from typing import Any

import pytest

from docs.pages import DOCS, PAGES, ROOT, anchors, blocks, every_block, links, name_of
from headstart.cli.main import app
from headstart.core.settings import read
from headstart.sites.site_file import SiteFile
from headstart.study.written.load import parse_study
from headstart.study.written.slate import STANDARD

_OF_DATA = re.compile(r"\$HEADSTART_DATA/([^\"]+)")
names = {page: name_of(page) for page in PAGES}.get


def study_of(table: dict[str, Any]) -> dict[str, Any]:
    """Complete a part of a study file."""
    return {"name": "part", "data": {"source": "digits"}, "model": {"backbone": "microsoft/resnet-18"}, **table}


def test_the_pages_are_found() -> None:
    assert {"README.md", "index.md", "methods.md", "tutorials/tables.md"} <= {name_of(page) for page in PAGES}


@pytest.mark.parametrize("page", PAGES, ids=names)
def test_links_lead_somewhere(page: Path) -> None:
    assert [link for link in links(page) if not leads_somewhere(page, link)] == []


def leads_somewhere(page: Path, link: str) -> bool:
    path, _, anchor = link.partition("#")
    target = (page.parent / path).resolve() if path else page
    return target.exists() and (not anchor or anchor in anchors(target))


def test_every_page_is_in_the_navigation() -> None:
    navigation = (ROOT / "mkdocs.yml").read_text()
    pages = [page.relative_to(DOCS).as_posix() for page in DOCS.rglob("*.md")]
    assert [page for page in pages if f": {page}\n" not in navigation] == []


@pytest.mark.parametrize("block", every_block("toml").values(), ids=every_block("toml"))
def test_study_files_are_valid(block: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("HEADSTART_DATA", str(tmp_path))
    for name in ("examples.parquet", "guidelines.parquet", "checkpoint.safetensors", *_OF_DATA.findall(block)):
        (tmp_path / name).parent.mkdir(exist_ok=True)
        (tmp_path / name).touch()
    if "policy" in (table := tomllib.loads(block)):
        assert read(SiteFile, table).name  # what a site's operator writes
        return
    if ":" in table.get("model", {}).get("backbone", ""):
        table["model"] = {"backbone": "microsoft/resnet-18"}  # code runs for its own user alone
    assert parse_study(study_of(table), tmp_path).settings.name


def test_a_wrong_study_file_would_be_noticed(tmp_path: Path) -> None:
    with pytest.raises(Exception, match="did you mean 'client_lr'"):
        parse_study(study_of({"training": {"clientlr": 0.1}}), tmp_path)


@pytest.mark.parametrize("block", every_block("python").values(), ids=every_block("python"))
def test_python_is_python(block: str) -> None:
    is_line_of_a_table = re.match(r'"\w', block)
    compile(f"{{{block}}}" if is_line_of_a_table else block, "page", "exec")


def test_the_client_table_is_read_as_shown(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    from headstart.study.run.records import write_clients

    row = {"arm": "ridge", "seed": 0, "client": "a", "seen": True, "split": "test", "metric": "accuracy", "value": 0.75}
    write_clients(tmp_path / "runs" / "demo" / "clients.parquet", [{name: [value] for name, value in row.items()}])
    monkeypatch.chdir(tmp_path)
    (block,) = blocks(DOCS / "run-folder.md", "python")
    exec(block, {})
    assert "0.75" in capsys.readouterr().out


def test_commands_exist_and_all_are_told() -> None:
    known = {command.name or command.callback.__name__ for command in app.registered_commands if command.callback}
    known |= {str(group.name) for group in app.registered_groups}
    told = re.findall(r"^\| `headstart (\w+)", (DOCS / "index.md").read_text(), re.MULTILINE)
    assert set(told) == known
    used = [name for page in PAGES for name in re.findall(r"(?:`|bin/)headstart ([a-z]+)", page.read_text())]
    assert set(used) <= known


def test_the_demos_own_study_file_is_shown() -> None:
    demo = resources.files("headstart.study").joinpath("demo.toml").read_text()
    assert tomllib.loads(demo) in [tomllib.loads(block) for block in blocks(DOCS / "study-file.md", "toml")]


def test_the_standard_slate_is_told_in_order() -> None:
    slate = re.split(r"^## ", (DOCS / "concepts.md").read_text(), flags=re.MULTILINE)[2]
    assert tuple(re.findall(r"^\| `([\w-]+)` \|", slate, re.MULTILINE)) == STANDARD
