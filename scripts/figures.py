"""Count what makes the code easy or hard to learn: names, lines, sizes, imports, methods called by name.

    python scripts/figures.py [FOLDER]    # a table, of this checkout or of another
    python scripts/figures.py --check     # fails where a figure is beyond its limit

It reads the source and imports none of it, so that any two versions can be compared with any Python from 3.11 on.
"""

from __future__ import annotations

import argparse
import ast
import io
import math
import sys
import tokenize
from collections import Counter
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path

LIMITS = {
    "public names": (0, 1800),
    "code lines per public name": (15, math.inf),
    "code lines of a method file, most": (0, 80),
    "imports of a method file, most": (0, 8),
    "function lines, 90th percentile": (0, 13),
    "file lines, 90th percentile": (0, 235),
    "file lines, most": (0, 365),
    "methods compared by name": (0, 0),
}
"""What each figure may be, least and most; the figures that are not named are for reading."""

ROOMS = ("federate", "adapt", "start")
REGISTRIES = ("study/written/slate.py", "sites/probe/heads.py", *(f"{room}/__init__.py" for room in ROOMS))
"""The files that may call methods by name: tables of them, and the arms that run where none are given."""

_SILENT = {
    *(tokenize.COMMENT, tokenize.NL, tokenize.NEWLINE, tokenize.INDENT, tokenize.DEDENT, tokenize.ENDMARKER),
}
_NAMING = {"method", "name", *ROOMS}
_DEFINITIONS = (ast.FunctionDef, ast.AsyncFunctionDef, ast.ClassDef)


@dataclass(frozen=True)
class Module:
    """One file of the package.

    Attributes:
        path: The file.
        name: Its path within the package, such as ``federate/fedavg.py``.
    """

    path: Path
    name: str

    @cached_property
    def text(self) -> str:
        """What the file says."""
        return self.path.read_text(encoding="utf-8")

    @cached_property
    def tree(self) -> ast.Module:
        """Its syntax tree."""
        return ast.parse(self.text)

    @cached_property
    def code(self) -> set[int]:
        """The numbers of its lines of code."""
        return code_lines(self.text)

    @cached_property
    def public(self) -> list[str]:
        """Functions and classes at the top whose names do not begin with an underscore."""
        return [n.name for n in self.tree.body if isinstance(n, _DEFINITIONS) and not n.name.startswith("_")]

    @cached_property
    def words(self) -> set[str]:
        """Every identifier that the file uses: names, attributes, what it imports, and words of quoted types."""
        return {word for node in ast.walk(self.tree) for word in _words(node)}

    @property
    def imports(self) -> int:
        """How many import statements it has."""
        return sum(isinstance(node, ast.Import | ast.ImportFrom) for node in ast.walk(self.tree))

    @property
    def functions(self) -> list[int]:
        """Code lines of each function and method, whatever lies within it included."""
        nodes = [n for n in ast.walk(self.tree) if isinstance(n, ast.FunctionDef | ast.AsyncFunctionDef)]
        return [len(self.code & set(range(n.lineno, (n.end_lineno or n.lineno) + 1))) for n in nodes]

    @property
    def is_method(self) -> bool:
        """Whether it is a file of a method: in a method's room, and no registry or protocol."""
        room, _, file = self.name.partition("/")
        return room in ROOMS and file not in ("__init__.py", "protocol.py")


def _words(node: ast.AST) -> list[str]:
    match node:
        case ast.Name(id=word) | ast.Attribute(attr=word) | ast.Constant(value=str(word)):
            return [word]
        case ast.ImportFrom(names=names):
            return [alias.name for alias in names]
    return []


def modules(root: Path) -> list[Module]:
    """Return every file of the package in a checkout, in order."""
    package = root / "src" / "headstart"
    return [Module(path, path.relative_to(package).as_posix()) for path in sorted(package.rglob("*.py"))]


def code_lines(text: str) -> set[int]:
    r"""Return the numbers of lines that hold code: no comments, docstrings, imports or blank lines.

    >>> sorted(code_lines('import os\n\ndef f():\n    "Say where."\n    return os.getcwd()  # here\n'))
    [3, 5]
    """
    tokens = tokenize.generate_tokens(io.StringIO(text).readline)
    lines = {n for t in tokens if t.type not in _SILENT for n in range(t.start[0], t.end[0] + 1)}
    for node in ast.walk(ast.parse(text)):
        match node:
            case ast.Expr(value=ast.Constant(value=str())) | ast.Import() | ast.ImportFrom():
                lines -= set(range(node.lineno, (node.end_lineno or node.lineno) + 1))
    return lines


def method_names(root: Path) -> set[str]:
    """Return the names that the registries of methods give, read from their literal tables."""
    trees = [ast.parse((root / "src" / "headstart" / room / "__init__.py").read_text()) for room in ROOMS]
    tables = [n.value for tree in trees for n in tree.body if isinstance(n, ast.AnnAssign) and _is_registry(n)]
    return {key for table in tables if isinstance(table, ast.Dict) for key in _strings(table)}


def _is_registry(node: ast.AnnAssign) -> bool:
    return isinstance(node.target, ast.Name) and node.target.id == "METHODS"


def comparisons(tree: ast.Module, methods: set[str]) -> list[int]:
    r"""Return the lines on which a method is told by its name: compared, matched, looked for, or the key of a table.

    Args:
        tree: The file's syntax tree.
        methods: Names of methods.

    >>> tree = ast.parse('if arm.method == "ridge":\n    pass\nif method in ("ncm", "lda"):\n    pass')
    >>> comparisons(tree, {"ridge", "ncm", "lda"})
    [1, 3]
    """
    sets = {t.id: n.value for n in tree.body if isinstance(n, ast.Assign) for t in n.targets if isinstance(t, ast.Name)}
    return sorted({node.lineno for node in ast.walk(tree) if _tells(node, methods, sets)})  # type: ignore[attr-defined]


