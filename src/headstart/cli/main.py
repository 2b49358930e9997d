"""The ``headstart`` command: one subcommand per job.

Exit codes: 0 done, whatever a study's answer is; 1 the run failed, or ``check`` says no; 2 bad input (nothing was
written); 130 interrupted.
"""

from __future__ import annotations

import os
import sys
from functools import partial
from pathlib import Path
from typing import Annotated, Any, NoReturn

import typer

from headstart.cli import federate
from headstart.cli.terminal import Terminal, shown
from headstart.core.errors import ClientError, EngineError, HeadstartError
from headstart.core.version import __version__

_INTERRUPTED = 130
"""Exit code after Ctrl-C."""

app = typer.Typer(
    name="headstart",
    help="Should clients fine-tune a pre-trained model instead of running federated averaging?",
    no_args_is_help=True,
    pretty_exceptions_enable=False,
)

_StudyFileArgument = Annotated[Path, typer.Argument(help="Study file (TOML).", show_default=False)]
_OutOption = Annotated[Path | None, typer.Option(help="Run folder; runs/NAME when not given.", show_default=False)]
_ArmOption = Annotated[list[str] | None, typer.Option("--arm", help="Run only this arm; may be repeated.")]
_SeedOption = Annotated[list[int] | None, typer.Option("--seed", help="Run only this seed; may be repeated.")]
_OpenOption = Annotated[bool, typer.Option("--open", help="Open the page in a browser as soon as there is one.")]
_AllOption = Annotated[bool, typer.Option("--all", help='Run every arm with every seed, as study.until = "all".')]
_DeviceOption = Annotated[
    str | None, typer.Option(help="cpu, cuda, cuda:1, or auto; as engine.device.", show_default=False)
]
_JobsOption = Annotated[int, typer.Option("--jobs", help="Processes that work beside each other, on their own cores.")]
_ClusterOption = Annotated[
    str | None,
    typer.Option("--cluster", help="Work on a Ray cluster: auto, HOST:PORT or ray://HOST:PORT.", show_default=False),
]
_TrackOption = Annotated[
    list[str] | None,
    typer.Option("--track", help="Also tell tensorboard=FOLDER, mlflow=ADDRESS or wandb=FOLDER (offline) every run."),
]


def _show_version(wanted: bool) -> None:
    """Print the version and stop, if wanted."""
    if wanted:
        typer.echo(f"headstart {__version__}")
        raise typer.Exit


def _set_plain(wanted: bool) -> None:
    """Print without colours from here on, as everything that heeds NO_COLOR does."""
    if wanted:
        os.environ["NO_COLOR"] = "1"


def _set_quiet(wanted: bool) -> bool:
    """Print nothing for people but errors and a study's answer from here on."""
    if wanted:
        from headstart.cli.jobs import console

        console.quiet = True
    return wanted


@app.callback()
def options(
    version: Annotated[
        bool, typer.Option("--version", help="Print the version and stop.", callback=_show_version, is_eager=True)
    ] = False,
    no_color: Annotated[
        bool, typer.Option("--no-color", help="Print without colours, as NO_COLOR=1 does.", callback=_set_plain)
    ] = False,
    quiet: Annotated[
        bool, typer.Option("--quiet", help="Print errors and a study's answer alone, in a line.", callback=_set_quiet)
    ] = False,
    as_json: Annotated[
        bool, typer.Option("--json", help="Print what a program can read; see headstart schema.", callback=_set_quiet)
    ] = False,
) -> None:
    """Should clients fine-tune a pre-trained model instead of running federated averaging?"""


@app.command()
def study(
    file: _StudyFileArgument,
    out: _OutOption = None,
    arm: _ArmOption = None,
    seed: _SeedOption = None,
    track: _TrackOption = None,
    opens: _OpenOption = False,
    everything: _AllOption = False,
    device: _DeviceOption = None,
    jobs: _JobsOption = 1,
    cluster: _ClusterOption = None,
) -> None:
    """Run a study until it is decided; finished work is kept and never done twice."""
    from headstart.cli.jobs import run_file

    run = partial(run_file, file, out, arms=arm, seeds=seed, track=track or ())
    run(opens=opens, everything=everything, device=device, jobs=jobs, cluster=cluster)


