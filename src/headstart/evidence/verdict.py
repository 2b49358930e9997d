"""The verdict: the answer, which arm to use, how sure that is, and what would change it."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import asdict, dataclass, field
from functools import cached_property
from typing import Any

from headstart.core.errors import DataError
from headstart.core.plain import finite, plain
from headstart.evidence import answer_words, wording
from headstart.evidence.answer import Answer, Rule
from headstart.evidence.answer_json import answer_json
from headstart.evidence.arm_table import ArmScore, Pair, arm_table, effect_over, pair, shares_hurt
from headstart.evidence.by_epsilon import Level, levels_of
from headstart.evidence.cautions import cautions
from headstart.evidence.confusion import confusions
from headstart.evidence.contest import Contest
from headstart.evidence.contrast import Scope
from headstart.evidence.decision import check_settings
from headstart.evidence.each_client import ClientGain, gains_of_clients
from headstart.evidence.find_answer import find_answer
from headstart.evidence.metrics import Measure, measure, measure_in, nan_mean
from headstart.evidence.noticed import Noticed
from headstart.evidence.outcomes import Outcomes
from headstart.evidence.pairs import pairs_json
from headstart.evidence.race import Race
from headstart.evidence.scores import Scores, worst_deciles
from headstart.evidence.sides import Traits
from headstart.evidence.summed import Sums, evidence_of

MANY_CLIENTS, ENOUGH_CLIENTS = 20, 10
"""Clients up to which the answer speaks of these by default, and from which a bootstrap over them says anything."""


@dataclass(frozen=True)
class Verdict:
    """What a study found; the rules are in ``decide`` and :mod:`headstart.evidence.answer`.

    Attributes:
        answer: fine-tune, federate, or both; and what that rests on.
        recommended: arm to use; None when no arm may be recommended.
        clear_winner: whether it beats every other candidate, those of its own family too.
        sentence: the answer and its uncertainty in plain words.
        metric: what was compared.
        unit: of its differences, ``points`` of a share; empty for none.
        lower_is_better: whether less of it is better.
        min_effect: the smallest difference that matters.
        confidence: of every interval.
        baseline: arm that effects are measured against.
        effect: paired effect of the recommended arm over the baseline, positive is better.
        interval: of the effect.
        probability_best: per candidate, share of bootstrap draws in which it has the best mean.
        nearest: the candidate nearest to the recommended arm: ``arm``, ``gap`` (positive: it is worse),
            ``interval``.
        pareto: candidates not beaten in both mean and total bytes, the cheapest first.
        hurt: per arm, share of clients worse off than under ``local`` and under ``keep``, and by chance.
        ruled_out: arms excluded by a device or data rule, with the reason.
        predicted: family that the diagnosis predicted before the runs.
        would_change: sentences on what would change the answer.
        few_clients: six or fewer decisive clients: each is shown under every arm.
        num_clients: number of decisive clients.
        num_seeds: number of seeds.
        clients: when clients are few, every client's mean per arm.
        arms: per arm, its scores.
        failed: arms whose training failed, with the reason; nothing is compared with them.
        warnings: per arm, what else is to be noticed.
        kept: per arm with an adaptation, how many clients kept it.
        privacy: per arm with noise, what it promises each client: ``epsilon`` of one run, and of ``all_runs`` by which
            its settings were chosen, at ``delta``.
        each_client: what each client gains in accuracy with another family than the answer's.
        cautions: what a reader should know before believing the answer.
        doubt: those of them, in a row, by which the answer may mean nothing; they come before it.
        family_best: per family, share of bootstrap draws in which its arm has the best mean; from ten clients on.
        undefined: clients with test examples at which the metric is not defined, with the reason.
        race: where the race stands; None where some arms or seeds were chosen by hand.
        confusions: what the families' arms took for what at clients, see
            :func:`headstart.evidence.confusion.confusions`.
        contest: what it was found from; None of one that was made otherwise.
        by_epsilon: who wins among the arms that promise single examples the same, the smallest epsilon first.
    """

    answer: Answer
    recommended: str | None
    clear_winner: bool
    sentence: str
    metric: str
    unit: str
    lower_is_better: bool
    min_effect: float
    confidence: float
    baseline: str
    effect: float | None
    interval: Pair | None
    probability_best: dict[str, float]
    nearest: dict[str, Any] | None
    pareto: list[str]
    hurt: dict[str, dict[str, float | None]]
    ruled_out: dict[str, str]
    predicted: str | None
    would_change: list[str]
    few_clients: bool
    num_clients: int
    num_seeds: int
    clients: dict[str, dict[str, float | None]]
    arms: dict[str, ArmScore]
    failed: dict[str, str] = field(default_factory=dict)
    warnings: dict[str, list[str]] = field(default_factory=dict)
    kept: dict[str, str] = field(default_factory=dict)
    each_client: tuple[ClientGain, ...] = ()
    cautions: tuple[str, ...] = ()
    doubt: str = ""
    family_best: dict[str, float] = field(default_factory=dict)
    privacy: dict[str, dict[str, Any]] = field(default_factory=dict)
    undefined: dict[str, str] = field(default_factory=dict)
    race: Race | None = None
    confusions: dict[str, Any] = field(default_factory=dict)
    contest: Contest | None = field(default=None, repr=False, compare=False)
    by_epsilon: tuple[Level, ...] = ()

    @property
    def measure(self) -> Measure:
        """What the metric means."""
        return measure_in(vars(self))

    @cached_property
    def pairs(self) -> dict[str, Any] | None:
        """Every arm against every other, see :func:`headstart.evidence.pairs.pairs_json`; made once, when asked."""
        return pairs_json(self.contest, self.answer) if self.contest else None

    def as_json(self) -> dict[str, Any]:
        """Return plain values that JSON can say, without NaN; the answer's stand beside the others."""
        parts = ("answer", "arms", "each_client", "race", "contest", "pairs", "by_epsilon")
        others = {name: value for name, value in vars(self).items() if name not in parts}
        arms = {name: asdict(score) for name, score in self.arms.items()}
        race = self.race and self.race.as_json()
        looks = {"looks": [taken._asdict() for taken in self.race.taken]} if self.race else {}
        each = [asdict(gain) for gain in self.each_client]
        traits = {name: score.traits for name, score in self.arms.items()}
        found: dict[str, Any] = plain(
            {
                **answer_json(self.answer, self.measure, self.race, traits),
                **looks,
                **others,
                "arms": arms,
                "each_client": each,
                "race": race,
                "pairs": self.pairs,
                "by_epsilon": [level.as_json() for level in self.by_epsilon],
            }
        )
        return found


