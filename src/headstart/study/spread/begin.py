"""Beginning with several processes: which kind of them, and what all pieces need first."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import AbstractContextManager, contextmanager
from functools import cache
from pathlib import Path
from typing import TYPE_CHECKING

from headstart.core.errors import SettingError
from headstart.core.files import remove_leftovers
from headstart.core.machine import can_fork, num_cores, suitable_threads
from headstart.core.progress import Progress, Silent, Tell
from headstart.evidence.contrast import FEWEST_SEEDS
from headstart.study.run.beside import make_starts
from headstart.study.run.folder import RunFolder
from headstart.study.spread.features import share_features
from headstart.study.spread.hands import Hands
from headstart.study.spread.local import Local, forked, in_words, spawned
from headstart.study.spread.source import Source
from headstart.study.spread.spread import spread_of
from headstart.study.written.arms import Arm

if TYPE_CHECKING:
    from headstart.study.run.runner import Runner
    from headstart.study.study import Study


def hands_for(
    study: Study, out: Path, jobs: int, cluster: str | None, progress: Progress
) -> AbstractContextManager[Hands | None]:
    """Return the processes that do pieces of a study, here or on a cluster; None where it is done by this one."""
    if cluster is None:
        return _local_hands(study, out, jobs, progress.warn)
    from headstart.study.spread.cluster.hands import on_cluster

    return on_cluster(study, RunFolder(out, progress.warn).store, cluster, progress)


@contextmanager
def _local_hands(study: Study, out: Path, jobs: int, say: Tell) -> Iterator[Hands | None]:
    """Yield processes that do pieces of a study on this machine; None where one does all.

    Args:
        study: as it goes on in the folder.
        out: run folder.
        jobs: processes, at least 1.
        say: told, in a line, how they share the cores.

    Raises:
        SettingError: a study made in Python cannot be cloned here.
    """
    if jobs == 1:
        yield None
        return
    say(in_words(jobs))
    with _local(study, out, jobs) as hands:
        yield hands
    # A process that died may have left half a file.
    remove_leftovers(out)


def _local(study: Study, out: Path, jobs: int) -> Local:
    """Return clones where each has one core, others where they can be had."""
    settings, is_written = study.file.settings, not study.file.settings.data.source.startswith("python:")
    if can_fork() and not (is_written and num_cores() >= 2 * jobs):
        store = RunFolder(out).store
        return forked(cache(lambda seed: study.pipeline(store, seed, Silent())), jobs)
    if not is_written:
        raise SettingError(
            f"jobs: must be 1 for a study made in Python where this process cannot be cloned, received {jobs}; "
            "leave it out, or write a study file"
        )
    threads = settings.engine.threads or suitable_threads(study.lab.num_weights)
    source = Source(study.file.text, study.file.folder, out, study.lab.cache, settings.engine.device)
    return spawned(source, jobs, threads)


def make_first_starts(runner: Runner, arms: Sequence[Arm]) -> None:
    """Make starts of all seeds that are sure to run, side by side, after what all seeds have in common."""
    settings = runner.settings
    seeds = settings.seeds[:FEWEST_SEEDS] if settings.races else settings.seeds
    if spread := spread_of(runner):
        share_features(arms, runner.pipeline(seeds[0]))
        spread.make_starts(arms, seeds)
    else:
        make_starts((arm.start, runner.pipeline(seed)) for arm in arms for seed in seeds)
