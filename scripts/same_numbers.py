"""Run every method on every engine on small data, and compare what two versions of the code made of it.

    python scripts/same_numbers.py run FOLDER           # with the code of one version, then with that of the other
    python scripts/same_numbers.py compare OLD NEW      # bit by bit; what differs is shown with its largest difference

It reads and writes nothing but study files and run folders, so that any two versions can be compared.
"""

from __future__ import annotations

import json
import os
import subprocess
import sys
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

import numpy as np
from safetensors.numpy import load_file

FEDERATE = (
    *("fedavg", "fedavgm", "fedadagrad", "fedadam", "fedyogi", "fedprox", "fedit", "ffa_lora", "fedsa_lora"),
    *("ridge", "ncm", "lda", "pooled"),
)
ADAPT = (
    *("linear_probe", "full_finetune", "last_blocks", "unfreeze", "lp_ft", "lora", "lora_mix", "personal_ridge"),
    "knn",
)
ENGINES = {
    "serial": 'name = "serial"',
    "stack": 'way = "stack"',
    "loop": 'way = "loop"',
    "workers": 'way = "workers"\nworkers = 2',
}
ONE_SHOT = ("ridge", "ncm", "lda")
TOLERANCE = 1e-6


def arms(starts: tuple[str, ...], federate: tuple[str, ...], adapt: tuple[str, ...]) -> Iterator[str]:
    """Yield tables of arms: every method of rounds, a round of them with every adaptation, every start."""
    for name in federate:
        rounds = "" if name in ONE_SHOT else ", epochs = 3" if name == "pooled" else ", rounds = 3, cohort_size = 3"
        yield f'[arms.{name}]\nstart = "random"\nfederate = {{ method = "{name}"{rounds} }}'
    for name in adapt:
        yield (
            f'[arms.fedavg-{name}]\nstart = "random"\nfederate = {{ method = "fedavg", rounds = 2 }}\n'
            f'adapt = {{ method = "{name}" }}'
        )
    for name in starts:
        yield f'[arms.start-{name}]\nstart = "{name}"\nfederate = "ridge"\nadapt = "personal_ridge"'
        yield f'[arms.start-{name}-fedprox]\nstart = "{name}"\nfederate = {{ method = "fedprox", rounds = 2 }}'


def study(name: str, data: str, model: str, engine: str, tables: Iterator[str], seeds: str = "[0, 1]") -> str:
    """Return a study file."""
    text = f'name = "{name}"\nseeds = {seeds}\n[data]\n{data}\n[model]\n{model}\n[engine]\n{engine}\n'
    text += "[training]\nbatch_size = 4\nmomentum = 0.5\n[tuning]\ntrials = 2\n"
    return text + '[decision]\nbaseline = "fedavg"\nmetric = "accuracy"\n' + "\n".join(tables) + "\n"


def write_rows(path: Path, clients: int = 5, rows: int = 24) -> None:
    """Write a table of clients whose classes lie around shifted centres."""
    draw = np.random.default_rng(0)
    centres, lines = draw.normal(size=(3, 5)), ["id,site,label,a,b,c,d,e"]
    for client in range(clients):
        for row in range(rows):
            label = int(draw.integers(3))
            values = centres[label] + 0.2 * client + draw.normal(size=5)
            lines.append(f"{client}-{row},site-{client},class-{label}," + ",".join(f"{v:.4f}" for v in values))
    path.write_text("\n".join(lines) + "\n", encoding="utf-8")


def write_texts(path: Path, clients: int = 3, rows: int = 16) -> None:
    """Write texts of praise and of blame."""
    draw = np.random.default_rng(0)
    words = tuple("good fine great bad awful poor film book the a was very not".split())  # noqa: SIM905
    lines = ["site,label,text"]
    for client in range(clients):
        for _ in range(rows):
            label = int(draw.integers(2))
            text = " ".join([*map(str, draw.choice(words[6:], size=6)), str(draw.choice(words[3 * label :][:3]))])
            lines.append(f"site-{client},{('good', 'bad')[label]},{text}")
    path.write_text("\n".join(lines) + "\n", encoding="utf-8")


