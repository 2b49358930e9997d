"""Run folders to read: deterministic, in the format of a study from before the answer, for tests and for looking."""

import json
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq

HEAD, FULL = 8_200, 44_700_000  # bytes of a linear head and of a ResNet-18

# name: (start, federate, adapt, mean accuracy, rounds, bytes down, bytes up, FLOPs, memory)
SLATE: dict[str, tuple[Any, ...]] = {
    "zero-shot": ("pretrained", None, "keep", 0.655, 0, FULL, 0, 0, 0.05e9),
    "local": ("random", None, "full_finetune", 0.671, 0, 0, 0, 4.1e12, 0.6e9),
    "pooled": ("pretrained", "pooled", "keep", 0.861, 0, FULL, 0, 0, 0.6e9),
    "finetune-head": ("pretrained", None, "linear_probe", 0.803, 0, FULL, 0, 9.0e10, 0.08e9),
    "finetune-lp-ft": ("pretrained", None, "lp_ft", 0.829, 0, FULL, 0, 2.9e12, 0.6e9),
    "finetune-full": ("pretrained", None, "full_finetune", 0.821, 0, FULL, 0, 2.7e12, 0.6e9),
    "fedavg": ("random", "fedavg", "keep", 0.742, 50, 50 * FULL, 50 * FULL, 2.1e13, 0.6e9),
    "fedavg-pretrained": ("pretrained", "fedavg", "keep", 0.815, 50, 51 * FULL, 50 * FULL, 2.1e13, 0.6e9),
    "fedadam-pretrained": ("pretrained", "fedadam", "keep", 0.822, 50, 51 * FULL, 50 * FULL, 2.1e13, 0.6e9),
    "fedavg-finetune": ("random", "fedavg", "full_finetune", 0.764, 50, 50 * FULL, 50 * FULL, 2.4e13, 0.6e9),
    "ridge": ("pretrained", "ridge", "keep", 0.812, 1, FULL + HEAD, 1_058_000, 3.0e10, 0.06e9),
    "ridge-personal": (
        "pretrained",
        "ridge",
        "personal_ridge",
        0.838,
        1,
        FULL + HEAD,
        1_058_000,
        3.1e10,
        0.06e9,
    ),
    "ridge-fedadam": (
        "pretrained",
        "ridge+fedadam",
        "keep",
        0.826,
        21,
        FULL + 21 * HEAD,
        1_222_000,
        8e10,
        0.06e9,
    ),
}
METRICS = ("accuracy", "balanced_accuracy", "macro_f1", "log_loss", "calibration_error", "num_examples")


@dataclass(frozen=True)
class Recipe:
    """What to put into a run folder."""

    arms: tuple[str, ...] = tuple(SLATE)
    seeds: int = 5
    clients: int = 20
    unseen: int = 4
    curves: bool = True
    tuning: bool = True
    verdict: bool = True
    diagnosis: bool = True
    clear_winner: bool = True
    nan_client: bool = True
    metric: str = "balanced_accuracy"
    baseline: str = "fedavg"
    names: str = "site-{}"
    extra: dict[str, Any] = field(default_factory=dict)


def write_run(folder: Path, recipe: Recipe = Recipe()) -> Path:
    """Write a run folder by the recipe; the same recipe gives the same bytes."""
    folder.mkdir(parents=True, exist_ok=True)
    truth = _truth(recipe)
    (folder / "study.toml").write_text(_study(recipe), encoding="utf-8")
    records = [_record(recipe, truth, arm, seed) for arm in recipe.arms for seed in range(recipe.seeds)]
    (folder / "records.jsonl").write_text("".join(json.dumps(record) + "\n" for record in records))
    _write_clients(folder / "clients.parquet", recipe, truth)
    if recipe.verdict:
        (folder / "verdict.json").write_text(json.dumps(_verdict(recipe, truth), indent=2))
    if recipe.diagnosis:
        (folder / "diagnosis.json").write_text(json.dumps(diagnosis(recipe), indent=2))
    return folder


def client_names(recipe: Recipe) -> list[str]:
    return [recipe.names.format(at + 1) for at in range(recipe.clients)]


def _truth(recipe: Recipe) -> np.ndarray:
    """Values (arms, seeds, clients): the arm's level, the client's difficulty, their interaction, noise."""
    generator = np.random.default_rng(7)
    every = np.array([SLATE[arm][3] for arm in SLATE])[:, None, None]
    client = generator.normal(0, 0.055, (1, 1, recipe.clients))
    mixed = generator.normal(0, 0.045, (len(SLATE), 1, recipe.clients))
    mixed -= mixed.mean(axis=2, keepdims=True)
    noise = generator.normal(0, 0.012, (len(SLATE), recipe.seeds, recipe.clients))
    values = np.clip(every + client + mixed + noise, 0.02, 0.995)
    if recipe.nan_client and recipe.seeds > 1:
        values[list(SLATE).index("fedavg"), 0, -1] = np.nan
    return values[[list(SLATE).index(arm) for arm in recipe.arms]]


