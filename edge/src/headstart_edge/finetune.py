"""Fine-tuning the head on the device: features once, then steps in little memory, then keep what is better."""

from __future__ import annotations

import time
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from headstart_edge import order, ridge
from headstart_edge.bundle import Bundle
from headstart_edge.data import Data
from headstart_edge.errors import EdgeError
from headstart_edge.features import Features, Run, extract
from headstart_edge.hashing import sha256
from headstart_edge.head import Optimizer, gradient, probabilities
from headstart_edge.scores import METRICS, is_better, scores
from headstart_edge.state import UNFINISHED, State, folder_of, load_state, pretrained, save_state
from headstart_edge.tensors import Array, Tensors


@dataclass(frozen=True)
class Budget:
    """What fine-tuning may take.

    Attributes:
        seconds: after which no further step is begun; None for no limit.
        steps: most steps; None for as many as the settings say.
        patience: epochs without a lower loss on held-back examples after which it stops; None never stops.
        memory: bytes of features up to which they stay in memory; more lie in a file.
    """

    seconds: float | None = None
    steps: int | None = None
    patience: int | None = None
    memory: int = 2**21


def finetune(
    bundle: Bundle,
    data: Data,
    *,
    state: Path | str | None = None,
    client: str = "device",
    hold_back: float = 0.2,
    budget: Budget = Budget(),
    run: Run | None = None,
) -> State:
    """Fine-tune the head and keep it if held-back examples say that it is better.

    Args:
        bundle: with the head, the backbone and the settings.
        data: labelled examples.
        state: folder for what is learnt; None lies beside the bundle.
        client: the device's name, which fixes the order of its examples.
        hold_back: share of examples that decide; 0 keeps the new head in any case.
        budget: time, steps and memory.
        run: the backbone; None opens it.

    Returns:
        What the device predicts with from now on.

    Raises:
        EdgeError: the examples cannot be learnt from, or the state cannot be written.
    """
    _check(bundle, data)
    before = load_state(bundle, state) or State(pretrained(bundle))
    seed, method = int(bundle.settings.get("seed") or 0), bundle.settings["adapt"]["method"]
    train, held = split(data.labels, hold_back, seed, client)
    with extract(bundle, data, folder_of(bundle, state), run, budget.memory) as features:
        if method == "personal_ridge":
            after = _ridge(bundle, before, features, train, data.labels)
        else:
            after = _descend(
                bundle, before, features, train, held, data.labels, state=state, client=client, budget=budget
            )
        result = _keep_better(bundle, before, after, features, held, data.labels)
    save_state(bundle, result, state)
    (folder_of(bundle, state) / UNFINISHED).unlink(missing_ok=True)
    return result


def _check(bundle: Bundle, data: Data) -> None:
    method = bundle.settings["adapt"]["method"]
    if method not in ("linear_probe", "personal_ridge"):
        raise EdgeError(
            f"settings.json: adapt must be linear_probe or personal_ridge to fine-tune, received {method!r}"
        )
    if _metric(bundle) not in METRICS:
        raise EdgeError(
            f"settings.json: metric must be {', '.join(METRICS)} to fine-tune, received {_metric(bundle)!r:.80}; "
            "export an arm of a study that is decided by one of these"
        )
    found = np.unique(data.labels)
    if found[0] < 0:
        raise EdgeError(
            "data: must be labelled to fine-tune, received examples without a class folder; add class folders"
        )
    if len(found) < 2:
        raise EdgeError(
            f"data: fine-tuning needs examples of 2 classes or more, received {len(data)}, all "
            f"'{bundle.labels[found[0]]}': it would answer nothing else; collect others, and use the head as it is"
        )


def _metric(bundle: Bundle) -> str:
    return str(bundle.settings.get("metric") or "accuracy")


def split(labels: Array, share: float, seed: int, client: str) -> tuple[Array, Array]:
    """Hold back a share of each class, at most all but one of its examples.

    Where classes are so small that this is nothing of any, a share of all examples, one of a class.
    """
    shuffled = order.shuffled(len(labels), seed, client)
    each = [shuffled[labels[shuffled] == label] for label in np.unique(labels)]
    held = [own[: min(round(share * len(own)), len(own) - 1)] for own in each]
    if share and not any(map(len, held)):
        most = max(1, round(share * len(labels)))
        held = [own[:1] for own in each if len(own) > 1][:most] or held
    back = np.sort(np.concatenate(held))
    return np.setdiff1d(np.arange(len(labels)), back), back