def decide(
    scores: Scores,
    *,
    baseline: str,
    metric: Measure | str,
    min_effect: float,
    confidence: float,
    costs: Mapping[str, Mapping[str, Any]],
    ruled_out: Mapping[str, str],
    traits: Mapping[str, Traits],
    clients: Scope | None = None,
    validation: Scores | None = None,
    outcomes: Outcomes | Sums | None = None,
    keep: Mapping[str, str] | None = None,
    local: str = "local",
    predicted: str | None = None,
    noticed: Noticed | None = None,
    race: Race | None = None,
    epsilons: Mapping[str, float] | None = None,
    seed: int = 0,
) -> Verdict:
    """Decide between the families of arms, and name the arm to use.

    *Candidates* are the arms that ran in full, did not fail, are not ruled out and are no reference. Each family is
    represented by the candidate with the best validation score; the answer is found from these representatives on the
    test examples of seen clients (of held-out ones only where no other exists), see
    :func:`headstart.evidence.find_answer.find_answer`. The recommended arm is the answer's, or that of the family
    ahead.

    Args:
        scores: one test value per arm, seed and client.
        baseline: arm that effects are measured against.
        metric: what the scores are.
        min_effect: the smallest difference that matters, in the metric's unit, at least 0.
        confidence: of every interval, in (0, 1).
        costs: per arm ``total_bytes`` and ``client_flops``; a missing number counts as infinite.
        ruled_out: arms that a device or data rule excludes, with its reason; they may have scores all the
            same.
        traits: what every arm is.
        clients: of which clients the answer speaks; None for these up to 20, if none is held out.
        validation: as ``scores``, on validation data; None, or an arm without value, for no such data.
        outcomes: what arms said of every test example, or sums of it; None where that was not kept.
        keep: per arm, the arm that is the same without its last stage; ``zero-shot`` for an arm without
            entry.
        local: arm in which clients train alone.
        predicted: what the diagnosis predicted, to stand in the verdict.
        noticed: which arms failed, and what else is to be said of them; None for nothing.
        race: where the race stands, if the arms are in one.
        epsilons: what arms promise each single example; arms without noise are missing.
        seed: of the bootstrap.

    Raises:
        SettingError: a setting is out of range, or the baseline is no arm.
        DataError: there is no client with a score.

    >>> import numpy as np
    >>> noise = 0.02 * np.random.default_rng(0).standard_normal((2, 3, 8))
    >>> values = np.array([0.9, 0.7])[:, None, None] + noise
    >>> scores = Scores(("ridge", "local"), (0, 1, 2), tuple("abcdefgh"), np.ones(8, dtype=bool), values)
    >>> traits = {"ridge": Traits("federate", False), "local": Traits("fine-tune", True)}
    >>> verdict = decide(scores, baseline="local", metric="accuracy", min_effect=0.02, confidence=0.95,
    ...                  costs={}, ruled_out={}, traits=traits, clients="like these")
    >>> verdict.answer.family, verdict.answer.grounds, verdict.recommended, round(verdict.effect, 2)
    ('federate', 'better', 'ridge', 0.19)
    """
    of = measure(metric)
    check_settings(baseline, of, min_effect, confidence, [*scores.arms, *ruled_out])
    decisive, noticed = scores.decisive(), noticed or Noticed()
    if not decisive.clients:
        raise DataError(
            f"decide: needs a client with a score in '{of.name}', got none; take a metric that is defined where "
            "clients have test examples, or run an arm"
        )
    rule = Rule(
        min_effect, confidence, clients or default_scope(len(decisive.clients), of, held_out=_has_held_out(scores))
    )
    contest = Contest(
        decisive,
        evidence_of(outcomes, decisive, of),
        metric=of,
        rule=rule,
        costs=costs,
        ruled_out=ruled_out,
        traits=traits,
        failed=noticed.failed,
        validation=validation.means() if validation else {},
        validation_worst=worst_deciles(validation.decisive(), of) if validation else {},
        out=race.out if race else {},
        seed=seed,
    )
    answer = find_answer(contest.entrants, contest.evidence, rule, contest.absent)
    effect = effect_over(contest, answer.arm, baseline)
    return Verdict(
        answer=answer,
        recommended=answer.arm,
        clear_winner=answer.arm is not None and contest.is_clear_winner(answer.arm),
        sentence=answer_words.sentence(answer, of),
        metric=of.name,
        unit=of.unit,
        lower_is_better=of.lower_is_better,
        min_effect=min_effect,
        confidence=confidence,
        baseline=baseline,
        effect=finite(effect.gap),
        interval=pair(effect.low, effect.high),
        probability_best=contest.probability_best(contest.candidates),
        nearest=_nearest(contest, answer.arm),
        pareto=contest.pareto(),
        hurt=shares_hurt(contest, local, keep or {}),
        ruled_out=dict(ruled_out),
        predicted=predicted,
        would_change=wording.would_change(contest, answer.arm, scores.unseen()),
        few_clients=contest.few_clients,
        num_clients=len(decisive.clients),
        num_seeds=len(decisive.seeds),
        clients=_every_client(decisive) if contest.few_clients else {},
        arms=arm_table(contest, baseline, scores.unseen()),
        failed=dict(noticed.failed),
        warnings={arm: list(words) for arm, words in noticed.warnings.items()},
        kept=dict(noticed.kept),
        each_client=_each_client(answer, outcomes, confidence),
        cautions=(
            *wording.not_all_ran(contest, race),
            *cautions(answer, outcomes, of, noticed.unlearnt),
            *(() if race and baseline in race.left else wording.without_baseline(contest, baseline)),
        ),
        family_best=_family_best(contest, answer),
        privacy={arm: dict(found) for arm, found in noticed.privacy.items()},
        race=race,
        confusions=confusions(outcomes, _representatives(answer)),
        contest=contest,
        by_epsilon=levels_of(contest, epsilons or {}),
    )