def _stage(method: str, **settings: Any) -> dict[str, Any]:
    return {"method": method, **settings}


def _record(recipe: Recipe, truth: np.ndarray, arm: str, seed: int) -> dict[str, Any]:
    start, federate, adapt, _, rounds, down, up, flops, memory = SLATE[arm]
    values = truth[recipe.arms.index(arm), seed]
    seen = values[: recipe.clients - recipe.unseen]
    stages = [
        _stage(name, rounds=max(1, rounds // (i + 1))) for i, name in enumerate((federate or "").split("+")) if name
    ]
    mean = float(np.nanmean(seen))
    return {
        "arm": arm,
        "seed": seed,
        "study": "5f0c7a1d9be24a30a1",
        "decision": "c19e4b7702aa41d6b3",
        "settings": {"start": _stage(start), "federate": stages, "adapt": _stage(adapt, client_lr=0.003)},
        "says": f"it starts from a {start} model; clients learn {federate or 'nothing'}; each client does {adapt}.",
        "reference": federate == "pooled",
        "tuning": _trials(len(arm)) if recipe.tuning else [],
        "metrics": {
            **{f"client_{name}": mean for name in METRICS[:3]},
            "client_log_loss": 1.2 - mean,
            "worst_decile": float(np.nanquantile(seen, 0.1)),
            "worst_client": float(np.nanmin(seen)),
            "unseen_client_accuracy": float(np.nanmean(values[-recipe.unseen :])) if recipe.unseen else None,
        },
        "curve": _curve(federate, rounds, mean, seed, up + down) if recipe.curves and federate and rounds > 1 else [],
        "costs": {
            "download_bytes": down,
            "upload_bytes": up,
            "total_bytes": (up + down) * recipe.clients,
            "client_flops": flops,
            "peak_memory_bytes": int(memory),
            "rounds": rounds,
        },
        "accepted": 0.85 if adapt not in ("keep", None) else None,
        "excluded": [{"client": client_names(recipe)[-1], "round": 4, "reason": "update holds NaN"}]
        if recipe.nan_client and arm == "fedavg" and seed == 0
        else [],
        "timing": {"seconds": 3.0 + rounds * 0.9},
        "versions": {"headstart": "0.1.0", "torch": "2.13.0+cpu", "numpy": "2.4.6", "python": "3.11.9"},
    }


def _trials(seed: int) -> list[dict[str, Any]]:
    generator = np.random.default_rng(seed + 100)
    rates = 10 ** generator.uniform(-4, -1, 8)
    scores = 0.8 - 0.04 * (np.log10(rates) + 2.4) ** 2
    return [
        {
            "trial": at,
            "values": {"client_lr": float(f"{rate:.4g}")},
            "score": round(float(score), 4),
            "chosen": bool(score == scores.max()),
        }
        for at, (rate, score) in enumerate(zip(rates, scores, strict=True))
    ]


def _curve(federate: str, rounds: int, mean: float, seed: int, traffic: float) -> list[dict[str, Any]]:
    generator = np.random.default_rng(seed)
    stage = federate.split("+")[-1]
    at = np.unique(np.linspace(0, rounds, 26).astype(int))
    pace = {"fedavg": 14.0, "fedadam": 7.0}.get(stage, 10.0)
    level = 0.5 + (mean + 0.01 - 0.5) * (1 - np.exp(-at / pace)) + generator.normal(0, 0.006, len(at))
    return [
        {
            "round": int(r),
            "stage": stage,
            "val_loss": float(1.3 - v),
            "val_accuracy": float(v),
            "bytes": float(traffic * r / rounds),
        }
        for r, v in zip(at, level, strict=True)
    ]


def _write_clients(path: Path, recipe: Recipe, truth: np.ndarray) -> None:
    generator = np.random.default_rng(3)
    counts = generator.integers(12, 90, recipe.clients)
    rows = [
        (
            arm,
            seed,
            client,
            c < recipe.clients - recipe.unseen,
            "test",
            metric,
            _value(metric, truth[a, seed, c], counts[c]),
        )
        for a, arm in enumerate(recipe.arms)
        for seed in range(recipe.seeds)
        for c, client in enumerate(client_names(recipe))
        for metric in METRICS
    ]
    names = ("arm", "seed", "client", "seen", "split", "metric", "value")
    pq.write_table(pa.table(dict(zip(names, map(list, zip(*rows, strict=True)), strict=True))), path)


def _value(metric: str, level: float, count: int) -> float:
    if metric == "num_examples":
        return float(count)
    return float({"log_loss": 1.2 - level, "calibration_error": 0.4 * (1 - level)}.get(metric, level))


def _verdict(recipe: Recipe, truth: np.ndarray) -> dict[str, Any]:
    means = {arm: float(np.nanmean(truth[a])) for a, arm in enumerate(recipe.arms)}
    real = [arm for arm in recipe.arms if arm != "pooled"]
    best = max(real, key=lambda arm: means[arm])
    baseline = recipe.baseline if recipe.baseline in recipe.arms else recipe.arms[0]
    effect = means[best] - means[baseline]
    ordered = sorted((arm for arm in real if arm != best), key=lambda arm: -means[arm])
    clients = f"{recipe.clients} clients and {recipe.seeds} seeds"
    sentence = (
        f"{best} is recommended: {100 * effect:+.1f} points of balanced accuracy over {baseline} "
        f"(95% interval {100 * effect - 3.1:.1f} to {100 * effect + 3.1:.1f}; {clients})."
        if recipe.clear_winner
        else f"{best} is the cheapest arm within 0.01 of the best, and zero is possible."
    )
    chance = np.exp([60 * (means[arm] - means[best]) for arm in real])
    return {
        "recommended": best,
        "probability_best": dict(zip(real, (chance / chance.sum()).round(3).tolist(), strict=True)),
        "baseline": baseline,
        "effect": effect,
        "interval": [effect - 0.031, effect + 0.031],
        "ruled_out": {"prox-large": "device 'clinic': uplink = \"none\", and this arm uploads 2.2 GB per client"},
        "predicted": "ridge-personal" if recipe.diagnosis else None,
        "prediction_held": best == "ridge-personal" if recipe.diagnosis else None,
        "metric": recipe.metric,
        "min_effect": 0.01,
        "confidence": 0.95,
        "clear_winner": recipe.clear_winner,
        "nearest": {"arm": ordered[0], "gap": means[best] - means[ordered[0]], "interval": [-0.012, 0.031]}
        if ordered
        else None,
        "would_change": [
            f"The nearest arm is {ordered[0]}, {100 * (means[best] - means[ordered[0]]):.1f} points worse.",
            f"With min_effect at least 0.022, {ordered[0]} would be recommended.",
            "Over held-out clients finetune-lp-ft has the best mean, 0.799.",
        ]
        if ordered
        else [],
        "pareto": [arm for arm in ("local", "finetune-lp-ft", "ridge-personal") if arm in recipe.arms],
        "hurt": {arm: _hurt(recipe, truth, a) for a, arm in enumerate(recipe.arms)},
        "few_clients": recipe.clients <= 6,
        "sentence": sentence,
        "arms": {arm: _judged(truth[a], recipe) for a, arm in enumerate(recipe.arms)},
        **recipe.extra,
    }


def _hurt(recipe: Recipe, truth: np.ndarray, a: int) -> dict[str, Any]:
    mean = np.nanmean(truth, axis=1)

    def share(reference: str) -> float | None:
        return float((mean[a] < mean[recipe.arms.index(reference)]).mean()) if reference in recipe.arms else None

    return {
        "local": share("local"),
        "keep": share("zero-shot") if SLATE[recipe.arms[a]][2] != "keep" else None,
    }


def _judged(values: np.ndarray, recipe: Recipe) -> dict[str, Any]:
    per_client = np.nanmean(values, axis=0)
    mean, half = float(per_client.mean()), float(1.96 * per_client.std() / np.sqrt(recipe.clients))
    return {
        "mean": mean,
        "status": "candidate",
        "sd": float(per_client.std()),
        "worst_decile": float(np.quantile(per_client, 0.1)),
        "worst_client": float(per_client.min()),
        "interval": [mean - half, mean + half],
        "unseen_mean": float(per_client[-recipe.unseen :].mean()) if recipe.unseen else None,
    }


def diagnosis(recipe: Recipe) -> dict[str, Any]:
    return {
        "label_skew": {"total_variation": 0.412, "expected": 0.07, "jensen_shannon": 0.187},
        "quantity_skew": {"min": 12, "median": 44, "max": 210, "gini": 0.38},
        "missing_classes": {name: [1] for name in client_names(recipe)[1:4]},
        "feature_shift": {"frechet": 3.41, "class_conditional": 1.12},
        "backbone": {"knn_accuracy": 0.781, "ridge_accuracy": 0.824, "logme": 0.213},
        "ceiling": {"pooled": 0.846, "local": 0.802, "gap": 0.044, "noise": 0.012},
        "prediction": {
            "winner": "ridge-personal",
            "reasons": [
                "The backbone already separates the classes: ridge reaches 82.4% from frozen features.",
                "Label skew is strong, so a personal head should beat one shared head.",
            ],
            "rules": ["Fanì et al. 2024, Fed3R", "Kumar et al. 2022, arXiv 2202.10054"],
        },
    }


def _study(recipe: Recipe) -> str:
    return f"""name  = "cats-dogs"
seeds = {list(range(recipe.seeds))}

[data]
source = "$HEADSTART_DATA/images/cats_dogs_sites.parquet"
client = "site"
split  = {{ train = 0.6, val = 0.2, test = 0.2 }}
held_out_clients = 0.2

[model]
backbone   = "microsoft/resnet-18"
image_size = 64

[devices.clinic]
memory = "2 GB"
uplink = "none"

[tuning]
trials = 8

[decision]
baseline   = "{recipe.baseline}"
metric     = "{recipe.metric}"
min_effect = 0.01
confidence = 0.95
"""