def _ridge(bundle: Bundle, before: State, features: Features, train: Array, labels: Array) -> State:
    sums = ridge.add_sums(before.others, features, train, labels, len(bundle.labels))
    penalty = bundle.settings["adapt"].get("penalty")
    return State(
        ridge.solve(sums, pretrained(bundle), features, train, labels, penalty), sums, _seen(before, len(train))
    )


def _descend(
    bundle: Bundle,
    before: State,
    features: Features,
    train: Array,
    held: Array,
    labels: Array,
    *,
    state: Path | str | None,
    client: str,
    budget: Budget,
) -> State:
    """Take the simulation's steps, from where a process that was killed left off."""
    settings, begin, own = bundle.settings["adapt"], time.monotonic(), labels[train]
    optimizer, head, done = _resume(bundle, before, state, data_key := _key(features, train, own, settings))
    weights = order.class_weights(own) if settings.get("balance") == "loss" else np.ones(len(own))
    best, stale, last = np.inf, 0, 0
    for epoch, batch in order.batches(own, settings, int(bundle.settings.get("seed") or 0), client):
        if optimizer.steps >= (np.inf if budget.steps is None else budget.steps):
            break
        if budget.seconds is not None and time.monotonic() - begin > budget.seconds:
            break
        if epoch != last:
            last = epoch
            if epoch > done:
                save_state(
                    bundle, State(head, optimizer.moments, _progress(data_key, optimizer, epoch)), state, UNFINISHED
                )
            loss = _loss(head, features, held, labels)
            best, stale = (loss, 0) if loss < best else (best, stale + 1)
            if budget.patience is not None and stale > budget.patience:
                break
        if epoch >= done:
            optimizer.step(head, gradient(head, features.rows(train[batch]), own[batch], weights[batch]))
    return State(head, {}, {**_seen(before, len(train)), "steps": str(optimizer.steps)})


def _resume(bundle: Bundle, before: State, state: Path | str | None, key: str) -> tuple[Optimizer, Tensors, int]:
    """Return optimiser, head, and the epochs that an unfinished fine-tuning on the same data has done."""
    optimizer, found = Optimizer.of(bundle.settings["adapt"]), load_state(bundle, state, UNFINISHED)
    if found is None or found.facts.get("data") != key:
        return optimizer, {name: value.copy() for name, value in before.head.items()}, 0
    optimizer.moments, optimizer.steps = found.others, int(found.facts["steps"])
    return optimizer, found.head, int(found.facts["epoch"])


def _progress(key: str, optimizer: Optimizer, epoch: int) -> dict[str, str]:
    return {"data": key, "steps": str(optimizer.steps), "epoch": str(epoch)}


def _key(features: Features, train: Array, labels: Array, settings: Mapping[str, Any]) -> str:
    few = features.rows(train[:: max(1, len(train) // 16)])
    return sha256(
        few.tobytes() + train.tobytes() + labels.tobytes() + repr(sorted(settings.items())).encode()
    ).hexdigest()


def _seen(before: State, count: int) -> dict[str, str]:
    return {"examples": str(int(before.facts.get("examples", 0)) + count)}


def _loss(head: Tensors, features: Features, held: Array, labels: Array) -> float:
    return scores(labels[held], _probabilities(head, features, held))["log_loss"] if len(held) else 0.0


def _probabilities(head: Tensors, features: Features, rows: Array) -> Array:
    parts = [probabilities(head, features.rows(some)) for some in np.array_split(rows, max(1, -(-len(rows) // 64)))]
    return np.concatenate(parts)


def _keep_better(bundle: Bundle, before: State, after: State, features: Features, held: Array, labels: Array) -> State:
    """Keep the new head if it is better on held-back examples, or if there are none; sums are kept in any case."""
    accepts, metric = bool(bundle.settings["adapt"].get("accept", True)), _metric(bundle)
    if not len(held):
        return State(
            after.head, after.others, {**after.facts, "accepted": "yes", "why": "no held-back example speaks against"}
        )
    old, new = (scores(labels[held], _probabilities(one.head, features, held)) for one in (before, after))
    taken = not accepts or is_better(old, new, metric)
    words = {
        "metric": metric,
        "before": f"{old[metric]:.4f}",
        "after": f"{new[metric]:.4f}",
        "held_back": str(len(held)),
    }
    return State(
        after.head if taken else before.head,
        after.others,
        {**after.facts, **words, "accepted": "yes" if taken else "no"},
    )
