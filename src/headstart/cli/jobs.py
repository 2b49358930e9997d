"""What the subcommands do; heavy imports wait until a job needs them."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import AbstractContextManager, contextmanager
from dataclasses import replace
from functools import partial
from importlib import resources
from pathlib import Path
from typing import TYPE_CHECKING, Any

from headstart.cli.answer import answer_block, decidable_lines, labelled
from headstart.cli.arms import legend, promise_lines, race_lines, ruled_out_lines, verdict_table, warning_lines
from headstart.cli.interrupts import second_ends_at_once
from headstart.cli.pages import Pages
from headstart.cli.progress import Bar
from headstart.cli.replies import DiagnoseReply, FilesReply, PlanReply, StudyReply
from headstart.cli.saying import for_programs, say
from headstart.cli.tables import data_block, diagnosis_lines, plan_tree
from headstart.cli.terminal import Terminal, shown
from headstart.core.errors import SettingError, nearest
from headstart.core.files import read_json
from headstart.evidence.by_epsilon import turning_words
from headstart.evidence.verdict import prediction_held
from headstart.report.answer import doubt, has_answer, headline
from headstart.study.written.load import StudyFile, load_study, on_device

if TYPE_CHECKING:
    from headstart.study.estimate import Branch
    from headstart.study.study import Outcome, Study
    from headstart.study.written.slate import Slate

PICTURES = ("png", "svg")
"""Formats in which a report is one file per figure."""

console = Terminal(soft_wrap=True)


def run_file(
    path: Path,
    out: Path | None,
    *,
    arms: Sequence[str] | None = None,
    seeds: Sequence[int] | None = None,
    track: Sequence[str] = (),
    opens: bool = False,
    everything: bool = False,
    device: str | None = None,
    jobs: int = 1,
    cluster: str | None = None,
) -> None:
    """Run a study file."""
    from headstart.study.spread.local import check_jobs

    check_jobs(jobs, cluster)
    file = _loaded(path, device)
    file = _in_full(file) if everything else file
    out = out or _default_out(file)
    run(file, out, arms=arms, seeds=seeds, track=track, opens=opens, jobs=jobs, cluster=cluster)


def run_demo(
    out: Path | None,
    *,
    opens: bool = False,
    everything: bool = False,
    device: str | None = None,
    jobs: int = 1,
    cluster: str | None = None,
) -> None:
    """Run the embedded study."""
    with resources.as_file(resources.files("headstart.study") / "demo.toml") as path:
        run_file(path, out, opens=opens, everything=everything, device=device, jobs=jobs, cluster=cluster)


def _loaded(path: Path, device: str | None) -> StudyFile:
    """Return a study of the user's own, on another device than its file says where one is named."""
    file = load_study(path, runs_code=True)
    return file if device is None else on_device(file, device)


def _in_full(file: StudyFile) -> StudyFile:
    """Return a study that runs everything."""
    settings = file.settings
    return replace(file, settings=replace(settings, study=replace(settings.study, until="all")))


def run(
    file: StudyFile,
    out: Path,
    *,
    arms: Sequence[str] | None = None,
    seeds: Sequence[int] | None = None,
    track: Sequence[str] = (),
    opens: bool = False,
    jobs: int = 1,
    cluster: str | None = None,
) -> None:
    """Run a study on its own data."""
    from headstart.core.cache import cache_folder
    from headstart.study.study import Study

    @contextmanager
    def opened(bar: Bar) -> Iterator[Study]:
        yield Study.open(file, cache=cache_folder(), progress=bar)

    how = partial(run_opened, file, opened, out, track=track, opens=opens)
    how(arms=arms, seeds=seeds, jobs=jobs, cluster=cluster)


