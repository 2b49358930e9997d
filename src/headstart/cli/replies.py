"""What commands say to programs: ``headstart --json COMMAND`` prints one of these, ``headstart schema`` its schema."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from pydantic import TypeAdapter

from headstart.cli.reference.keys import Key
from headstart.core.errors import SettingError, nearest
from headstart.core.plain import plain
from headstart.report.check import Checked
from headstart.report.compare import Comparison


@dataclass(frozen=True)
class ArmReply:
    """An arm of a study that ran.

    Attributes:
        name: of the arm.
        family: ``fine-tune``, ``federate`` or ``both``; None of a reference.
        status: ``candidate``, ``reference``, ``failed``, ``ruled out``, ``dropped``, ``incomplete`` or ``not run``.
        mean: of the metric over clients.
        interval: of the mean.
        worst_decile: the boundary of the worst tenth of the clients.
    """

    name: str
    family: str | None
    status: str
    mean: float | None
    interval: Sequence[float] | None
    worst_decile: float | None


@dataclass(frozen=True)
class StudyReply:
    """What ``study`` and ``demo`` found.

    Attributes:
        name: of the study.
        answer: ``fine-tune``, ``federate``, ``both``, or None.
        grounds: ``better``, ``good enough``, ``only``, ``undecided`` or ``no claim``.
        headline: the answer in a few words.
        sentence: the answer with its uncertainty.
        arm: to use; None where none may be recommended.
        metric: that decided.
        min_effect: the smallest difference that matters.
        confidence: of every interval.
        expected_regret: how much worse than the best family the arm is expected to be.
        regret_upper: the most by which it may be.
        arms: that ran.
        folder: of the run.
        report: the page.
        seconds: that it took.
    """

    name: str
    answer: str | None
    grounds: str
    headline: str
    sentence: str
    arm: str | None
    metric: str
    min_effect: float
    confidence: float
    expected_regret: float | None
    regret_upper: float | None
    arms: tuple[ArmReply, ...]
    folder: str
    report: str
    seconds: float

    @classmethod
    def of(cls, found: Mapping[str, Any], name: str, folder: str, report: str, seconds: float) -> StudyReply:
        """Make it of what ``verdict.json`` says."""
        same = ("answer", "grounds", "headline", "sentence", "metric", "min_effect", "confidence")
        sure = ("expected_regret", "regret_upper")
        kept = ("family", "status", "mean", "interval", "worst_decile")
        arms = tuple(
            ArmReply(arm, **{key: score.get(key) for key in kept}) for arm, score in (found.get("arms") or {}).items()
        )
        said: dict[str, Any] = {key: found.get(key) for key in (*same, *sure)}
        return cls(
            name=name, arm=found.get("recommended"), arms=arms, folder=folder, report=report, seconds=seconds, **said
        )


@dataclass(frozen=True)
class PlanReply:
    """What ``plan`` foretells.

    Attributes:
        name: of the study.
        arms: that would run.
        ruled_out: arms that would not, with the reason.
        seeds: of the study.
        trials: an arm.
        seconds: that are left, about and at most.
        bytes: that would cross the network per seed.
        finished: whether nothing is left.
    """

    name: str
    arms: tuple[str, ...]
    ruled_out: Mapping[str, str]
    seeds: tuple[int, ...]
    trials: int
    seconds: float
    bytes: float
    finished: bool


@dataclass(frozen=True)
class DiagnoseReply:
    """What ``diagnose`` found: ``diagnosis.json``, whose parts the documentation tells."""

    diagnosis: Mapping[str, Any]


@dataclass(frozen=True)
class MethodReply:
    """A method.

    Attributes:
        name: as it is written.
        stage: ``start``, ``federate`` or ``adapt``.
        does: in a clause.
        paper: its citation.
        differs: from the paper.
        keys: its settings.
    """

    name: str
    stage: str
    does: str
    paper: str
    differs: str
    keys: tuple[Key, ...]


@dataclass(frozen=True)
class FilesReply:
    """Files or folders that a command wrote, and what it says of them."""

    files: tuple[str, ...]
    says: str = ""


@dataclass(frozen=True)
class InitReply:
    """What ``init`` wrote.

    Attributes:
        file: the study file.
        runs: whether it runs as it is.
        question: that is left open; empty where none is.
        mended: what had to be changed for the data to open.
    """

    file: str
    runs: bool
    question: str
    mended: tuple[str, ...]


@dataclass(frozen=True)
class ProbeReply:
    """What ``probe`` found.

    Attributes:
        name: of the study.
        verdict: ``fine-tune``, ``federate``, ``both`` or ``unsure``.
        sentence: the answer with its uncertainty.
        cautions: what to know before believing it.
        gain: what the better head that shares adds to clients' own, in balanced accuracy.
        interval: of the gain.
        clients: with scores.
        claims_significance: whether these are enough for the interval to speak of others.
        foretold: the family that should be best, or None.
        left_out: clients, with the reason.
        epsilon: for one example, of the noise on sums; None without.
        delta: of that promise.
        folder: with ``probe.json``, which has all of it.
        report: the page.
        seconds: that both messages took.
    """

    name: str
    verdict: str
    sentence: str
    cautions: tuple[str, ...]
    gain: float
    interval: Sequence[float]
    clients: int
    claims_significance: bool
    foretold: str | None
    left_out: Mapping[str, str]
    epsilon: float | None
    delta: float
    folder: str
    report: str
    seconds: float


@dataclass(frozen=True)
class PreviewReply:
    """What a site would answer, as its operator reads it line by line; and what was accepted, empty if nothing was."""

    lines: tuple[str, ...]
    accepted: str


@dataclass(frozen=True)
class StatusReply:
    """Where a federation stands.

    Attributes:
        sites: of the keys, by name: ``connected``, ``gone``, ``new`` or ``not let in``.
        runs: the study, arms, state and beginning of each, the latest last.
        complete: whether every site is connected.
        notes: on certificates that end.
    """

    sites: Mapping[str, str]
    runs: tuple[Mapping[str, str], ...]
    complete: bool
    notes: tuple[str, ...]


REPLIES: Mapping[str, Any] = {
    "study": StudyReply,
    "demo": StudyReply,
    "plan": PlanReply,
    "diagnose": DiagnoseReply,
    "init": InitReply,
    "methods": Sequence[MethodReply],
    "keys": Mapping[str, Sequence[Key]],
    "report": FilesReply,
    "compare": Comparison,
    "check": Checked,
    "export": FilesReply,
    "convert": FilesReply,
    "probe": ProbeReply,
    "federate keys": FilesReply,
    "federate preview": PreviewReply,
    "federate run": StudyReply,
    "federate status": StatusReply,
}
"""What each command says."""

SERVERS = ("federate up", "federate node")
"""Commands that do not end by themselves, and have nothing to say in one piece."""


def schema_of(command: str) -> dict[str, Any]:
    """Return the JSON schema of what a command says.

    Raises:
        SettingError: there is no such command.
    """
    if command not in REPLIES:
        raise SettingError(f"headstart schema: unknown command, received {command!r}; {nearest(command, REPLIES)}")
    return TypeAdapter(REPLIES[command]).json_schema(mode="serialization")


def reply_json(command: str, reply: object) -> str:
    """Return what a command says as JSON; numbers that are not finite are null."""
    value = TypeAdapter(REPLIES[command]).dump_python(reply, mode="python")
    return json.dumps(plain(value), ensure_ascii=False, allow_nan=False, indent=2)
