"""The model card: what a model is for, what the study measured of it, how it was made, and how it is loaded."""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping
from typing import Any

from headstart.core.version import __version__
from headstart.data.examples import InputKind
from headstart.evidence.privacy_words import privacy_words
from headstart.export.leaving import Leaving
from headstart.export.loading import Loading
from headstart.export.meaning import MEANINGS
from headstart.export.measured import Measured
from headstart.report import views
from headstart.report.marks import item, said, table
from headstart.report.run import Run
from headstart.report.summary import arm_rows
from headstart.report.units import Metric
from headstart.study.written.arms import Stage

_KINDS: Mapping[InputKind, str] = {"image": "image", "text": "text", "table": "tabular"}
_READS: Mapping[InputKind, str] = {"image": "pictures", "text": "texts", "table": "rows of a table"}
_MOST_CLIENTS = 50
_LICENCE = (
    "None is stated: choose one, and say it in the first lines of this file (`license:`). The backbone's own licence, "
    "and what the data may be used for, bind you too."
)


def card(leaving: Leaving, run: Run, loading: Loading, measured: Measured) -> str:
    """Return the text of ``README.md``.

    Args:
        leaving: the model.
        run: its run folder, read.
        loading: how it is used.
        measured: what the study measured of this very model.
    """
    parts = [
        _front(leaving, run, loading, measured),
        f"# {said(leaving.opened.arm.name)} of {said(run.name)}",
        _about(leaving),
        f"## How to load it\n\n{_how(loading)}",
        f"## What it predicts\n\n{_predicts(leaving)}",
        f"## What the study found\n\n{_found(run)}",
        f"## What was measured of this model\n\n{_measured(run, measured)}",
        f"## Data\n\n{_data(leaving, run)}",
        f"## How it was trained\n\n{_training(leaving)}",
        f"## Privacy\n\n{_privacy(leaving)}",
        f"## Limits\n\n{_limits(leaving, run)}",
        f"## Licence\n\n{_LICENCE}",
        f"## Versions\n\n{_versions(leaving)}",
    ]
    return "\n\n".join(part for part in parts if part) + "\n"


def _front(leaving: Leaving, run: Run, loading: Loading, measured: Measured) -> str:
    """Write what Hugging Face reads: YAML, its words as JSON, which YAML contains."""
    task = leaving.task.kind
    goal = "regression" if task in ("regression", "survival") else "classification"
    kind = f"{_KINDS[leaving.examples.kind]}-{goal}"
    lines = [
        "---",
        "license: unknown  # yours to say",
        f"library_name: {loading.library}",
        f"pipeline_tag: {kind}" if kind not in _NO_TAG else "",
        "tags:",
        *(f"- {tag}" for tag in ("headstart", "federated-learning", task)),
        *_index(run, measured, kind),
        "---",
    ]
    return "\n".join(line for line in lines if line)


_NO_TAG = frozenset({"image-regression", "text-regression"})
"""Tasks of which Hugging Face has no name."""


def _index(run: Run, measured: Measured, kind: str) -> list[str]:
    """List what was measured of this very model; nothing where that is nothing."""
    if not measured.values:
        return []
    words, over = json.dumps(run.name), f", {measured.of}"
    metrics = [
        f"    - type: {name}\n      value: {value:.4f}\n      name: {json.dumps(Metric(name).label + over)}"
        for name, value in measured.values.items()
    ]
    return [
        *("model-index:", f"- name: {words}", "  results:", "  - task:", f"      type: {kind}"),
        *("    dataset:", f"      name: {words}", "      type: private", "    metrics:", *metrics),
    ]


def _about(leaving: Leaving) -> str:
    what = f"{leaving.task.kind} of {_READS[leaving.examples.kind]}"
    whose = "the model that all clients share"
    if leaving.client is not None:
        kept = "adapted to its own examples" if leaving.adapted else "as it received it: adapting did not help it"
        whose = f"the model of the client {said(leaving.client.id)}, {kept}"
    text = f"For {what}: {whose}, of the arm {said(leaving.opened.arm.name)}, seed {leaving.opened.seed}."
    says = leaving.opened.line.get("says")
    return "\n\n".join([text, *([f"The arm: {said(says)}"] if says else []), *_adapts(leaving)])


def _adapts(leaving: Leaving) -> Iterator[str]:
    if leaving.client is None and not leaving.opened.arm.adapt.build().changes_nothing:
        yield (
            "**In this arm each client goes on to adapt this model to its own examples.** The arm's numbers below are "
            "of the adapted models; of this one nothing was measured. `--client NAME` exports a client's own."
        )


def _how(loading: Loading) -> str:
    words = f"{loading.words}\n\n" if loading.words else ""
    needs = ", ".join(loading.needs)
    return f"{words}In this folder, with {needs}, and without Headstart:\n\n```python\n{loading.snippet}\n```"


