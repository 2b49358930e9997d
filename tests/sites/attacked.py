"""What a hostile server sends to one site: requests that were honest once, with parts of them changed."""

import json
from collections.abc import Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import torch

from headstart.core.trees import Tree
from headstart.sites.answers import Kind, reply
from headstart.sites.settings import Minima
from headstart.sites.site import Site
from headstart.sites.transport import Answer, Failed, Request
from headstart.study.written.load import StudyFile
from sites.federations import Row, Table
from sites.in_process import InProcess, accept, arm_of, opened, run_arm

Requests = Mapping[str, tuple[str, Tree]]
"""By kind; ``adapted`` is the second model, with which ``adapt`` begins."""

NAMES = ("north", "east", "south")


def patients(site: int, count: int) -> list[Row]:
    """Return rows whose every cell is a mark of its own, but for label, ward and sex."""
    draw = np.random.default_rng(site)
    return [
        {
            "name": f"CANARY-{site}-{number:03}",
            "age": round(float(draw.normal(50 + 9 * (number % 2), 12)), 4),
            "dose": round(float(draw.normal(3, 1)), 4),
            "ward": ("emergency", "intensive")[number // 2 % 2],
            "label": ("sick", "well")[number % 2],
        }
        for number in range(count)
    ]


def made(folder: Path, count: int, data: str = 'standardize = "none"\ncolumns = ["age", "dose"]') -> StudyFile:
    """Write the files of three sites and their study."""
    file, _ = Table({name: patients(number, count) for number, name in enumerate(NAMES)}, data).write(folder)
    return file


def site_of(folder: Path, name: str = "north", state: str = "attacked", **options: Any) -> Site:
    return Site(name, folder / f"{name}.csv", folder / state / name, **options)


class Listening(InProcess):
    """Sites in this process, whose requests are kept as they came."""

    def __init__(self, sites: Sequence[Site]) -> None:
        super().__init__(sites)
        self.heard: dict[str, tuple[str, Tree]] = {}

    def one(self, request: Request) -> Answer[str] | Failed:
        if request.site == 0:
            again = request.kind == "start" and "start" in self.heard
            self.heard["adapted" if again else request.kind] = (request.text, request.tree)
        return super().one(request)


_NAME = {"exchange": "0" * 32}
EXCHANGE: Requests = {
    "keys": (json.dumps(_NAME), {}),
    "shares": (json.dumps({**_NAME, "threshold": 3, "most": 1, "keys": {}}), {}),
    "reveal": (json.dumps({**_NAME, "alive": ["north"]}), {}),
}
"""Of keys, in which nobody else takes part."""


def requests(file: StudyFile, folder: Path, arm: str = "ridge") -> dict[str, tuple[str, Tree]]:
    """Return what an honest run asks its first site, and the messages of a probe with the same setup."""
    ask = Listening([site_of(folder, name, "honest") for name in NAMES])
    run_arm(opened(file, ask, folder / "out"), arm_of(file, arm))
    found, update = ask.heard, json.loads(ask.heard["update"][0])
    probe = {"setup": update["setup"], "noise": 0.0, "bound": 10.0}
    heads = {f"{name}/head.{part}": torch.zeros(shape) for name in ("ridge", "lda", "ncm") for part, shape in PARTS}
    found.setdefault(
        "agree", (json.dumps({"data": update["setup"]["data"], "agreement": update["setup"]["agreement"]}), {})
    )
    adapt = json.loads(found["adapt"][0])
    found["count"] = (json.dumps({"runs": [[adapt["run"]]], "by_class": True}), {})
    return {
        **found,
        **EXCHANGE,
        "sums": (json.dumps({**probe, "masks": None}), {}),
        "heads": (json.dumps({**probe, "metric": "accuracy"}), heads),
    }


PARTS = (("weight", (2, 2)), ("bias", (2,)))
"""Of a head for two columns and two classes."""


def ready(site: Site, file: StudyFile, asked: Requests) -> Site:
    """Return a site that has accepted the study and holds its model."""
    accept(file, [site])
    answered(site, "hello", *asked["hello"])
    for name in ("start", "adapted"):
        if name in asked:
            answered(site, "start", *asked[name])
    return site


def answered(site: Site, kind: Kind, text: str, tree: Tree) -> tuple[dict[str, Any], Tree]:
    """Return what a site says to one request."""
    said, sent = reply(site, kind, text, tree)
    return json.loads(said), sent


def changed(text: str, changes: Mapping[str, Any]) -> str:
    """Return a message with some fields, by dotted names, changed."""
    table = json.loads(text)
    for path, value in changes.items():
        *way, last = path.split(".")
        place = table
        for each in way:
            place = place[each]
        place[last] = value
    return json.dumps(table)


def lenient(site: Site) -> Site:
    """Return a site that says something of any number of examples."""
    return replace(site, minima=Minima(examples=1, class_examples=1))


def sums_asked(asked: Requests, method: str, **more: Any) -> tuple[Kind, str]:
    """Return a request for sums: of a method's update, or of a probe."""
    if method == "probe":
        return "sums", changed(asked["sums"][0], more)
    return "update", changed(asked["update"][0], {"stage.method": {"name": method, "settings": {}}, **more})