@app.command()
def init(
    data: Annotated[str, typer.Argument(help="File, folder, hub:NAME, digits or glyphs.", show_default=False)],
    out: Annotated[Path, typer.Option(help="Study file to write.")] = Path("study.toml"),
    label: Annotated[str | None, typer.Option(help="Column to foretell.", show_default=False)] = None,
    client: Annotated[
        str | None, typer.Option(help="Column that says whose a row is, or 'none'.", show_default=False)
    ] = None,
    yes: Annotated[bool, typer.Option("--yes", help="Ask nothing; take the best guess.")] = False,
    force: Annotated[bool, typer.Option("--force", help="Write over an existing file.")] = False,
) -> None:
    """Look at data, say what they are, and write a first study file that runs."""
    from headstart.cli.init import write_first_study

    if not write_first_study(data, out, label=label, client=client, asks=not yes, force=force):
        raise typer.Exit(1)


@app.command()
def plan(
    file: _StudyFileArgument,
    out: _OutOption = None,
    device: _DeviceOption = None,
    jobs: Annotated[int, typer.Option("--jobs", min=1, help="Say too what so many processes would take.")] = 1,
) -> None:
    """Show what a study would do and could decide: the tree of work, what is cached, time and bytes. Runs nothing."""
    from headstart.cli.jobs import show_plan

    show_plan(file, out, device, jobs)


@app.command()
def diagnose(file: _StudyFileArgument, out: _OutOption = None, device: _DeviceOption = None) -> None:
    """Look at the data before any training: skews, shifts, the ceiling, and the family foretold."""
    from headstart.cli.jobs import show_diagnosis

    show_diagnosis(file, out, device)


@app.command()
def demo(
    out: _OutOption = None,
    opens: _OpenOption = False,
    everything: _AllOption = False,
    device: _DeviceOption = None,
    jobs: _JobsOption = 1,
    cluster: _ClusterOption = None,
) -> None:
    """Answer the question on real handwritten digits; needs no download."""
    from headstart.cli.jobs import run_demo

    run_demo(out, opens=opens, everything=everything, device=device, jobs=jobs, cluster=cluster)


@app.command()
def methods(
    name: Annotated[str | None, typer.Argument(help="Show this one whole.", show_default=False)] = None,
) -> None:
    """List every method of every stage, or show one: what it does, its paper, and what can be set."""
    from headstart.cli.jobs import console
    from headstart.cli.methods import show_method, show_methods

    if name:
        show_method(console, name)
    else:
        show_methods(console)


@app.command()
def keys(
    table: Annotated[str | None, typer.Argument(help="Such as data, or data.split.", show_default=False)] = None,
) -> None:
    """Show what may be written in a study file: every key with its type, default and meaning."""
    from headstart.cli.jobs import console
    from headstart.cli.methods import show_keys

    show_keys(console, table)


@app.command()
def schema(command: Annotated[str, typer.Argument(help="Such as study.", show_default=False)]) -> None:
    """Print the JSON schema of what `headstart --json COMMAND` prints."""
    import json

    from headstart.cli.replies import schema_of

    typer.echo(json.dumps(schema_of(command), indent=2))


@app.command()
def report(
    run: Annotated[Path, typer.Argument(help="Run folder.", show_default=False)],
    format: Annotated[str, typer.Option(help="html, card, md, json, png or svg.")] = "html",  # noqa: A002
) -> None:
    """Write the report of a run folder again, or in another format."""
    from headstart.cli.jobs import write_formats

    write_formats(run, format)


@app.command()
def compare(
    before: Annotated[Path, typer.Argument(help="Run folder.", show_default=False)],
    after: Annotated[Path, typer.Argument(help="Another, later one.", show_default=False)],
) -> None:
    """Say what changed between two runs, whether the answer did, and what that may come from."""
    from headstart.cli.jobs import show_comparison

    show_comparison(before, after)


