"""What every file keeps to: nobody tells a method by its name, nobody uses what another module keeps for itself."""

from __future__ import annotations

import ast
from collections.abc import Iterator, Sequence
from pathlib import Path

import pytest

import figures

ROOT = Path(__file__).parents[1]
METHODS = figures.method_names(ROOT)
SOURCES = figures.modules(ROOT)
FILES = {
    path.relative_to(ROOT).as_posix(): path
    for folder in ("src", "tests", "benchmarks", "scripts", "docs", "edge")
    for path in sorted((ROOT / folder).rglob("*.py"))
}
CONSTANTS = {
    word
    for name, path in FILES.items()
    if name.startswith(("src/", "edge/src/"))
    for node in ast.walk(ast.parse(path.read_text()))
    if isinstance(node, ast.Name) and isinstance(node.ctx, ast.Store) and (word := node.id).isupper()
}
TESTS = {name: path for name, path in FILES.items() if name.startswith(("tests/", "edge/tests/"))}

MAY_NAME_METHODS = {*figures.REGISTRIES}
STILL_NAMING: set[str] = set()
STILL_PRYING: set[str] = set()
STILL_SETTING: set[str] = set()
"""Files that do not keep to a rule yet. A file that does must leave its list: the tests below ask for both."""

MUCH = 40
"""Lines of code from which a module has a test file of its own."""
OF_WEIGHT = [
    module
    for module in SOURCES
    if module.name.partition("/")[0] in ("engine", "models", "training") and len(module.code) >= MUCH
]
TESTED_ELSEWHERE = {"models/checkpoints/masked.py", "training/__init__.py"}
"""Guessing hidden words is tested by the start that does it."""

OPEN = {"_asdict", "_replace", "_fields", "_make", "_cdata", "_exit", "_MEIPASS", "_make_wrapper_subclass"} | {
    "_version",
    "_base",
}
"""Names of other libraries that are documented, or in their types, in spite of their underscore."""


@pytest.mark.parametrize("module", SOURCES, ids=lambda module: module.name)
def test_no_file_tells_a_method_by_its_name(module: figures.Module) -> None:
    """Only registries, and the arms that run where none are given, name methods; others ask what a method is."""
    lines = figures.comparisons(module.tree, METHODS)
    assert module.name in MAY_NAME_METHODS or bool(lines) == (module.name in STILL_NAMING), lines


@pytest.mark.parametrize("name", FILES)
def test_what_a_module_keeps_for_itself_stays_there(name: str) -> None:
    found = list(pried(ast.parse(FILES[name].read_text())))
    assert bool(found) == (name in STILL_PRYING), found


@pytest.mark.parametrize("name", TESTS)
def test_no_test_sets_a_constant_of_a_module(name: str) -> None:
    """What a test wants otherwise is a parameter of what it tests."""
    found = [
        f"{line}: {target}" for line, target in replaced(ast.parse(TESTS[name].read_text())) if target in CONSTANTS
    ]
    assert bool(found) == (name in STILL_SETTING), found


@pytest.mark.parametrize("module", OF_WEIGHT, ids=lambda module: module.name)
def test_a_module_of_weight_has_a_test_file_in_its_place(module: figures.Module) -> None:
    folder, _, file = module.name.rpartition("/")
    assert (ROOT / "tests" / folder / f"test_{file}").exists() != (module.name in TESTED_ELSEWHERE)


def test_files_that_are_still_to_be_mended_exist() -> None:
    """A file that has moved takes its exception with it."""
    assert {module.name for module in SOURCES} >= STILL_NAMING | MAY_NAME_METHODS | TESTED_ELSEWHERE
    assert FILES.keys() >= STILL_PRYING | STILL_SETTING


def pried(tree: ast.Module) -> Iterator[str]:
    """Yield every use of a private name that is not the file's own, with its line."""
    own = {word for node in ast.walk(tree) for word in defined(node)} | OPEN
    for node in ast.walk(tree):
        match node:
            case ast.ImportFrom(names=names):
                words: Sequence[str] = [alias.name for alias in names]
            case ast.Attribute(attr=word):
                words = [word]
            case _:
                continue
        yield from (f"{node.lineno}: {word}" for word in words if is_private(word) and word not in own)
    yield from (f"{line}: {word}" for line, word in replaced(tree) if is_private(word) and word not in own)


def defined(node: ast.AST) -> list[str]:
    """Return the names that a node makes: of functions, classes, variables, and attributes of ``self`` or ``cls``."""
    match node:
        case ast.FunctionDef(name=name) | ast.ClassDef(name=name) | ast.AsyncFunctionDef(name=name):
            return [name]
        case ast.Name(id=name, ctx=ast.Store()):
            return [name]
        case ast.Attribute(value=ast.Name(id="self" | "cls"), attr=name):
            return [name]
    return []


def replaced(tree: ast.Module) -> Iterator[tuple[int, str]]:
    """Yield the names that ``monkeypatch.setattr`` replaces, with their lines."""
    for node in ast.walk(tree):
        match node:
            case ast.Call(func=ast.Attribute(attr="setattr"), args=[ast.Constant(value=str(path)), *_]):
                yield from ((node.lineno, part) for part in path.split("."))
            case ast.Call(func=ast.Attribute(attr="setattr"), args=[_, ast.Constant(value=str(name)), *_]):
                yield node.lineno, name


def is_private(name: str) -> bool:
    return name.startswith("_") and not name.startswith("__") and name != "_"


@pytest.mark.parametrize(
    ("text", "found"),
    [
        ("from headstart.core.trees import _flat", ["1: _flat"]),
        ("trees._flat()", ["1: _flat"]),
        ("monkeypatch.setattr(trees, '_flat', None)", ["1: _flat"]),
        ("monkeypatch.setattr('headstart.core.trees._flat', None)", ["1: _flat"]),
        ("def _flat():\n    self._own = other._own + _flat()", []),
        ("from headstart.core import trees\ntrees.__name__", []),
    ],
)
def test_the_use_of_a_private_name_is_noticed(text: str, found: list[str]) -> None:
    assert list(pried(ast.parse(text))) == found