def studies(folder: Path) -> Iterator[tuple[str, str]]:
    """Yield names and texts of study files; their data are written beside them."""
    write_rows(folder / "rows.csv")
    write_texts(folder / "texts.csv")
    rows = 'source = "rows.csv"\nclient = "site"\nid = "id"\nheld_out_clients = 0.2\ncentral = { fraction = 0.2 }'
    for name, engine in ENGINES.items():
        tables = arms(("pretrain",), FEDERATE, ADAPT)
        yield f"rows-{name}", study(f"rows-{name}", rows, 'backbone = "mlp"\nhidden = [8, 8]', engine, tables)
    digits = (
        'source = "digits"\nmax_examples = 240\nheld_out_clients = 0.2\ncentral = { source = "glyphs" }\n'
        'partition = { method = "dirichlet_clients", num_clients = 5, alpha = 0.5 }'
    )
    cnn = ("fedavg", "fedprox", "fedadam", "ridge", "pooled")
    for name, engine in ENGINES.items():
        tables = arms(("pretrain",), cnn, ("linear_probe", "full_finetune", "last_blocks", "lp_ft", "knn"))
        model = 'backbone = "small-cnn"\ntrainable = "all"'
        yield f"digits-{name}", study(f"digits-{name}", digits, model, engine, tables, "[0]")
    texts = 'source = "texts.csv"\ntext = "text"\nclient = "site"\ncentral = { fraction = 0.3 }'
    tables = [
        *arms(("pretrained", "domain_pretrain"), (), ()),
        '[arms.fedavg]\nstart = "pretrained"\nfederate = { method = "fedavg", rounds = 2 }\nadapt = "linear_probe"',
        '[arms.lora]\nstart = "pretrained"\nadapt = { method = "lora", epochs = 1, last = 1 }',
        '[arms.unfreeze]\nstart = "pretrained"\nadapt = { method = "unfreeze", epochs = 1, deepest = 1 }',
        '[arms.fedsa]\nstart = "pretrained"\nfederate = { method = "fedsa_lora", rounds = 1, last = 1 }',
    ]
    short = [table.replace('"fedprox", rounds = 2', '"fedprox", rounds = 1, trainable = "head"') for table in tables]
    text = study("texts", texts, 'backbone = "minilm"', ENGINES["loop"], iter(short), "[0]")
    yield "texts", text.replace("trials = 2", "trials = 1")


def run(folder: Path) -> None:
    """Run all studies into a folder."""
    folder.mkdir(parents=True, exist_ok=True)
    environment = {**os.environ, "HEADSTART_CACHE": str(folder.resolve() / "cache"), "OMP_NUM_THREADS": "1"}
    for name, text in studies(folder):
        path = folder / f"{name}.toml"
        path.write_text(text, encoding="utf-8")
        command = [sys.executable, "-c", "from headstart.cli import main; main()", "study", str(path)]
        command += ["--out", str(folder / name)]
        done = subprocess.run(command, env=environment, capture_output=True, text=True, check=False)
        failed = f"FAILED\n{done.stdout[-2000:]}{done.stderr[-2000:]}"
        print(name, failed if done.returncode else "done", flush=True)


def read(folder: Path) -> dict[tuple[str, int], tuple[dict[str, Any], list[Mapping[str, np.ndarray[Any, Any]]]]]:
    """Return each run's record, without times and names of nodes, and the tensors of its stages."""
    found = {}
    for line in map(json.loads, (folder / "records.jsonl").read_text(encoding="utf-8").splitlines()):
        facts = [json.loads((folder / "nodes" / f"{key}.json").read_text(encoding="utf-8")) for key in line["nodes"]]
        names = [one["weights"] for one in facts if one.get("weights")]
        trees = [load_file(folder / "weights" / f"{name}.safetensors") for name in names]
        said = {key: line[key] for key in ("settings", "tuning", "metrics", "curve", "traffic", "costs", "excluded")}
        scores = [{key: one.get(key) for key in ("metrics", "pooled", "accepted")} for one in facts]
        found[line["arm"], line["seed"]] = ({**said, "scores": scores}, trees)
    return found


def difference(left: Any, right: Any) -> float:
    """Return the largest difference of two nested values; infinite where they differ in more than numbers."""
    if isinstance(left, np.ndarray):
        if left.shape != right.shape or left.dtype != right.dtype:
            return float("inf")
        return float(np.abs(left.astype(np.float64) - right.astype(np.float64)).max(initial=0))
    if isinstance(left, Mapping):
        if not isinstance(right, Mapping) or left.keys() != right.keys():
            return float("inf")
        return max((difference(left[key], right[key]) for key in left), default=0.0)
    if isinstance(left, list | tuple):
        if len(left) != len(right):
            return float("inf")
        return max((difference(a, b) for a, b in zip(left, right, strict=True)), default=0.0)
    if isinstance(left, float | int) and isinstance(right, float | int):
        return abs(left - right)
    return 0.0 if left == right else float("inf")


def compare(old: Path, new: Path) -> int:
    """Print what differs; return how many runs differ by more than the tolerance, or are missing."""
    wrong, runs, equal = 0, 0, 0
    for path in sorted(old.glob("*.toml")):
        before, after = read(old / path.stem), read(new / path.stem)
        for key in sorted(before.keys() | after.keys()):
            runs += 1
            far = difference(before[key], after[key]) if key in before and key in after else float("inf")
            equal += far == 0
            wrong += far > TOLERANCE
            if far:
                print(f"{path.stem}, {key[0]}, seed {key[1]}: differs by {far:.3g}")
    print(f"{runs} runs, {equal} equal to the last bit, {wrong} that differ by more than {TOLERANCE:g}")
    return wrong


def main(command: str, *folders: str) -> int:
    """Do what the command line asks."""
    if command == "run":
        run(Path(folders[0]))
        return 0
    return compare(Path(folders[0]), Path(folders[1]))


if __name__ == "__main__":
    sys.exit(main(*sys.argv[1:]))
