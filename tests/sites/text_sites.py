"""A small federation of texts: a tiny encoder on disk, one file of all texts, and one per site."""

from collections.abc import Mapping, Sequence
from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq

from headstart.study.written.load import StudyFile, load_study
from tiny_texts import draw_texts, save_encoder

NAMES = ("clinic", "hospital", "practice")

STUDY = """
name  = "letters"
seeds = [0]
[data]
source  = "{folder}/all.parquet"
text    = "letter"
client  = "site"
missing = "drop"
[data.central]
source = "{folder}/pool.parquet"
[model]
backbone = "{folder}/encoder"
{model}
[training]
batch_size = 8
[engine]
name = "serial"
[decision]
baseline = "ridge"
[arms.finetune]
start = "pretrained"
adapt = {{ method = "linear_probe", epochs = 3, client_lr = 0.1 }}
[arms.fedavg]
start    = "pretrained"
federate = {{ method = "fedavg", rounds = 2, client_lr = 0.1, trainable = "head" }}
[arms.ridge]
start    = "pretrained"
federate = "ridge"
[arms.pool]
start    = {{ method = "pretrain", epochs = 1 }}
federate = "ridge"
[arms.deep]
start    = "pretrained"
federate = {{ method = "fedavg", rounds = 2, client_lr = 0.02, trainable = 1 }}
"""


def letters(site: int, count: int = 40) -> list[dict[str, str | None]]:
    """Return rows, an empty text and two that nearly repeat each other among them."""
    labels = np.arange(count) % 2
    texts: list[str | None] = list(draw_texts(labels, seed=site))
    texts[5], texts[9] = None, f"{texts[7]} film"
    return [{"letter": text, "label": ("good", "bad")[label]} for text, label in zip(texts, labels, strict=True)]


def write_letters(
    folder: Path, model: str = "", rows: Mapping[str, Sequence[Mapping[str, str | None]]] | None = None
) -> StudyFile:
    """Write an encoder, the study, the texts of all sites and those of each."""
    save_encoder(folder / "encoder")
    sites = rows or {name: letters(number) for number, name in enumerate(NAMES)}
    together = [{**row, "site": name} for name, own in sites.items() for row in own]
    pq.write_table(pa.Table.from_pylist(together), folder / "all.parquet")
    pool = [{"letter": row["letter"] or "good", "label": row["label"], "site": "pool"} for row in letters(99)]
    pq.write_table(pa.Table.from_pylist(pool), folder / "pool.parquet")
    for name, own in sites.items():
        pq.write_table(pa.Table.from_pylist(list(own)), folder / f"{name}.parquet")
    (folder / "study.toml").write_text(STUDY.format(folder=folder, model=model))
    return load_study(folder / "study.toml")
