"""At how many texts per client does federating start to pay? Heads on one frozen encoder, clients of growing size.

``python benchmarks/crossover.py --json FILE [--plot FILE]`` runs the same arms, each tuned with the same budget on
validation data, with 5 to 1,000 training texts at each of the 16 domains of ``reviews_16domains.parquet``. The tests
are the same at every size, and so is the one pass through the encoder.
"""

from __future__ import annotations

import argparse
import json
import os
import sys
import tempfile
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np

from headstart.core.cache import cache_folder, calibrations
from headstart.data import DataSettings, open_federation
from headstart.data.federation import Federation
from headstart.engine.ways.fleet import Fleet
from headstart.models.spec import ModelSpec
from headstart.study.lab import Lab
from headstart.study.study import Study
from headstart.study.texts import with_tokens
from headstart.study.written.load import parse_study

SIZES = (5, 10, 20, 30, 60, 120, 300, 1000)
DRAWS, SEEDS, TRIALS, MOST_TESTS = 3, (0, 1), 4, 300
EPOCHS = 20
ARMS: dict[str, dict[str, Any]] = {
    "finetune": {"adapt": {"method": "linear_probe", "epochs": EPOCHS}},
    "fedavg": {"federate": {"method": "fedavg", "rounds": EPOCHS}},
    "both": {
        "federate": {"method": "fedavg", "rounds": EPOCHS},
        "adapt": {"method": "linear_probe", "epochs": EPOCHS},
    },
    "local-ridge": {"adapt": "local_ridge"},
    "ridge": {"federate": "ridge"},
    "ridge-personal": {"federate": "ridge", "adapt": "personal_ridge"},
}


def main() -> None:
    """Run all sizes and write what they came to."""
    parser = argparse.ArgumentParser(description=str(__doc__).split("\n")[0])
    parser.add_argument("--json", type=Path, required=True)
    parser.add_argument("--plot", type=Path)
    parser.add_argument("--sizes", type=int, nargs="+", default=SIZES)
    options = parser.parse_args()
    rows = list(measure(options.sizes))
    options.json.write_text(json.dumps(rows, indent=1))
    if options.plot:
        plot(rows, options.plot)


def measure(sizes: tuple[int, ...]) -> Iterator[dict[str, Any]]:
    """Yield one row per size and arm: mean accuracy over draws, and its effect over *finetune* by client."""
    folder = os.environ.get("HEADSTART_DATA")
    if not folder:
        sys.exit("set HEADSTART_DATA to the folder of the data sets first")
    spec = ModelSpec(backbone="minilm", max_tokens=128)
    data = DataSettings(source=f"{folder}/text/reviews_16domains.parquet", text="text", client="domain", missing="drop")
    federation = with_tokens(open_federation(data, Path()), spec)
    lab = Lab(federation, spec, Fleet(folder=calibrations(cache_folder())), cache=cache_folder())
    for size in sizes:
        found = [scores_of(lab, few(federation, size, draw), draw) for draw in range(DRAWS)]
        for arm in ARMS:
            means = [clients[arm].mean() for clients in found]
            gain = np.mean([clients[arm] - clients["finetune"] for clients in found], axis=0)
            yield {
                "texts": size,
                "arm": arm,
                "accuracy": float(np.mean(means)),
                "gain": float(gain.mean()),
                "gain_error": float(gain.std(ddof=1) / np.sqrt(len(gain))),
                "clients_better": int((gain > 0).sum()),
            }
        print(size, {arm: round(float(np.mean([c[arm].mean() for c in found])), 4) for arm in ARMS}, flush=True)


def few(federation: Federation, size: int, draw: int) -> Federation:
    """Leave each client ``size`` texts to train on, a third as many to validate with, and the same tests."""
    clients = []
    for position, client in enumerate(federation.clients):
        order = np.random.default_rng([draw, position]).permutation(np.concatenate([client.train, client.val]))
        val = max(2, size // 3)
        parts = {"train": np.sort(order[:size]), "val": np.sort(order[size : size + val])}
        clients.append(replace(client, **parts, test=client.test[:MOST_TESTS]))
    return replace(federation, clients=clients)


def scores_of(lab: Lab, federation: Federation, draw: int) -> dict[str, np.ndarray[Any, Any]]:
    """Return each arm's test accuracy by client, mean over seeds."""
    table = {
        "name": "crossover",
        "seeds": list(SEEDS),
        "data": {"source": "digits"},
        "training": {"batch_size": 16, "momentum": 0.9, "client_lr": 0.1},
        "tuning": {"trials": TRIALS, "seed": draw},
        "evaluation": {"global_test_examples": 0},
        "decision": {"baseline": "fedavg", "metric": "accuracy"},
        "arms": {name: {"start": "pretrained", **arm} for name, arm in ARMS.items()},
    }
    # The data are opened already; the file's own are never read.
    file = parse_study({**table, "model": {"backbone": "minilm", "max_tokens": 128}}, Path())
    small = Lab(federation, lab.spec, lab.engine, cache=lab.cache, global_test_examples=0)
    small.__dict__["activations"] = lab.activations
    with tempfile.TemporaryDirectory() as folder:
        Study.open(file, lab=small).run(folder)
        return _read(Path(folder) / "clients.parquet")


def _read(path: Path) -> dict[str, np.ndarray[Any, Any]]:
    import pyarrow.parquet as pq

    table = pq.read_table(path).to_pandas()
    wanted = table[(table["metric"] == "accuracy") & (table["split"] == "test")]
    means = wanted.groupby(["arm", "client"])["value"].mean()
    return {arm: means[arm].sort_index().to_numpy() for arm in ARMS}


def plot(rows: list[dict[str, Any]], path: Path) -> None:
    """Draw accuracy against texts per client."""
    import altair as alt

    scale = alt.Scale(type="log", domain=[min(SIZES), max(SIZES)], nice=False)
    x = alt.X("texts:Q", scale=scale, title="Training texts per client", axis=alt.Axis(values=list(SIZES)))
    y = alt.Y("accuracy:Q", scale=alt.Scale(zero=False), axis=alt.Axis(format="%"), title="Accuracy, mean over clients")
    chart = (
        alt.Chart(alt.Data(values=rows)).mark_line(point=True).encode(x=x, y=y, color=alt.Color("arm:N", title=None))
    )
    chart.properties(width=560, height=320).save(path, scale_factor=1.5)


if __name__ == "__main__":
    main()