def prediction_held(verdict: Verdict) -> bool | None:
    """Say whether the predicted family is the answer, or no worse by more than what matters.

    Where the answer is undecided the family ahead stands for it; None where nothing was predicted or can be claimed.
    """
    answer, predicted = verdict.answer, _predicted_family(verdict)
    if predicted is None or answer.leader is None or answer.grounds == "no claim":
        return None
    if predicted == answer.leader:
        return True
    found = answer.between(answer.leader, predicted)
    return None if found is None else found.gap <= verdict.min_effect


def _predicted_family(verdict: Verdict) -> str | None:
    """Return the predicted family; of an arm, which older diagnoses name, its own."""
    arm = verdict.arms.get(verdict.predicted or "")
    return arm.family if arm else verdict.predicted


def _has_held_out(scores: Scores) -> bool:
    """Say whether clients with scores are held out beside those that decide."""
    return bool(set(scores.unseen().clients) - set(scores.decisive().clients))


def default_scope(clients: int, metric: Measure, *, held_out: bool) -> Scope:
    """Return of which clients an answer speaks where nobody said.

    Args:
        clients: that are decisive.
        metric: of the decision.
        held_out: whether others are held out.

    >>> accuracy = measure("accuracy")
    >>> default_scope(4, accuracy, held_out=False), default_scope(4, accuracy, held_out=True)
    ('these', 'like these')
    """
    return "these" if clients <= MANY_CLIENTS and metric.by_example and not held_out else "like these"


