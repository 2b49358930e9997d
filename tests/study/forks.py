"""Runs a study in a fork of itself whenever asked: a resume costs no imports, so that every kill hits the study.

Usage: forks.py STUDY REFERENCE. It first runs the study undisturbed into REFERENCE, and says how many seconds a
second run from scratch takes. Then, for each line "N OUT" on standard input, it forks, and the fork runs the study into
OUT; an N above 0 kills the fork with its N-th synced write. It answers with the fork's process id, and with its exit
code when it has ended.
"""

from __future__ import annotations

import os
import signal
import sys
import time
from pathlib import Path

from headstart.study.study import Study


def run(study: Path, out: Path) -> None:
    """Run the study as the command does, data and all."""
    Study.load(study).run(out)


def kill_at(write: int) -> None:
    """Let this process die at a synced write: nothing after it happens, not even the clean-up."""
    sync, left = os.fsync, [write]

    def fatal(descriptor: int) -> None:
        left[0] -= 1
        if left[0] == 0:
            os.kill(os.getpid(), signal.SIGKILL)
        sync(descriptor)

    os.fsync = fatal


def main(study: Path, reference: Path) -> None:
    """Answer every line of standard input."""
    run(study, reference)
    begin = time.monotonic()
    run(study, reference.with_name("again"))
    print(time.monotonic() - begin, flush=True)
    for line in sys.stdin:
        write, out = line.split(maxsplit=1)
        child = os.fork()
        if not child:
            if int(write):
                kill_at(int(write))
            run(study, Path(out.strip()))
            os._exit(0)
        print(child, flush=True)
        print(os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]), flush=True)


if __name__ == "__main__":
    main(*(Path(argument) for argument in sys.argv[1:]))