def _predicts(leaving: Leaving) -> str:
    words = MEANINGS[leaving.task.kind]
    names = ", ".join(said(name) for name in leaving.task.outputs)
    return f"{words[0].upper()}{words[1:]}. In this order (`labels.json`): {names}."


def _found(run: Run) -> str:
    rows, metric = arm_rows(run), Metric(run.metric)
    lines = [(row.name, metric.value(row.mean), metric.span(row.low, row.high)) for row in rows]
    titles = ("Arm", f"{metric.label.capitalize()}, mean over clients", f"{views.confidence(run)} interval")
    head = f"**{said(views.headline(run))}.** {said(views.sentence(run, rows))}"
    return f"{head}\n\n{table(titles, lines)}" if lines else head


def _measured(run: Run, measured: Measured) -> str:
    if not measured.values:
        return measured.of[0].upper() + measured.of[1:] + "."
    values = ", ".join(f"{Metric(name).label} {Metric(name).value(value)}" for name, value in measured.values.items())
    text = f"On test examples, {said(measured.of)}: {values}."
    shown = list(measured.clients.items())[:_MOST_CLIENTS]
    if not shown:
        return text
    metric = Metric(run.metric)
    more = f"\n\nand {len(measured.clients) - len(shown)} clients more" if len(measured.clients) > len(shown) else ""
    return f"{text}\n\n{table(('Client', metric.label.capitalize()), [(c, metric.value(x)) for c, x in shown])}{more}"


def _data(leaving: Leaving, run: Run) -> str:
    clients = leaving.opened.pipeline.federation.clients
    account = run.federation.get("account") or {}
    parts = {part: sum(len(client.indices(part)) for client in clients) for part in ("train", "val", "test")}
    splits = ", ".join(f"{count} {part}" for part, count in parts.items())
    classes = ", ".join(f"{name} {count}" for name, count in (account.get("classes") or {}).items())
    held_out = sum(not client.seen for client in clients)
    central = leaving.lab.federation.central
    lines = [
        f"Source: {account['source']}, {account['used']} of {account['rows']} rows used" if account else "",
        f"Clients: {len(clients)}" + (f", {held_out} of them held out of training" if held_out else ""),
        f"Examples: {splits}",
        f"Classes: {classes}" if classes and leaving.task.kind == "classification" else "",
        f"The server's own pool: {len(central)} examples" if central else "",
    ]
    return "\n".join(item(line) for line in lines if line)


def _training(leaving: Leaving) -> str:
    arm, line = leaving.opened.arm, leaving.opened.line
    stages = [("Start", arm.start), *(("Federated", stage) for stage in arm.federate), ("Each client alone", arm.adapt)]
    lines = [f"{title}: {_stage(stage)}" for title, stage in stages if not _is_idle(stage)]
    tried = len(line.get("tuning") or ())
    words = f"Settings were chosen among {tried} on validation data." if tried > 1 else "Settings were not tuned."
    backbone = f"Backbone: {leaving.spec.backbone.replace(chr(92), '/').rpartition('/')[2]}"
    return "\n".join(item(text) for text in (backbone, *lines, words))


def _is_idle(stage: Stage) -> bool:
    return stage.kind == "adapt" and bool(stage.build().changes_nothing)


def _stage(stage: Stage) -> str:
    settings = ", ".join(f"{name} = {json.dumps(value)}" for name, value in stage.settings.items())
    return f"{stage.method}{f' ({settings})' if settings else ''}"


def _privacy(leaving: Leaving) -> str:
    found: Mapping[str, Any] | None = leaving.opened.line.get("privacy")
    words = f"The shared model: {privacy_words(found)}." if found else _NO_NOISE
    own = "" if leaving.client is None or not leaving.adapted else _OWN
    return said(f"{words}{own}")


_NO_NOISE = "No noise was added: weights may tell of examples."
_OWN = " This model was adapted on one client's examples without any noise: it should stay with that client."


def _limits(leaving: Leaving, run: Run) -> str:
    verdict = run.verdict
    scope = "those of the study" if verdict.get("clients") == "these" else "clients like those of the study"
    lines = [
        f"The study's answer is for {scope}, and its data; nothing was measured elsewhere.",
        *(verdict.get("cautions") or ()),
        *((verdict.get("warnings") or {}).get(leaving.opened.arm.name) or ()),
        *([run.failed[leaving.opened.arm.name]] if leaving.opened.arm.name in run.failed else []),
        *(run.federation.get("notes") or ()),
        "This card names clients and counts their examples: take that out before others read it, if they should not.",
    ]
    return "\n".join(item(str(line)) for line in lines)


def _versions(leaving: Leaving) -> str:
    ran: Mapping[str, str] = leaving.opened.line.get("versions") or {}
    words = ", ".join(f"{name} {version}" for name, version in ran.items())
    return said(f"Trained with {words}; exported by headstart {__version__}.")
