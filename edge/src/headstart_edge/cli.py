"""The command ``headstart-edge``: info, predict, finetune, evaluate, reset."""

from __future__ import annotations

import argparse
import json
import sys
from pathlib import Path
from typing import Any

from headstart_edge.bundle import Bundle, open_bundle
from headstart_edge.data import ArrayFile, open_data
from headstart_edge.errors import EdgeError
from headstart_edge.finetune import Budget, finetune
from headstart_edge.predict import evaluate, predict
from headstart_edge.state import load_state, reset
from headstart_edge.words import visible


def main(arguments: list[str] | None = None) -> int:
    """Run one command; a bundle or data that cannot be used end in one line and the code 2."""
    options = parser().parse_args(arguments)
    try:
        bundle = open_bundle(options.bundle, _key(options.key))
        for line in COMMANDS[options.command](bundle, options):
            print("\t".join(map(visible, line.split("\t"))))
    except EdgeError as error:
        print(visible(str(error)), file=sys.stderr)
        return 2
    except (OSError, MemoryError) as error:
        print(f"headstart-edge: {visible(str(error)) or 'there is not enough memory'}", file=sys.stderr)
        return 2
    except KeyboardInterrupt:
        print("interrupted; the head is as it was before", file=sys.stderr)
        return 130
    return 0


def parser() -> argparse.ArgumentParser:
    """Return what reads the command line."""
    reader = argparse.ArgumentParser(
        prog="headstart-edge", description="Fine-tune the head of a bundle on this device."
    )
    commands = reader.add_subparsers(dest="command", required=True)
    for name, words in (
        ("info", "what the bundle is, and what has been learnt"),
        ("predict", "the class of each example, and its probability"),
        ("finetune", "learn from labelled examples"),
        ("evaluate", "how good the head is on labelled examples"),
        ("reset", "go back to the pre-trained head"),
    ):
        command = commands.add_parser(name, help=words, description=words)
        command.add_argument("bundle", type=Path)
        if name in ("predict", "finetune", "evaluate"):
            command.add_argument("data", type=Path, help="folder of class folders, or of inputs.npy and labels.npy")
        command.add_argument(
            "--state", type=Path, help="folder for what is learnt; the bundle's own 'state' if not given"
        )
        command.add_argument(
            "--key", type=Path, help="file of the public key (32 bytes in hex) that must have signed the bundle"
        )
        if name == "finetune":
            _add_finetuning(command)
    return reader


def _add_finetuning(command: argparse.ArgumentParser) -> None:
    command.add_argument("--client", default="device", help="this device's name; it fixes the order of examples")
    command.add_argument("--hold-back", type=float, default=0.2, help="share of examples that decide (0.2)")
    command.add_argument("--max-seconds", type=float)
    command.add_argument("--max-steps", type=int)
    command.add_argument("--patience", type=int, help="epochs without a lower held-back loss")


def _key(path: Path | None) -> bytes | None:
    if path is None:
        return None
    try:
        key = bytes.fromhex(path.read_text()[:200].strip())
    except (OSError, ValueError):
        key = b""
    if len(key) != 32:
        raise EdgeError(
            f"key: must be a file of 32 bytes in hex, received '{path}'; take the one that the export printed"
        )
    return key


def _info(bundle: Bundle, options: Any) -> list[str]:
    state, settings, size = load_state(bundle, options.state), bundle.settings, bundle.files[bundle.backbone][1]
    learnt = (
        ", ".join(f"{name} {value}" for name, value in state.facts.items() if name != "manifest")
        if state
        else "nothing yet"
    )
    return [
        f"classes   {', '.join(bundle.labels)}",
        f"input     {json.dumps(settings['input'])}",
        f"backbone  {bundle.backbone}, {size / 1e6:.1f} MB, {settings['num_features']} features",
        f"adapt     {json.dumps(settings['adapt'])}",
        f"learnt    {learnt}",
    ]


def _predict(bundle: Bundle, options: Any) -> list[str]:
    data = open_data(options.data, bundle)
    rows = (row for batch in predict(bundle, data, options.state) for row in batch)
    names = [str(i) for i in range(len(data))] if isinstance(data.inputs, ArrayFile) else [p.name for p in data.inputs]
    return [
        f"{visible(name)}\t{visible(bundle.labels[int(row.argmax())])}\t{row.max():.3f}"
        for name, row in zip(names, rows, strict=True)
    ]


def _finetune(bundle: Bundle, options: Any) -> list[str]:
    if not 0 <= options.hold_back < 1:
        raise EdgeError(f"hold-back: must be a share from 0 up to but not including 1, received {options.hold_back:g}")
    budget = Budget(options.max_seconds, options.max_steps, options.patience)
    data = open_data(options.data, bundle)
    state = finetune(
        bundle, data, state=options.state, client=options.client, hold_back=options.hold_back, budget=budget
    )
    return [f"{name.replace('_', ' '):<10}{value}" for name, value in state.facts.items() if name != "manifest"]


def _evaluate(bundle: Bundle, options: Any) -> list[str]:
    found = evaluate(bundle, open_data(options.data, bundle), options.state)
    return [f"{name.replace('_', ' '):<18}{value:.4f}" for name, value in found.items()]


def _reset(bundle: Bundle, options: Any) -> list[str]:
    return ["back to the pre-trained head" if reset(bundle, options.state) else "nothing had been learnt"]


COMMANDS = {"info": _info, "predict": _predict, "finetune": _finetune, "evaluate": _evaluate, "reset": _reset}

if __name__ == "__main__":
    sys.exit(main())
