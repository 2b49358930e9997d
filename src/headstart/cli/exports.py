"""What ``headstart export`` does: a bundle for small devices, or a model in a format of other tools."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from headstart.cli.jobs import console
from headstart.cli.replies import FilesReply
from headstart.cli.saying import say
from headstart.cli.terminal import shown
from headstart.core.errors import SettingError, nearest
from headstart.core.files import file_name

BUNDLE = "bundle"
"""The format that devices with headstart-edge read."""


def export_run(
    run: Path,
    arm: str | None,
    out: Path | None,
    name: str,
    *,
    client: str | None,
    seed: int | None,
    study: Path | None,
    devices: dict[str, Any],
) -> None:
    """Export an arm.

    Args:
        run: run folder.
        arm: None takes the recommended one.
        out: folder to write; None takes one in the run folder.
        name: of the format.
        client: whose own model, None for the shared one.
        seed: of the run; None takes the first.
        study: the study file; None takes the run folder's copy.
        devices: options that a bundle alone has; those that were not given are None.
    """
    from headstart.export import FORMATS, export_model, recommended_arm

    if name not in (BUNDLE, *FORMATS):
        raise SettingError(f"--format: must name a format, received '{name}'; {nearest(name, (BUNDLE, *FORMATS))}")
    arm = arm or recommended_arm(run)
    out = out or run / "export" / "-".join([file_name(arm), *([file_name(client)] if client else []), name])
    given = {option: value for option, value in devices.items() if value is not None}
    if name == BUNDLE:
        _check_no_client(client)
        return _write_bundle(run, arm, out, seed=seed, study=study, **given)
    if given:
        option = {"integers": "int8"}.get(first := next(iter(given)), first)
        raise SettingError(f"--{option}: is for --format bundle alone, received it with '{name}'; leave it out")
    done = export_model(run, arm, name, out, seed=seed, client=client, study=study)
    if done.words:
        console.print(shown(done.words), highlight=False, soft_wrap=False)
    if done.compared:
        words = f"as the study's own to {done.compared.difference:.1e}, on {done.compared.examples} examples"
        console.print(f"predictions  {words}", highlight=False)
    if done.recorded:
        same, of = done.recorded
        console.print(f"recorded     {same} of {of} test predictions are those of the run", highlight=False)
    say(lambda: FilesReply((str(out),), done.words))
    whose = f"{arm}, the model of {client}" if client else f"{arm}, the model that clients share"
    console.print(f"{name:<12} {shown(str(out))}: {shown(whose)}, seed {done.seed}", highlight=False)
    return None


def _check_no_client(client: str | None) -> None:
    if client is not None:
        raise SettingError(
            f"--client: a bundle is for devices that adapt it themselves, received '{client}'; give another --format, "
            "or leave it out"
        )


def _write_bundle(run: Path, arm: str, out: Path, **options: Any) -> None:
    """Export an arm, and say what was verified."""
    from headstart.export import export_arm

    done = export_arm(run, arm, out, **options)
    for network in done.networks:
        used = " *" if network.name == done.backbone else ""
        size, words = f"{network.num_bytes / 1e6:.2f} MB", f"accuracy {network.accuracy:.3f} ({network.change:+.3f})"
        console.print(
            f"  {network.name + used:<22}{size:>10}   features off by {network.difference:.1e}   {words}",
            highlight=False,
        )
    say(lambda: FilesReply((str(out),), f"verified on {done.examples} validation examples"))
    console.print(f"verified on {done.examples} validation examples; * is what devices use", highlight=False)
    if done.public_key:
        console.print(f"signed; public key {done.public_key}", highlight=False)
    console.print(
        f"bundle  {shown(str(out))}: {shown(arm)} as run with seed {done.seed}, with that run's settings",
        highlight=False,
    )
