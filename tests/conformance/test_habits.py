"""How every method's file reads: its source, its deviations, its length, what it may import."""

import ast
import io
import tokenize
from collections.abc import Mapping
from pathlib import Path

import pytest

import headstart
from headstart import adapt, federate, start
from headstart.core.registry import Entry

ROOT = Path(headstart.__file__).parent
REGISTRIES: Mapping[str, Mapping[str, Entry]] = {
    "start": start.METHODS,
    "federate": federate.METHODS,
    "adapt": adapt.METHODS,
}
METHOD_FILES = sorted(
    {
        ROOT.parent / (factory.__module__.replace(".", "/") + ".py")
        for table in REGISTRIES.values()
        for entry in table.values()
        for factory in (entry.factory, *entry.parts.values())
        if factory.__module__.split(".")[1] in REGISTRIES
    }
)
PACKAGE_FILES = sorted(path for kind in REGISTRIES for path in (ROOT / kind).glob("*.py"))
MOST_CODE_LINES, MOST_IMPORTS = 80, 8


def name(path: Path) -> str:
    return str(path.relative_to(ROOT))


def docstring(path: Path) -> str:
    return ast.get_docstring(ast.parse(path.read_text())) or ""


@pytest.mark.parametrize("path", METHOD_FILES, ids=name)
def test_a_method_cites_its_paper(path: Path) -> None:
    """Title line, authors and title, venue with year, address, and what differs."""
    found = docstring(path)
    title, _, rest = found.partition("\n")
    assert title.endswith(".")
    assert "https://" in rest
    assert any(str(year) in rest for year in range(1990, 2031)), "no year"
    assert found.count("Differs from the paper: ") == 1
    assert found.split("Differs from the paper: ")[1].strip(), "says nothing"


@pytest.mark.parametrize("path", METHOD_FILES, ids=name)
def test_a_method_is_short(path: Path) -> None:
    assert len(code_lines(path.read_text())) <= MOST_CODE_LINES


@pytest.mark.parametrize("path", PACKAGE_FILES, ids=name)
def test_a_method_shares_functions_not_base_classes(path: Path) -> None:
    calls = [node for node in ast.walk(ast.parse(path.read_text())) if isinstance(node, ast.Call)]
    assert not [c for c in calls if isinstance(c.func, ast.Name) and c.func.id == "super"]


@pytest.mark.parametrize("path", METHOD_FILES, ids=name)
def test_a_method_knows_its_package_and_one_door(path: Path) -> None:
    """`headstart.data` too would tie a method to where examples come from."""
    allowed = (f"headstart.{path.parent.name}", "headstart.training")
    assert [m for m in imports(path) if m.split(".")[0] == "headstart" and not m.startswith(allowed)] == []


@pytest.mark.parametrize("path", METHOD_FILES, ids=name)
def test_a_method_imports_little(path: Path) -> None:
    tree = ast.parse(path.read_text())
    assert sum(isinstance(node, ast.Import | ast.ImportFrom) for node in ast.walk(tree)) <= MOST_IMPORTS


MOST_LINES = {"federate/fedavg.py": 20, "federate/fedprox.py": 10, "federate/fedsa_lora.py": 10, "adapt/lora.py": 10}


@pytest.mark.parametrize("path", MOST_LINES)
def test_a_variant_adds_only_its_difference(path: str) -> None:
    assert len(code_lines((ROOT / path).read_text())) <= MOST_LINES[path]


@pytest.mark.parametrize("banned", ["np.random", "import random", "torch.manual_seed", "torch.rand", "numpy.random"])
@pytest.mark.parametrize("path", PACKAGE_FILES, ids=name)
def test_no_randomness_of_its_own(path: Path, banned: str) -> None:
    """Random numbers come keyed from the engine: no module-level generators."""
    assert banned not in path.read_text()


def test_code_lines_are_counted_without_words() -> None:
    text = '"""Doc.\n\nMore.\n"""\n\nimport os\n\n\ndef f():\n    """Doc."""\n    # why\n    return os\n'
    assert code_lines(text) == {9, 12}


@pytest.mark.parametrize("kind", REGISTRIES)
def test_every_method_file_is_registered(kind: str) -> None:
    """A dataclass that is called or federates, and that no table names, could not be reached."""
    entries = REGISTRIES[kind].values()
    registered = {factory.__name__ for entry in entries for factory in (entry.factory, *entry.parts.values())}
    helpers = {"Average", "Begin", "Central", "FeatureSums", "OneShotHead", "OwnModel", "Schedule", "Sharing"}
    written = {
        node.name
        for path in (ROOT / kind).glob("*.py")
        for node in ast.parse(path.read_text()).body
        if isinstance(node, ast.ClassDef) and node.decorator_list
    }
    assert written - helpers <= registered


def code_lines(text: str) -> set[int]:
    """Return the numbers of lines that hold code: no comments, docstrings, imports or blank lines."""
    silent = {
        tokenize.COMMENT,
        tokenize.NL,
        tokenize.NEWLINE,
        tokenize.INDENT,
        tokenize.DEDENT,
        tokenize.ENDMARKER,
    }
    tokens = tokenize.generate_tokens(io.StringIO(text).readline)
    lines = {n for t in tokens if t.type not in silent for n in range(t.start[0], t.end[0] + 1)}
    for node in ast.walk(ast.parse(text)):
        is_words = isinstance(node, ast.Expr) and isinstance(node.value, ast.Constant)
        if is_words or isinstance(node, ast.Import | ast.ImportFrom):
            lines -= set(range(node.lineno, (node.end_lineno or node.lineno) + 1))
    return lines


def imports(path: Path) -> list[str]:
    found = []
    for node in ast.walk(ast.parse(path.read_text())):
        if isinstance(node, ast.Import):
            found += [alias.name for alias in node.names]
        elif isinstance(node, ast.ImportFrom):
            found.append(node.module or "")
    return found
