"""Run folders of a race: a case whose weaker arms went out early, on the way or over."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path
from typing import Any

import pyarrow.compute as pc
import pyarrow.parquet as pq

from headstart.core.files import write_json
from headstart.evidence.race import Look, Out, Race, Taken

from .answered import CASES, write_answered

BEHIND = "41.2 points behind fedavg-pretrained on validation data"
OUT: Mapping[str, Out] = {
    "zero-shot": Out("dropped", 0, "22 points behind finetune-lp-ft on validation data"),
    "fedavg": Out("dropped", 2, BEHIND),
    "pooled": Out("reference", 1, "no real client can run it"),
    "finetune-head": Out("represented", 3, "finetune-lp-ft did better on validation data"),
}
GOING = Race(
    ended=None,
    taken=(Taken(3, 0.01, 9, "both"),),
    coming=(Look(5, 0.04),),
    out=OUT,
    left=("fedavg-finetune", "ridge-personal"),
    headroom=0.06,
)
OVER = replace(GOING, ended="decided", left=())


def write_raced(folder: Path, race: Race, name: str = "many") -> Path:
    """Write a run folder as a race leaves it: of arms that went out, the seeds that they had alone."""
    write_answered(folder, name)
    found = json.loads((folder / "verdict.json").read_text())
    gone = {arm: one for arm, one in race.out.items() if arm in found["arms"] and one.seeds < CASES[name].seeds}
    for arm in gone:
        found["arms"][arm]["status"] = "reference" if race.out[arm].kind == "reference" else "dropped"
    found["start_pays"] = {"state": "dropped", "words": f"fedavg from scratch was dropped: {BEHIND} after 2 seeds"}
    found |= {"confidence": 0.99, "race": race.as_json()}
    (folder / "verdict.json").write_text(json.dumps(found))
    _keep(folder, {arm: one.seeds for arm, one in gone.items()})
    return folder


def _keep(folder: Path, seeds: Mapping[str, int]) -> None:
    """Take away what arms did not run."""
    records = map(json.loads, (folder / "records.jsonl").read_text().splitlines())
    kept = [line for line in records if line["seed"] < seeds.get(line["arm"], line["seed"] + 1)]
    (folder / "records.jsonl").write_text("".join(json.dumps(line) + "\n" for line in kept))
    table = pq.read_table(folder / "clients.parquet")
    for arm, most in seeds.items():
        lost = pc.and_(pc.equal(table["arm"], arm), pc.greater_equal(table["seed"], most))
        table = table.filter(pc.invert(lost))
    pq.write_table(table, folder / "clients.parquet")


def write_begun(folder: Path, diagnosis: Mapping[str, Any] | None = None, race: Race | None = None) -> Path:
    """Write a run folder in which no arm is finished yet."""
    folder.mkdir(parents=True, exist_ok=True)
    clients = [{"id": f"clinic-{at}", "seen": True, "train": 30, "val": 10, "test": 10} for at in range(4)]
    says = [["source", "clients.csv (table), 200 rows read, 200 used"]]
    account = {"clients": clients, "classes": ["a", "b"], "notes": [], "account": {"says": says}}
    (folder / "federation.json").write_text(json.dumps(account))
    (folder / "study.toml").write_text('name = "clinics"\nseeds = [0, 1, 2]\n')
    if diagnosis:
        (folder / "diagnosis.json").write_text(json.dumps(diagnosis))
    if race:
        write_json(folder / "verdict.json", {"race": race.as_json()})
    return folder