def _tells(node: ast.AST, methods: set[str], sets: dict[str, ast.expr]) -> bool:
    match node:
        case ast.Compare():
            sides = [sets.get(side.id, side) if isinstance(side, ast.Name) else side for side in _sides(node)]
            return any(map(_is_naming, _sides(node))) and any(methods & _strings(side) for side in sides)
        case ast.Match(subject=subject):
            return _is_naming(subject) and any(methods & _strings(case.pattern) for case in node.cases)
        case ast.Dict():
            return len(methods & _strings(node)) > 1
    return False


def _sides(node: ast.Compare) -> list[ast.expr]:
    return [node.left, *node.comparators]


def _is_naming(node: ast.expr) -> bool:
    match node:
        case ast.Name(id=word) | ast.Attribute(attr=word) | ast.Subscript(slice=ast.Constant(value=word)):
            return word in _NAMING
    return False


def _strings(node: ast.AST) -> set[str]:
    """Return the strings that a literal holds; of a dictionary, its keys."""
    match node:
        case ast.Constant(value=str(text)):
            return {text}
        case ast.Dict(keys=parts):
            pass
        case ast.Set(elts=parts) | ast.Tuple(elts=parts) | ast.List(elts=parts) | ast.Call(args=parts):
            pass
        case ast.MatchValue(value=part):
            parts = [part]
        case ast.MatchOr(patterns=parts):
            pass
        case _:
            return set()
    return {text for part in parts if part is not None for text in _strings(part)}


def unshared(files: Sequence[Module]) -> Iterator[str]:
    """Yield the public names that no other file uses, each with its file."""
    uses = Counter(word for file in files for word in file.words)
    for file in files:
        yield from (f"{file.name}: {name}" for name in file.public if uses[name] == (name in file.words))


def percentile(values: Sequence[int], share: float) -> int:
    """Return the least of the values that a share of them does not exceed.

    >>> percentile([3, 1, 2, 10], 0.5), percentile([3, 1, 2, 10], 0.9)
    (2, 10)
    """
    return sorted(values)[max(0, math.ceil(share * len(values)) - 1)]


def figures(root: Path) -> dict[str, float]:
    """Return every figure of a checkout by its name."""
    files, methods = modules(root), method_names(root)
    names = sum(len(file.public) for file in files)
    own = [file for file in files if file.is_method]
    functions = [lines for file in files for lines in file.functions]
    sizes = [len(file.text.splitlines()) for file in files]
    code = sum(len(file.code) for file in files)
    return {
        "files": len(files),
        "code lines": code,
        "public names": names,
        "code lines per public name": round(code / names, 1),
        "names used in no other module": sum(1 for _ in unshared(files)),
        "methods compared by name": sum(
            len(comparisons(file.tree, methods)) for file in files if file.name not in REGISTRIES
        ),
        "code lines of a method file, most": max(len(file.code) for file in own),
        "imports of a method file, most": max(file.imports for file in own),
        "function lines, median": percentile(functions, 0.5),
        "function lines, 90th percentile": percentile(functions, 0.9),
        "file lines, median": percentile(sizes, 0.5),
        "file lines, 90th percentile": percentile(sizes, 0.9),
        "file lines, most": max(sizes),
    }


def report(root: Path, *, long: bool) -> str:
    """Return the table that is printed; a long one lists what was counted."""
    lines = [f"{name:36}{value:>8g}" for name, value in figures(root).items()]
    lines += ["", f"{'method file':36}{'code':>8}{'imports':>9}"]
    own = [file for file in modules(root) if file.is_method]
    lines += [f"{file.name:36}{len(file.code):>8}{file.imports:>9}" for file in own]
    return "\n".join([*lines, *(listing(root) if long else [])])


def listing(root: Path) -> Iterator[str]:
    """Yield the lines on which a method is told by its name, and the names that no other module uses."""
    files, methods = modules(root), method_names(root)
    yield "\nmethods compared by name"
    for file in files:
        if file.name not in REGISTRIES:
            yield from (f"  {file.name}:{line}" for line in comparisons(file.tree, methods))
    yield "\nnames used in no other module"
    yield from (f"  {name}" for name in unshared(files))


def faults(found: dict[str, float]) -> list[str]:
    """Return a line for each figure beyond its limit.

    >>> faults({"public names": 10_000, "files": 3})
    ['public names: at most 1800, found 10000']
    """
    bad = []
    for name, (least, most) in LIMITS.items():
        if name in found and not least <= found[name] <= most:
            rule = f"at most {most}" if found[name] > most else f"at least {least}"
            bad.append(f"{name}: {rule}, found {found[name]:g}")
    return bad


def main() -> int:
    """Print the figures; with ``--check``, return 1 where one is beyond its limit."""
    asked = argparse.ArgumentParser(description=(__doc__ or "").partition("\n")[0])
    asked.add_argument("folder", nargs="?", type=Path, default=Path(__file__).parents[1], help="a checkout")
    asked.add_argument("--check", action="store_true", help="fail where a figure is beyond its limit")
    asked.add_argument("--list", action="store_true", help="name what was counted")
    given = asked.parse_args()
    print(report(given.folder, long=given.list))
    bad = faults(figures(given.folder)) if given.check else []
    print(*bad, sep="\n", file=sys.stderr, end="\n" if bad else "")
    return int(bool(bad))


if __name__ == "__main__":
    sys.exit(main())