def _each_client(answer: Answer, outcomes: Outcomes | Sums | None, confidence: float) -> tuple[ClientGain, ...]:
    if outcomes is None or answer.leader is None or (isinstance(outcomes, Outcomes) and outcomes.predicted is None):
        return ()
    arms: dict[str, str] = {name: standing.representative for name, standing in answer.families.items()}
    own = arms.pop(answer.leader)
    return gains_of_clients(outcomes, own, arms, confidence)


def _representatives(answer: Answer) -> list[str]:
    """Name the families' arms, that of the answer or of the family ahead first."""
    first = sorted(answer.families, key=lambda name: name != answer.leader)
    return [answer.families[name].representative for name in first]


def _family_best(contest: Contest, answer: Answer) -> dict[str, float]:
    if len(contest.scores.clients) < ENOUGH_CLIENTS:
        return {}
    arms = {standing.representative: family for family, standing in answer.families.items()}
    return {arms[arm]: share for arm, share in contest.probability_best(tuple(arms)).items()}


def _nearest(contest: Contest, recommended: str | None) -> dict[str, Any] | None:
    other = contest.nearest(recommended) if recommended else None
    if recommended is None or other is None:
        return None
    effect = contest.effect(recommended, other)
    return {"arm": other, "gap": effect.gap, "interval": (effect.low, effect.high)}


def _every_client(scores: Scores) -> dict[str, dict[str, float | None]]:
    def means(client: int) -> dict[str, float | None]:
        return {arm: finite(nan_mean(scores.of(arm)[:, client])) for arm in scores.arms}

    return {name: means(position) for position, name in enumerate(scores.clients)}