def run_opened(
    file: StudyFile,
    opened: Callable[[Bar], AbstractContextManager[Study]],
    out: Path,
    *,
    arms: Sequence[str] | None = None,
    seeds: Sequence[int] | None = None,
    track: Sequence[str] = (),
    opens: bool = False,
    jobs: int = 1,
    cluster: str | None = None,
) -> None:
    """Run a study, print the verdict, write the report; interrupted, print the answer so far.

    Args:
        file: the study.
        opened: opens it, and closes what it needs in the end.
        out: run folder.
        arms: run only these; None runs all.
        seeds: run only these; None runs all.
        track: trackers that are told of every run, such as ``tensorboard=FOLDER``.
        opens: whether the page is opened in the user's browser as soon as there is one.
        jobs: processes that work beside each other.
        cluster: whose workers do the study's pieces: auto, or an address; None for none.
    """
    from headstart.report.trackers import chosen

    begin, trackers = time.monotonic(), chosen(track)
    with second_ends_at_once(), _so_far_if_interrupted(out), Bar(console) as bar, opened(bar) as study:
        _print_data(study)
        pages = Pages(bar.warn, opens=opens)
        outcome = study.run(out, arms=arms, seeds=seeds, progress=bar, page=pages, jobs=jobs, cluster=cluster)
    for tracker in trackers:
        tracker.log(file.settings.name, out / "records.jsonl")
    took, page = time.monotonic() - begin, str(out / "report.html")
    found = outcome.verdict.as_json()
    if console.quiet and not for_programs():
        _print_line(found, page)
    say(lambda: StudyReply.of(found, file.settings.name, str(out), page, round(took, 3)))
    _print_verdict(outcome, found, file.settings.name)
    console.print(f"report  {shown(page)}")
    console.print(f"records {shown(str(out))}   ({took:.0f} s)")


def _print_line(found: Mapping[str, Any], page: str) -> None:
    """Print the answer in a line, with the arm to use and where the report is."""
    arm = f"; arm to use: {found['recommended']}" if found["recommended"] else ""
    careful = f"Careful: {doubt(found)} " if doubt(found) else ""
    Terminal(soft_wrap=True).print(shown(f"{careful}{headline(found)}{arm} ({page})"), highlight=False)


def _print_verdict(outcome: Outcome, said: Mapping[str, Any], name: str) -> None:
    """Print the arms side by side, what is to be said of single arms, and the answer."""
    verdict, costs, width = outcome.verdict, outcome.slate.costs, console.width
    table = verdict_table(verdict, costs, name, width)
    console.print(table, width=max(width, table.min_width or 0), crop=False)
    console.print(legend(verdict, costs, width), style="dim", soft_wrap=False)
    found = {**said, "prediction_held": prediction_held(verdict)}
    for line in (*ruled_out_lines(verdict.ruled_out), *race_lines(found), *warning_lines(verdict)):
        console.print(line, soft_wrap=False)
    for line in promise_lines(verdict.privacy):
        console.print(line, soft_wrap=False)
    if turns := turning_words(found["by_epsilon"]):
        console.print(f"\n{turns}", highlight=False, soft_wrap=False)
    console.print()
    for line in answer_block(found, width):
        console.print(line, highlight=False)
    console.print()


@contextmanager
def _so_far_if_interrupted(out: Path) -> Iterator[None]:
    """After Ctrl-C, print the answer as the run folder has it; nothing where there is none yet."""
    try:
        yield
    except KeyboardInterrupt:
        found = read_json(out / "verdict.json") or {}
        if has_answer(found):
            console.print()
            for line in answer_block(found, console.width):
                console.print(line, highlight=False)
            console.print(f"\nreport  {shown(str(out / 'report.html'))}")
        raise


