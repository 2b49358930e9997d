"""The race of a study's arms: cheap ones first, the beaten dropped on validation data, the test looked at twice.

What goes out, and when, follows from finished runs alone: a race that was killed goes the same way again.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from typing import Protocol

from headstart.core.errors import SettingError
from headstart.evidence.answer import Answer
from headstart.evidence.race import Ended, Look, Race, Taken
from headstart.evidence.verdict import Verdict
from headstart.study.run.course import Course, Entry, Runs

_TRIED = 2
"""Seeds whose trials say whether a deep arm is run."""


class Bench(Protocol):
    """Where finished runs are judged."""

    def judge(self, race: Race, runs: Runs, look: Look) -> Verdict:
        """Return what runs say at a look."""
        ...

    def publish(self, verdict: Verdict, runs: Runs) -> Verdict:
        """Write down what runs say at the end; return it with what is to be said of looks before."""
        ...

    def show(self, race: Race, runs: Runs, look: Look) -> None:
        """Say what runs say so far, if it is time to."""
        ...


def run_all(course: Course, bench: Bench) -> Verdict:
    """Run every arm with every seed, heads first, and look once."""
    course.ahead(course.entries, course.seeds)
    for one in course.entries:
        course.go(one, course.seeds)
        _show(course, bench)
    verdict = _look(course, bench)
    return _end(course, bench, verdict, "time" if course.is_cut_short else "all")


def run_race(course: Course, bench: Bench, seeds: Sequence[int]) -> Verdict:
    """Run until the question is decided.

    Args:
        course: at its start, with the seeds of the first look.
        bench: judges.
        seeds: of the last look.
    """
    _leave_references(course)
    _run_heads(course, bench)
    _screen(course, bench)
    _run_deep(course, bench)
    verdict, runs = _look(course, bench), course.runs
    if course.coming and not course.late and verdict.answer.grounds == "undecided":
        _narrow(course, verdict.answer)
        _run_last(course, bench, seeds)
        # Where time ran out on the way, the look that is past stays the last one.
        if not course.late:
            verdict, runs = _look(course, bench), course.runs
    ended: Ended = "time" if course.is_cut_short else "decided" if verdict.answer.family else "last look"
    return _end(course, bench, verdict, ended, runs)


def _show(course: Course, bench: Bench) -> None:
    """Say what there is so far, if there is more to come."""
    if course.unfinished:
        bench.show(course.state(), course.runs, course.coming[0])


def _look(course: Course, bench: Bench) -> Verdict:
    """Look at the test, which spends the look's error.

    Raises:
        SettingError: time was up before anything was finished.
    """
    if course.is_cut_short and not course.runs:
        minutes = course.runner.settings.budget.minutes
        left_out = "".join(f"; {name}: {course.out[name].why}" for name in course.too_long)
        raise SettingError(f"budget.minutes: must leave time for one run, received {minutes}{left_out}; allow more")
    look = course.coming.pop(0)
    verdict = bench.judge(course.state(), course.runs, look)
    arms = sum(len(standing.arms) for standing in verdict.answer.families.values())
    course.taken.append(Taken(look.seeds, look.alpha, arms, verdict.answer.family))
    return verdict


def _end(course: Course, bench: Bench, verdict: Verdict, ended: Ended, runs: Runs | None = None) -> Verdict:
    for one in course.unfinished if course.late else ():
        course.leave(one, "time", "it was not run in full")
    if names := ", ".join(course.too_long):
        words = f"Time was up before these arms were run in full: {names}. The answer is among those that were."
        verdict = replace(verdict, cautions=(words, *verdict.cautions))
    verdict = replace(verdict, race=course.state(ended))
    return bench.publish(verdict, course.runs if runs is None else runs)


def _leave_references(course: Course) -> None:
    for one in course.still_in:
        if one.family is None:
            course.leave(one, "reference", 'a reference is no answer; study.until = "all" runs it')


def _run_heads(course: Course, bench: Bench) -> None:
    heads = [one for one in course.still_in if not one.is_deep]
    course.ahead(heads, course.seeds)
    for one in heads:
        course.go(one, course.seeds)
    course.drop()
    _show(course, bench)


def _screen(course: Course, bench: Bench) -> None:
    """Leave out the deep arms of families whose heads are further behind than deep arms are taken to gain."""
    headroom = course.headroom
    if headroom is None:
        return
    if not (course.runs or course.late):
        # No head has run, so that there is nothing to look at yet: the next look may spend its error, too.
        unused, following, *later = course.coming
        course.coming = [following._replace(alpha=round(unused.alpha + following.alpha, 12)), *later]
        return
    answer = _look(course, bench).answer
    for one in course.still_in:
        behind = answer.behind(one.family) if one.family and one.is_deep else None
        if behind is not None and behind > headroom:
            words = f"{course.amount(behind)} behind, more than deep arms are taken to gain"
            course.leave(one, "screened", f"heads of its family are at least {words}")


def _run_deep(course: Course, bench: Bench) -> None:
    for seed in course.seeds[:_TRIED]:
        course.try_out(_deep(course), seed)
        course.drop()
    for one in _deep(course):
        course.go(one, course.seeds)
        course.drop()
        _show(course, bench)


def _deep(course: Course) -> list[Entry]:
    return [one for one in course.still_in if one.is_deep]


def _narrow(course: Course, answer: Answer) -> None:
    """Let only those go on that the last look needs: heads, and who stands for a family that may be the answer."""
    for one in course.still_in:
        if one.family is None or one.family not in answer.families:
            continue
        standing, behind = answer.families[one.family], answer.behind(one.family)
        if behind is not None and behind > answer.rule.min_effect:
            course.leave(one, "excluded", f"its family is at least {course.amount(behind)} behind", len(course.seeds))
        elif standing.picked_by == "validation" and one.is_deep and one.name != standing.representative:
            course.leave(
                one, "represented", f"{standing.representative} did better on validation data", len(course.seeds)
            )


def _run_last(course: Course, bench: Bench, seeds: Sequence[int]) -> None:
    course.ahead(course.still_in, course.go_on(seeds))
    for one in course.still_in:
        course.go(one, course.seeds)
        _show(course, bench)
