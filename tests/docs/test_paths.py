"""No page names a file, a module or a name of this repository that is not there."""

from __future__ import annotations

import ast
import importlib
import re
from collections.abc import Iterator
from pathlib import Path

import pytest

from docs.pages import DOCS, PAGES, ROOT, blocks
from docs.tutorial import File, steps

PACKAGE = ROOT / "src" / "headstart"
EVERY_PAGE = {page.relative_to(ROOT).as_posix(): page for page in [*PAGES, ROOT / "edge" / "README.md"]}
OF_OTHERS = {"bench.py", "common.py"}
"""Files of the projects that the benchmarks compare with."""
TO_BE_WRITTEN = {"src/headstart/federate/fedmom.py", "src/headstart/adapt/bitfit.py"}
"""Files that a page tells its reader to write."""
STILL_TO_MEND: dict[str, set[str]] = {}
"""What pages still name in vain; a page that does not must leave this list."""

_QUOTED = re.compile(r"^```[^\n]*\n(.*?)^```$|`([^`\n]+)`", re.MULTILINE | re.DOTALL)
_PATH = re.compile(r"(?<![\w./…:~-])(?!\.+/)[\w.-]+(?:/[\w.…*<>{}-]*)+|(?<![\w./-])[\w-]+\.py\b")
_TREE = re.compile(r"^(\S+/)\n((?:  +\S.*\n)+)", re.MULTILINE)
_PLACEHOLDER = re.compile(r"[…*<>{}]|(?:^|/)[A-Z_]+(?:/|$)")
_DOTTED = re.compile(r"\bheadstart(?:_edge)?(?:\.[A-Za-z_]\w*)+\b(?![./-])")


def paths(text: str) -> set[str]:
    """Return the paths that a page quotes and that would be of this repository.

    That is what begins with a folder of the repository or of the package, or ends in ``.py``; a part in capitals
    (``NAME``) or an ellipsis stands for something else.
    """
    quoted = "\n".join(block or inline for block, inline in _QUOTED.findall(text))
    found = {path.rstrip(".") for path in _PATH.findall(quoted)}
    return {path for path in found if is_ours(path) and not _PLACEHOLDER.search(path)} | set(trees(text))


def is_ours(path: str) -> bool:
    first = path.partition("/")[0]
    return path.endswith(".py") or any((folder / first).is_dir() for folder in (ROOT, PACKAGE))


def trees(text: str) -> Iterator[str]:
    """Yield the folders of a drawn tree: a line that ends in a slash, and those indented below it."""
    for root, lines in _TREE.findall(text):
        yield from (root + name for name in re.findall(r"^  +(\w+/)", lines, re.MULTILINE))


def exists(path: str, page: Path) -> bool:
    """Whether a path leads somewhere from the root, the package or the page's folder; a bare name, from anywhere."""
    if "/" not in path:
        return any(list((ROOT / folder).rglob(path)) for folder in ("src", "benchmarks", "scripts", "edge"))
    return any((folder / path).exists() for folder in (ROOT, PACKAGE, page.parent))


def given_by(page: Path) -> set[str]:
    """Return the files that a tutorial has its reader write, with and without their folders."""
    if page.parent != DOCS / "tutorials":
        return set()
    files = {step.name for step in steps(page) if isinstance(step, File)}
    return files | {Path(name).name for name in files}


def names(page: Path) -> set[str]:
    """Return the modules and names of the project that a page writes with dots, or imports."""
    nodes = [node for block in blocks(page, "python") for node in imports(block)]
    return set(_DOTTED.findall(page.read_text())) | {f"{node.module}.{a.name}" for node in nodes for a in node.names}


def imports(block: str) -> list[ast.ImportFrom]:
    """Return a block's imports from this project; a line of a table has none."""
    if re.match(r'"\w', block):
        return []
    found = [node for node in ast.walk(ast.parse(block)) if isinstance(node, ast.ImportFrom)]
    return [node for node in found if (node.module or "").partition(".")[0] == "headstart"]


def resolves(name: str) -> bool:
    """Whether a dotted name is a module, or a name in one."""
    module, _, last = name.rpartition(".")
    try:
        importlib.import_module(name)
    except ModuleNotFoundError:
        return bool(module) and resolves(module) and hasattr(importlib.import_module(module), last)
    return True


@pytest.mark.parametrize("name", EVERY_PAGE)
def test_no_page_names_a_file_that_is_not_there(name: str) -> None:
    page = EVERY_PAGE[name]
    missing = {path for path in paths(page.read_text()) if not exists(path, page)}
    assert missing - OF_OTHERS - TO_BE_WRITTEN - given_by(page) == STILL_TO_MEND.get(name, set())


@pytest.mark.parametrize("name", EVERY_PAGE)
def test_no_page_names_a_module_or_a_name_that_is_not_there(name: str) -> None:
    assert [found for found in sorted(names(EVERY_PAGE[name])) if not resolves(found)] == []


def test_the_exceptions_are_needed() -> None:
    told = set().union(*(paths(page.read_text()) for page in EVERY_PAGE.values()))
    excepted = OF_OTHERS | TO_BE_WRITTEN
    assert told >= excepted
    assert not [path for path in excepted if exists(path, DOCS / "index.md")]


@pytest.mark.parametrize(
    ("text", "found"),
    [
        ("`engine/serial.py` and `studies/demo.toml`", {"engine/serial.py", "studies/demo.toml"}),
        ("```console\npython benchmarks/run.py --x\n```", {"benchmarks/run.py"}),
        ("```text\nedge/\n  src/    code\n  gone/   what was\n```", {"edge/", "edge/src/", "src/", "edge/gone/"}),
        ("`lock.py`", {"lock.py"}),
        ("`runs/demo/report.html`, `sites/NAME`, `/data/north.parquet`, `https://a.org/docs/x.py`, `edge/…`", set()),
        ("engine/serial.py, not quoted", set()),
    ],
)  # fmt: skip
def test_paths_of_this_repository_are_found(text: str, found: set[str]) -> None:
    assert paths(text) == found
