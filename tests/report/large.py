"""Run folders of many clients and arms, with a real verdict, made in seconds."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq

from headstart.evidence import Scores, decide

from .answered import traits
from .run_folders import METRICS, SLATE, Recipe, write_run

CLASSES = 10


def write_large(folder: Path, *, arms: int, clients: int, seeds: int = 3) -> Path:
    """Write a run folder whose arms are the slate's, again and again, with a verdict for clients like these."""
    slate = list(SLATE)
    names = {f"{slate[at % 13]}-{at // 13}" if at >= 13 else slate[at]: slate[at % 13] for at in range(arms)}
    few = write_run(folder, Recipe(clients=4, unseen=1, seeds=seeds, nan_client=False, verdict=False))
    lines = [json.loads(line) for line in (few / "records.jsonl").read_text().splitlines()]
    records = [{**line, "arm": name} for name, like in names.items() for line in lines if line["arm"] == like]
    (folder / "records.jsonl").write_text("".join(json.dumps(record) + "\n" for record in records))
    scores = _scores(names, clients, seeds)
    verdict = decide(
        scores,
        baseline="fedavg",
        metric="balanced_accuracy",
        min_effect=0.02,
        confidence=0.95,
        costs={name: {"total_bytes": SLATE[like][5] + SLATE[like][6]} for name, like in names.items()},
        ruled_out={},
        traits={name: traits(like) for name, like in names.items()},
        clients="like these",
        validation=_scores(names, clients, seeds, seed=1),
    )
    (folder / "verdict.json").write_text(json.dumps(verdict.as_json()))
    (folder / "federation.json").write_text(json.dumps(_federation(scores)))
    _write_clients(folder / "clients.parquet", scores)
    return folder


def _scores(names: dict[str, str], clients: int, seeds: int, seed: int = 0) -> Scores:
    generator = np.random.default_rng(seed)
    levels = np.array([SLATE[like][3] for like in names.values()])[:, None, None]
    noise = generator.normal(0, 0.03, (len(names), seeds, clients))
    values = np.clip(levels + np.random.default_rng(7).normal(0, 0.06, clients) + noise, 0.02, 0.99)
    seen = np.arange(clients) < clients - clients // 10
    return Scores(tuple(names), tuple(range(seeds)), tuple(f"site-{at}" for at in range(clients)), seen, values)


def _federation(scores: Scores) -> dict[str, object]:
    draw = np.random.default_rng(3).integers(1, 40, (len(scores.clients), CLASSES)).tolist()
    clients = [
        {"id": name, "seen": seen, "train": sum(counts), "val": 20, "test": 20, "labels": {"train": counts}}
        for name, seen, counts in zip(scores.clients, scores.seen.tolist(), draw, strict=True)
    ]
    return {"clients": clients, "classes": [f"class {at}" for at in range(CLASSES)]}


def _write_clients(path: Path, scores: Scores) -> None:
    arms, seeds, clients = scores.values.shape
    shape = (arms, seeds, len(METRICS), clients)
    arm, seed, metric, client = (axis.ravel().astype(np.int32) for axis in np.indices(shape))
    one = pa.array(np.zeros(len(arm), dtype=np.int32))
    table = {
        "arm": pa.DictionaryArray.from_arrays(arm, list(scores.arms)),
        "seed": seed.astype(np.int64),
        "client": pa.DictionaryArray.from_arrays(client, list(scores.clients)),
        "seen": scores.seen[client],
        "split": pa.DictionaryArray.from_arrays(one, ["test"]),
        "metric": pa.DictionaryArray.from_arrays(metric, list(METRICS)),
        "value": np.broadcast_to(scores.values[:, :, None], shape).ravel(),
    }
    pq.write_table(pa.table(table), path)