@app.command()
def check(
    run: Annotated[Path, typer.Argument(help="Run folder of a finished study.", show_default=False)],
    answer: Annotated[str, typer.Option(help="fine-tune, federate or both.", show_default=False)],
    margin: Annotated[
        float | None, typer.Option(help="By how much it may be worse than the best; the study's min_effect.")
    ] = None,
) -> None:
    """Exit with 0 if a family cannot be worse than the best by more than the margin, else or in doubt with 1."""
    from headstart.cli.jobs import check_run

    if not check_run(run, answer, margin):
        raise typer.Exit(1)


@app.command()
def export(
    run: Annotated[Path, typer.Argument(help="Run folder of a finished study.", show_default=False)],
    arm: Annotated[str | None, typer.Option(help="The arm; the recommended one if not given.")] = None,
    out: Annotated[
        Path | None, typer.Option(help="Folder to write, new; RUN/export/… if not given.", show_default=False)
    ] = None,
    format: Annotated[  # noqa: A002
        str, typer.Option(help="bundle, safetensors, state_dict, transformers or onnx.")
    ] = "bundle",
    seed: Annotated[int | None, typer.Option(help="Of the run; the first if not given.", show_default=False)] = None,
    client: Annotated[
        str | None, typer.Option(help="A client's own model; the shared one if not given.", show_default=False)
    ] = None,
    study: Annotated[
        Path | None, typer.Option(help="The study file, if the run's copy lies elsewhere than it did.")
    ] = None,
    int8: Annotated[
        bool | None, typer.Option(help="bundle: 8-bit integers, where these keep the accuracy.", show_default="int8")
    ] = None,
    limit: Annotated[
        float | None, typer.Option(help="bundle: accuracy that 8-bit integers may cost.", show_default="0.01")
    ] = None,
    sign: Annotated[Path | None, typer.Option(help="bundle: file of an Ed25519 private key (PEM).")] = None,
) -> None:
    """Write an arm's model: for other tools, with a model card, or as a bundle that small devices fine-tune."""
    from headstart.cli.exports import export_run

    devices = {"integers": int8, "limit": limit, "sign": sign}
    export_run(run, arm, out, format, client=client, seed=seed, study=study, devices=devices)


@app.command()
def convert(
    file: Annotated[
        Path, typer.Argument(help="Weights as PyTorch pickled them (.pth, .pt, .bin).", show_default=False)
    ],
    out: Annotated[
        Path | None, typer.Option(help="File to write; beside FILE if not given.", show_default=False)
    ] = None,
    force: Annotated[bool, typer.Option("--force", help="Overwrite what is there.")] = False,
) -> None:
    """Make safetensors of a pickled file of weights, of which nothing is run, and say what is in it."""
    from headstart.cli.convert import convert as write
    from headstart.cli.jobs import console

    write(file, out, console, force=force)


app.command(name="probe")(federate.probe)
app.add_typer(federate.app, name="federate")


def main(arguments: list[str] | None = None) -> None:
    """Run the command; turn our errors into one line and an exit code."""
    try:
        code = app(arguments, prog_name="headstart", standalone_mode=False)
    except HeadstartError as error:
        for line in str(error).splitlines():
            _print_error(f"[bold red]error:[/] {shown(line)}")
        sys.exit(1 if isinstance(error, (ClientError, EngineError)) else 2)
    except OSError as error:
        _print_error(f"[bold red]error:[/] {shown(str(error))}")
        sys.exit(1)
    except (KeyboardInterrupt, typer.Abort):
        code = _INTERRUPTED
    except Exception as error:
        _reraise_unless_known(error)
    # The command-line library returns an exit code, that of an interrupt too.
    if code == _INTERRUPTED:
        _print_error("interrupted; finished work is kept: run the same command to go on")
    if code:
        sys.exit(code)


def _print_error(line: str) -> None:
    """Print a line of markup; the terminal is made now, since an option may have said how it prints."""
    Terminal(stderr=True, soft_wrap=True).print(line)


def _reraise_unless_known(error: Exception) -> NoReturn:
    """Let the command-line library print its own usage errors, exit code 2; say what failed beside any arm, code 1."""
    usage: Any = getattr(error, "show", None)
    if usage is None:
        from headstart.core.faults import fault_of

        if fault := fault_of(error):
            _print_error(f"[bold red]error:[/] the engine failed: {shown(str(fault))}")
            sys.exit(1)
        raise error
    usage()
    sys.exit(getattr(error, "exit_code", 2))
