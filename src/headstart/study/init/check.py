"""Whether a draft runs: opened as ``headstart plan`` opens a study, and mended where a guess stands in the way."""

from __future__ import annotations

import re
import tomllib
from collections.abc import Iterator
from dataclasses import dataclass, replace
from pathlib import Path

from headstart.core.cache import cache_folder
from headstart.core.errors import HeadstartError
from headstart.core.progress import Progress
from headstart.data.federation import Federation
from headstart.study.checks import check_plan
from headstart.study.init.draft import Draft, Line
from headstart.study.init.write import written
from headstart.study.study import Study
from headstart.study.written.load import parse_study

_OPTIONAL = (
    "data.split.column",
    "data.split.group",
    "data.id",
    "data.one_hot",
)
"""Settings without which a study may still run, of which one is switched off where an error names it."""

_EMPTY = re.compile(r"is (empty|hidden)|texts of .* are empty|missing or infinite")
_DRAW = re.compile(r"data\.partition")


@dataclass(frozen=True)
class Checked:
    """A draft that was tried.

    Attributes:
        draft: as it was mended.
        mended: what was changed, in words.
        question: why it cannot be opened yet; "" where it can.
        federation: what it opens; None where it cannot.
    """

    draft: Draft
    mended: tuple[str, ...] = ()
    question: str = ""
    federation: Federation | None = None


def checked(draft: Draft, folder: Path, progress: Progress) -> Checked:
    """Open a draft as a study, and mend it until it opens or nothing is left to mend.

    Args:
        draft: to try.
        folder: where its relative paths start.
        progress: told what happens.
    """
    mended: list[str] = []
    while True:
        try:
            return Checked(draft, tuple(mended), federation=_opened(draft, folder, progress))
        except HeadstartError as error:
            why = str(error).splitlines()[0]
            change = next(_mends(draft, why), None)
        if change is None:
            asked = replace(draft, head=(*draft.head, f"OPEN QUESTION: {why}"))
            return Checked(asked, tuple(mended), question=why)
        draft, words = change
        mended.append(words)


def _opened(draft: Draft, folder: Path, progress: Progress) -> Federation:
    """Go the road of ``headstart plan`` up to its costs, and look at what ``headstart study`` refuses."""
    text = written(draft)
    file = parse_study(tomllib.loads(text), folder, text)
    study = Study.open(file, cache=cache_folder(), progress=progress)
    for from_scratch in {arm.start.build().from_scratch for arm in study.slate.arms}:
        study.lab.skeleton(from_scratch=from_scratch)
    check_plan(study.slate, file.settings, study.lab.federation)
    return study.lab.federation


def _mends(draft: Draft, why: str) -> Iterator[tuple[Draft, str]]:
    """Yield changes that may help against an error, the mildest first."""
    missing = draft.find("data.missing")
    if _EMPTY.search(why) and (missing is None or missing.value != "drop"):
        line = Line("missing", "drop", "rows with an empty cell are left out")
        yield draft.put("data.missing", line), "rows with an empty cell are left out (data.missing)"
    if "data.split.group:" in why and draft.find("data.split.column"):
        # Rows that belong together weigh more than a split that parts them.
        yield draft.without("data.split.column", f"switched off: {why}"), f"data.split.column is switched off: {why}"
    for setting in _OPTIONAL:
        if f"{setting}:" in why and draft.find(setting):
            yield draft.without(setting, f"switched off: {why}"), f"{setting} is switched off: {why}"
    if draft.find("data.central.source") and "central" in why:
        yield _without_pool(draft, why), f"no central pool: {why}"
    method = draft.find("data.partition.method")
    if method and method.value != "iid" and _DRAW.search(why) and "not installed" not in why:
        even = draft.without("data.partition.alpha", "of dirichlet_clients")
        line = Line("method", "iid", method.why)
        yield even.put("data.partition.method", line), f"clients are dealt evenly: {why}"


def _without_pool(draft: Draft, why: str) -> Draft:
    """Return a draft without a central pool, and without what compares with a start that needs one."""
    left = draft.without("data.central.source", f"switched off: {why}")
    return left.without("decision.baseline", "needs a trained start; without this line a study takes what it has")
