"""The script that counts what makes the code hard to learn."""

from __future__ import annotations

import ast
import doctest
import math
import subprocess
import sys
from pathlib import Path

import pytest

import figures

ROOT = Path(figures.__file__).parents[1]
FEDAVG = '''"""Title."""
import os
from headstart.core import a


class FedAvg:
    """Doc."""

    def update(self):
        # why
        return a._b()


def used(): ...


def lonely(method):
    return method == "fedavg"


def _private(): ...
'''


@pytest.fixture
def checkout(tmp_path: Path) -> Path:
    """A checkout of one method, one module that uses it, and the three registries."""
    package = tmp_path / "src" / "headstart"
    for room, table in {"federate": '{"fedavg": Entry(FedAvg)}', "adapt": "{}", "start": "{}"}.items():
        (package / room).mkdir(parents=True)
        (package / room / "__init__.py").write_text(f"METHODS: dict[str, Entry] = {table}\n")
    (package / "federate" / "fedavg.py").write_text(FEDAVG)
    (package / "cli.py").write_text("from headstart.federate.fedavg import used\n")
    return tmp_path


def test_a_checkout_by_hand(checkout: Path) -> None:
    assert figures.figures(checkout) == {
        "files": 5,
        "code lines": 10,
        "public names": 3,
        "code lines per public name": 3.3,
        "names used in no other module": 1,
        "methods compared by name": 1,
        "code lines of a method file, most": 7,
        "imports of a method file, most": 2,
        "function lines, median": 1,
        "function lines, 90th percentile": 2,
        "file lines, median": 1,
        "file lines, 90th percentile": 21,
        "file lines, most": 21,
    }


def test_what_was_counted_can_be_listed(checkout: Path) -> None:
    assert list(figures.listing(checkout)) == [
        "\nmethods compared by name",
        "  federate/fedavg.py:18",
        "\nnames used in no other module",
        "  federate/fedavg.py: lonely",
    ]


@pytest.mark.parametrize(
    ("text", "is_told"),
    [
        ('arm.method == "ridge"', True),
        ('"ridge" != stage["method"]', True),
        ('method in ("ridge", "ncm")', True),
        ('name not in frozenset({"ridge"})', True),
        ('SOLVED = {"ridge"}\nname in SOLVED', True),
        ('match method:\n    case "ncm" | "ridge":\n        pass', True),
        ('WORDS = {"ridge": "one round", "ncm": "means"}', True),
        ('{"ridge": 1}', False),
        ('arm.method == "unheard-of"', False),
        ('standardize == "ridge"', False),
        ('name in methods', False),
    ],
)  # fmt: skip
def test_a_method_told_by_its_name_is_noticed(text: str, is_told: bool) -> None:
    assert bool(figures.comparisons(ast.parse(text), {"ridge", "ncm"})) == is_told


@pytest.fixture(scope="module")
def ours() -> dict[str, float]:
    return figures.figures(ROOT)


def test_every_limit_is_of_a_figure(ours: dict[str, float]) -> None:
    assert ours.keys() >= figures.LIMITS.keys()


@pytest.mark.parametrize("name", figures.LIMITS)
def test_a_figure_beyond_its_limit_is_a_line(name: str) -> None:
    least, most = figures.LIMITS[name]
    beyond = least - 1 if math.isinf(most) else most + 1
    assert len(figures.faults({name: beyond})) == 1
    assert figures.faults({name: least}) == []


def test_the_check_fails_where_a_limit_is_broken(checkout: Path) -> None:
    """This one has 3.3 lines for each name and compares a method by name; the rest is within its limits."""
    done = subprocess.run([sys.executable, figures.__file__, str(checkout), "--check"], capture_output=True, text=True)
    assert done.returncode == 1
    assert done.stderr.splitlines() == [
        "code lines per public name: at least 15, found 3.3",
        "methods compared by name: at most 0, found 1",
    ]


def test_this_checkout_is_within_its_limits(ours: dict[str, float]) -> None:
    assert figures.faults(ours) == []


def test_examples_of_the_script() -> None:
    assert doctest.testmod(figures).failed == 0