def show_plan(path: Path, out: Path | None, device: str | None = None, jobs: int = 1) -> None:
    """Print the prefix tree of a study, and what it would take in so many processes."""
    from headstart.core.cache import cache_folder
    from headstart.study.checks import check_clients
    from headstart.study.estimate import seconds_of
    from headstart.study.run.promises import foretold_privacy
    from headstart.study.run.tuning import num_trials
    from headstart.study.study import Study
    from headstart.study.twins import twin_lines

    file = _loaded(path, device)
    out = out or _default_out(file)
    with Bar(console) as bar:
        study = Study.open(file, cache=cache_folder(), progress=bar)
        _print_data(study)
        check_clients(study.lab.federation)
        slate = study.plan(out)
        branches = study.branches(slate, out)
        for line in study.outdated(slate, out):
            bar.warn(line)
    trials = num_trials(file.settings.tuning.trials, study.lab.federation)
    say(lambda: _plan_reply(file, slate, branches, trials))
    # Long lines are folded inside the tree; the console's own soft wrap would crop them.
    beside = {jobs: seconds_of(branches, jobs)} if jobs > 1 else None
    console.print(plan_tree(file.settings, slate, branches, trials, beside), soft_wrap=False)
    for line in twin_lines(slate.arms, study.costs.practice):
        console.print(f"[yellow]{shown(line)}[/]", soft_wrap=False, highlight=False)
    for line in promise_lines(foretold_privacy(slate.arms, study.lab.federation, trials, file.settings.seeds)):
        console.print(line, soft_wrap=False)
    for line in decidable_lines(study.in_folder(out)[0].file.settings, slate, study.lab.federation, console.width):
        console.print(line, highlight=False)


def _plan_reply(file: StudyFile, slate: Slate, branches: Sequence[Branch], trials: int) -> PlanReply:
    return PlanReply(
        name=file.settings.name,
        arms=tuple(arm.name for arm in slate.arms),
        ruled_out=slate.ruled_out,
        seeds=file.settings.seeds,
        trials=trials,
        seconds=round(sum(branch.seconds for branch in branches), 1),
        bytes=sum(cost.total_bytes for cost in slate.costs.values()),
        finished=all(branch.done for branch in branches),
    )


def show_diagnosis(path: Path, out: Path | None, device: str | None = None) -> None:
    """Diagnose a study's data and print what was found."""
    from headstart.core.cache import cache_folder
    from headstart.study.study import Study

    file = _loaded(path, device)
    with Bar(console) as bar:
        study = Study.open(file, cache=cache_folder(), progress=bar)
        _print_data(study)
        found = study.diagnose(out or _default_out(file), bar)
    say(lambda: DiagnoseReply(found.as_json()))
    for line in diagnosis_lines(found):
        console.print(line)


def _print_data(study: Study) -> None:
    """Print what was read, before anything is made of it; and on what, where that is not the processor."""
    from headstart.study.run.computed_on import computed_on

    console.print(data_block(study.lab.federation), soft_wrap=False)
    if study.lab.device.type != "cpu" or study.lab.precision != "float32":
        console.print(f"computed on {shown(computed_on(study.lab))}", highlight=False)
    console.print()


def write_formats(run_folder: Path, name: str) -> None:
    """Write a run folder's report in one format and say where."""
    from headstart.report import FORMATS, load_run, save_figures, write_report

    valid = (*FORMATS, *PICTURES)
    if name not in valid:
        raise SettingError(f"--format: must name a format, received '{name}'; {nearest(name, valid)}")
    if name in PICTURES:
        run = load_run(run_folder)
        paths = save_figures(run, run.folder / "figures", name)
    else:
        paths = write_report(run_folder, formats=(name,))
    say(lambda: FilesReply(tuple(map(str, paths))))
    for path in paths:
        console.print(shown(str(path)))


def show_comparison(before: Path, after: Path) -> None:
    """Print what differs between two run folders."""
    from headstart.report import load_run
    from headstart.report.compare import compare_lines, compare_runs

    found = compare_runs(load_run(before), load_run(after))
    say(lambda: found)
    for line in labelled(compare_lines(found), console.width):
        console.print(line, highlight=False)


def check_run(run_folder: Path, family: str, margin: float | None) -> bool:
    """Say in one line whether a family may be used, and return it."""
    from headstart.report import check_answer

    found = check_answer(run_folder, family, margin)
    say(lambda: found)
    console.print(shown(found.line), highlight=False)
    return found.passed


def _default_out(file: StudyFile) -> Path:
    """Return the run folder of a study that names none."""
    return Path("runs") / file.settings.name
