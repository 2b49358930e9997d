"""The answer over real sites: the study's decision, on what sites count in the place of rows."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import replace
from typing import Any

import numpy as np

from headstart.core.errors import ClientError, HeadstartError
from headstart.core.files import write_json
from headstart.core.plain import plain
from headstart.evidence.answer import Answer, Rule
from headstart.evidence.answer_json import answer_json
from headstart.evidence.answer_words import sentence
from headstart.evidence.contest import Contest
from headstart.evidence.find_answer import find_answer
from headstart.evidence.outcomes import RIGHT_OR_WRONG
from headstart.evidence.scores import Scores
from headstart.evidence.sides import Evidence, client_units
from headstart.evidence.summed import Summed
from headstart.evidence.verdict import default_scope, has_held_out, mean_scores
from headstart.sites.gathered import Gathered, gather
from headstart.sites.server import Server
from headstart.sites.settings import LEAST_ROWS
from headstart.sites.told import Told, told
from headstart.study.judge import notice, traits_of
from headstart.study.lab import Lab
from headstart.study.plan import Costs, gated
from headstart.study.written.slate import Slate


def tell_answer(server: Server) -> dict[str, Any] | None:
    """Answer the question from all that has run over these sites, say it, and write ``verdict.json``.

    Returns:
        What stands in the file; None where fewer than two families have run, or there is nothing to compare.
    """
    found = _found(server)
    for line in answer_lines(found) if found else []:
        server.tell(line)
    if (server.out / "records.jsonl").is_file():
        server.tell(f"no verdict.json is written: '{server.out}' holds a simulation's; take another --out")
    elif found:
        write_json(server.out / "verdict.json", found)
    else:
        # One of other runs would be taken for theirs.
        (server.out / "verdict.json").unlink(missing_ok=True)
    return found


def _found(server: Server) -> dict[str, Any] | None:
    """Return the answer; None, and perhaps a line that says why, where there is none."""
    runs = told(server)
    if len({traits_of(arm, runs.results).family for arm in runs.arms}) < 2:
        return None
    try:
        return _verdict(server, runs)
    except HeadstartError as error:
        server.tell(f"no answer: {error}")
        return None


def answer_lines(found: Mapping[str, Any]) -> Iterator[str]:
    """Say what :func:`tell_answer` returned: the answer, who is not in it, and how arms were picked."""
    yield f"answer: {found['sentence']}"
    if found["recommended"] and found["grounds"] != "no claim":
        yield f"  arm to use: {found['recommended']}"
    for name, reason in found["left_out"].items():
        yield f"  not in the answer: {name}: {reason}"
    for name, count in found["kept_back"].items():
        yield f"  not counted: {name}: {count} of its classes, with fewer than {LEAST_ROWS} test examples each"
    for arm, seeds in found["lacking_seeds"].items():
        yield f"  compared on the seeds of all arms alone: {arm} lacks {', '.join(map(str, seeds))}"
    by_cost = [one["representative"] for one in found["families"].values() if one["picked_by"] == "cost"]
    if by_cost:
        yield f"  no client has validation scores: the cheapest arm stands for its family ({', '.join(by_cost)})"


def _verdict(server: Server, runs: Told) -> dict[str, Any]:
    """Answer from what all runs have in common.

    Raises:
        HeadstartError: there is nothing to compare.
    """
    metric = server.file.settings.decision.metric
    if not runs.seeds:
        raise ClientError(f"no seed is common to {', '.join(arm.name for arm in runs.arms)}; run each with the same")
    gathered = gather(server, runs, metric)
    scores = runs.scores(gathered.clients, metric, "test")
    contest = _contest(server, runs, scores)
    answer = find_answer(contest.entrants, _evidence(gathered, scores, metric), contest.rule, contest.absent)
    return {**_as_json(answer, contest, gathered), "lacking_seeds": runs.lacking_seeds}


def _as_json(answer: Answer, contest: Contest, gathered: Gathered) -> dict[str, Any]:
    """Return the answer as a study's ``verdict.json`` says it, and who is not in it."""
    found: dict[str, Any] = plain(
        {
            **answer_json(answer, contest.metric),
            "sentence": sentence(answer, contest.metric),
            "recommended": answer.arm,
            "metric": contest.metric,
            "min_effect": contest.rule.min_effect,
            "confidence": contest.rule.confidence,
            "num_clients": len(contest.scores.clients),
            "num_seeds": len(contest.scores.seeds),
            "failed": dict(contest.failed),
            "ruled_out": dict(contest.ruled_out),
            "left_out": dict(gathered.left_out),
            "kept_back": dict(gathered.kept_back),
        }
    )
    return found


def _contest(server: Server, runs: Told, scores: Scores) -> Contest:
    """Return who may be chosen, by the study's rule."""
    decision, arms = server.file.settings.decision, server.file.arms
    costs, known = Costs(_lab_of_one(server.lab)), server.out / "costs.json"
    costs.read(known)
    slate = gated(Slate(arms), costs, server.file.devices)
    costs.write(known)
    clients, counted = len(scores.decisive().clients), decision.metric in RIGHT_OR_WRONG
    scope = default_scope(clients, decision.metric, held_out=has_held_out(scores)) if counted else "like these"
    return Contest(
        scores,
        client_units(scores, decision.metric),
        metric=decision.metric,
        rule=Rule(decision.min_effect, decision.confidence, decision.clients or scope),
        costs={name: cost.as_json() for name, cost in slate.costs.items()},
        ruled_out=slate.ruled_out,
        traits={arm.name: traits_of(arm, runs.results) for arm in arms},
        failed=notice(runs.results, runs.arms, {}).failed,
        validation=mean_scores(runs.scores(scores.clients, decision.metric, "val")),
    )


def _lab_of_one(lab: Lab) -> Lab:
    """Return a lab with one blank example, on which work is counted; the server has none."""
    one = lab.federation.examples
    blank = np.zeros((1, *one.shape), one.inputs.dtype)
    examples = replace(one, inputs=blank, labels=np.zeros(1, np.int64), ids=[""])
    return Lab(replace(lab.federation, examples=examples), lab.spec, lab.engine, lab.dtype)


def _evidence(gathered: Gathered, scores: Scores, metric: str) -> Evidence:
    """Return what arms are compared on, as finely as the sites' sums allow."""
    if metric not in RIGHT_OR_WRONG:
        return client_units(scores, metric)
    return Summed(gathered.moments, by_class=metric == "balanced_accuracy")
