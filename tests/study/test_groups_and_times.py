"""A study of pictures by the sessions they were taken in, and by when, from file to answer."""

from __future__ import annotations

import os
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any, get_args

import numpy as np
import pyarrow as pa
import pytest
from pyarrow import parquet

from headstart.core.files import read_json
from headstart.data.federation import Federation, Split
from headstart.study.study import Study

STUDY = """
name  = "sessions"
seeds = [0, 1]
[data]
source = "{source}"
client = "speaker"
image_size = 8
{data}
[model]
backbone = "linear"
[tuning]
trials = 1
[arms.ridge]
start = "random"
federate = "ridge"
[arms.local]
start = "random"
adapt = "local_ridge"
[decision]
baseline = "ridge"
"""


@pytest.fixture(scope="module")
def spoken(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Every fifth of the spoken digits, six of a speaker in a session, a session a week."""
    folder = os.environ.get("HEADSTART_DATA")
    if not folder:
        pytest.skip("HEADSTART_DATA names no folder of real data")
    table = parquet.read_table(Path(folder) / "images" / "spoken_digits_6speakers.parquet")
    table = table.take(pa.array(range(0, len(table), 5))).drop_columns("split")
    speakers = table["speaker"].to_pylist()
    takes = [speakers[:row].count(speaker) for row, speaker in enumerate(speakers)]
    draw = np.random.default_rng(0).permutation(max(takes) + 1)
    sessions = [f"{speaker} {draw[take] // 6}" for speaker, take in zip(speakers, takes, strict=True)]
    began = datetime(2020, 1, 1, tzinfo=UTC)
    times = [began + timedelta(weeks=int(draw[take]) // 6, minutes=int(draw[take]) % 6) for take in takes]
    table = table.append_column("session", pa.array(sessions))
    table = table.append_column("recorded", pa.array(times, pa.timestamp("ms", "Europe/Berlin")))
    path = tmp_path_factory.mktemp("spoken") / "spoken.parquet"
    parquet.write_table(table, path)
    return path


def ran(folder: Path, source: object, data: str) -> tuple[Federation, dict[str, Any]]:
    """Run a study, and return its federation and what its folder says of it."""
    (folder / "study.toml").write_text(STUDY.format(source=source, data=data))
    study = Study.load(folder / "study.toml")
    assert study.run(folder / "out").verdict.recommended == "local"
    return study.lab.federation, read_json(folder / "out" / "federation.json") or {}


def test_a_study_by_session(spoken: Path, tmp_path: Path) -> None:
    federation, said = ran(tmp_path, spoken, 'split = { group = "session" }')
    groups = federation.examples.groups
    assert groups is not None
    assert len(np.unique(groups)) == 108
    for client in federation.clients:
        parts = [set(groups[part].tolist()) for part in (client.train, client.val, client.test)]
        assert all(parts)
        assert len(set().union(*parts)) == sum(map(len, parts))
    assert said["account"]["parts"]["session"] == "group"
    assert not any("several clients have" in note for note in said["notes"])


def test_a_study_in_the_order_of_time(spoken: Path, tmp_path: Path) -> None:
    federation, said = ran(tmp_path, spoken, 'split = { time = "recorded", time_cut = "common" }')
    stamps = parquet.read_table(spoken)["recorded"].to_pylist()
    when = np.array([stamps[int(name.rpartition(":")[2])] for name in federation.examples.ids])
    train, val, test = (np.concatenate([c.indices(part) for c in federation.clients]) for part in get_args(Split))
    assert when[train].max() < when[val].min() <= when[val].max() < when[test].min()
    assert said["account"]["splits"] == {"train": len(train), "val": len(val), "test": len(test)}
    assert said["account"]["parts"]["recorded"] == "time"
