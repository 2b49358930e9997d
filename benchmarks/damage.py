"""Damage a finished study and its cache in many ways, run it again each time, and compare all that it says.

``python benchmarks/damage.py studies/reviews.toml --out FOLDER`` runs the study into ``FOLDER/right`` with its cache
in ``FOLDER/cache``, or takes those that are there; then, on copies of both, it damages one file at a time and prints
what came of it. ``demo`` in a file's place is the embedded study. The last line counts the ways; it exits with 1 if a
number differs or an error is no single line.
"""

from __future__ import annotations

import argparse
import json
import os
import random
import shutil
import sys
import time
from collections.abc import Callable, Iterator
from importlib import resources
from pathlib import Path
from typing import Any

from pyarrow import parquet

from headstart.core.errors import HeadstartError
from headstart.core.files import read_json, read_json_lines
from headstart.core.progress import Silent
from headstart.study.study import Study

KINDS = {
    **{name: f"right/{name}" for name in ("records.jsonl", "clients.parquet", "predictions.parquet")},
    **{
        name: f"right/{name}.json"
        for name in ("federation", "settings", "diagnosis", "verdict", "costs", "devices", "tables")
    },
    "node": "right/nodes/*.json",
    "weights": "right/weights/[0-9a-f]*.safetensors",
    "kept predictions": "right/weights/predictions-*.safetensors",
    "cached start": "cache/starts/nodes/*.json",
    "cached weights": "cache/starts/weights/*.safetensors",
    "cached activations": "cache/activations/*.npy",
    "cached step times": "cache/calibrations/*.json",
    "cached images": "cache/images/*.npy",
}
"""Where files of each kind lie."""


def flipped(path: Path) -> None:
    """Flip a bit in the middle: of a digit's lowest in text, so that text stays text."""
    content = bytearray(path.read_bytes())
    place = len(content) // 2
    if path.suffix in (".json", ".jsonl"):
        place = next((i for i in range(place, len(content)) if content[i : i + 1].isdigit()), place)
    content[place] ^= 1
    path.write_bytes(content)


def cut(path: Path) -> None:
    """Keep the first half."""
    os.truncate(path, path.stat().st_size // 2)


def emptied(path: Path) -> None:
    """Keep nothing."""
    os.truncate(path, 0)


def edited(path: Path) -> None:
    """Put another number of as many digits in the place of the last one that is one."""
    content = path.read_bytes()
    place = _last_digit(content)
    path.write_bytes(content[:place] + bytes([content[place] + 1]) + content[place + 1 :])


def _last_digit(content: bytes) -> int:
    end = content.rfind(b'"checksum"')
    return max(content.rfind(bytes([digit]), 0, end if end > 0 else None) for digit in b"12345678")


def swapped(path: Path) -> None:
    """Let another file of its kind take its place, or lose it where there is no other."""
    others = [one for one in sorted(path.parent.glob(f"*{path.suffix}")) if one.read_bytes() != path.read_bytes()]
    path.unlink()
    if others:
        shutil.copy(others[-1], path)


def folder(path: Path) -> None:
    """Put a folder in its place."""
    path.unlink()
    path.mkdir()


WAYS: tuple[Callable[[Path], None], ...] = (flipped, cut, emptied, edited, swapped, folder)


class _Told(Silent):
    def __init__(self) -> None:
        self.lines: list[str] = []

    def warn(self, text: str) -> None:
        self.lines.append(text)


def main() -> None:
    """Print what came of every way."""
    parser = argparse.ArgumentParser(description=str(__doc__).split("\n")[0])
    parser.add_argument("study")
    parser.add_argument("--out", type=Path, required=True)
    parser.add_argument("--cases", type=int, default=1000, help="draw so many of all ways")
    said = parser.parse_args()
    with resources.as_file(resources.files("headstart.study") / "demo.toml") as demo:
        file = demo if said.study == "demo" else Path(said.study)
        _run(file, said.out)
        right, bad = _says(said.out / "right"), 0
        cases = list(_cases(said.out))
        random.Random(0).shuffle(cases)
        for kind, way in cases[: said.cases]:
            outcome = _damaged(file, said.out, kind, way, right)
            bad += outcome.startswith("WRONG")
            print(f"{kind:<20} {way.__name__:<8} {outcome}", flush=True)
    print(f"{min(len(cases), said.cases)} ways, {bad} of them wrong")
    sys.exit(bool(bad))


def _cases(out: Path) -> Iterator[tuple[str, Callable[[Path], None]]]:
    """Yield what can be damaged, and how."""
    for kind, pattern in KINDS.items():
        if next(out.glob(pattern), None):
            yield from ((kind, way) for way in WAYS)


def _damaged(file: Path, out: Path, kind: str, way: Callable[[Path], None], right: dict[str, Any]) -> str:
    """Damage one file of copies, run the study again, and say what came of it."""
    copy = out / "copy"
    shutil.rmtree(copy, ignore_errors=True)
    for name in ("right", "cache"):
        shutil.copytree(out / name, copy / name)
    if kind.startswith("cached"):
        # Finished work would not ask the cache.
        shutil.rmtree(copy / "right")
    way(sorted(copy.glob(KINDS[kind]))[0])
    begin = time.monotonic()
    try:
        lines = _run(file, copy)
    except (HeadstartError, OSError) as error:
        return f"{'WRONG: ' if chr(10) in str(error) else 'named: '}{error}"
    differs = [name for name, value in _says(copy / "right").items() if value != right[name]]
    said = next((line for line in lines if "damaged" in line), "nothing said")
    return f"{f'WRONG: {differs} differ' if differs else 'the same'} ({time.monotonic() - begin:.1f} s): {said[:150]}"


def _run(file: Path, out: Path) -> list[str]:
    told = _Told()
    Study.load(file, cache=out / "cache", progress=told).run(out / "right", progress=told)
    return told.lines


def _says(out: Path) -> dict[str, Any]:
    """Return all that a folder says, but for times."""
    records = [_timeless(line) for line in read_json_lines(out / "records.jsonl")]
    rows = parquet.read_table(out / "clients.parquet").to_pylist()
    verdict = {name: value for name, value in read_json(out / "verdict.json").items() if name != "looks"}
    return {
        "records": sorted(records, key=lambda line: (line["arm"], line["seed"])),
        "clients": sorted(json.dumps(row) for row in rows),
        "verdict": verdict,
        "diagnosis": read_json(out / "diagnosis.json"),
    }


def _timeless(line: dict[str, Any]) -> dict[str, Any]:
    return {name: value for name, value in line.items() if name != "timing"}


if __name__ == "__main__":
    main()
