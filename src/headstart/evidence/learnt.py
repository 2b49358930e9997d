"""Whether an arm has learnt anything: what its predictions on training and validation data say, never those on test.

An arm has *failed* where it trained and got nothing for it: its loss diverged or did not fall, or it says one class to
all examples of clients that hold several. All else that looks odd is a warning.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import NamedTuple

from headstart.core.span import is_wide, unscaled
from headstart.evidence.measured import Facts, Part

_FALLEN, _RISEN = 0.003, 0.01
"""Share by which a loss, and amount by which an accuracy, must change to have changed."""

_LITTLE = 0.02
"""Loss, in nats, below which there is nothing left to learn."""

_MAJORITY = "majority"

_FEW_ROWS = 20
"""Examples below which the same class for all of them may be chance."""

_EXCUSES = ((3.0, 0.75), (1.5, 0.25))
"""A loss above so many times that of knowing the classes' shares alone is excused by an accuracy that gains more than
so much of what the majority class leaves to gain: clients of few classes learn together with a high loss."""


class Finding(NamedTuple):
    """What was noticed of an arm.

    Attributes:
        kind: one or two words, the same for the same thing.
        words: a clause for people.
        failed: whether nothing may be compared with the arm.
    """

    kind: str
    words: str
    failed: bool = False

    @property
    def says_nothing_learnt(self) -> bool:
        """Whether it is that the arm is not clearly above the majority class."""
        return self.kind == _MAJORITY


@dataclass(frozen=True, kw_only=True)
class Conduct:
    """How one arm trained.

    Attributes:
        trains: whether anything after the start changes weights.
        is_trained: whether the start knows anything.
        by_steps: whether its last part that changes weights takes steps on the log loss.
        may_refuse: whether nothing but an adaptation trains, which a client keeps only if validation data say so.
        kept: clients that kept their adaptation; None where there is none.
        clients: all of them.
        left_out: for each time that a client was left out, its name and why.
        span: ratio of the widest spread of the inputs' columns, or of 1, to the narrowest.
        trials: configurations that were tried.
        halved: clients that held more examples than the others of a round together, and counted half of its mean.
        noisy: whether a stage adds noise to what clients send, or to their steps.
        labelled: whether any stage looks at labels, where there is one.
    """

    trains: bool
    is_trained: bool
    by_steps: bool
    may_refuse: bool
    kept: int | None
    clients: int
    left_out: Sequence[tuple[str, str]] = ()
    span: float = 1.0
    trials: int = 1
    halved: Sequence[str] = ()
    noisy: bool = False
    labelled: bool = True


def findings(facts: Facts, conduct: Conduct) -> tuple[Finding, ...]:
    """Say what is to be noticed of an arm and seed, a failure first."""
    if facts.train is None:
        return (Finding("not checked", "no client has training examples on which to check whether it learnt"),)
    if facts.train.classes < 2:
        return (Finding("one class", "its training examples are of one class only: there is nothing to learn"),)
    failure = _failure(facts, facts.train, conduct) if conduct.trains else None
    return tuple(filter(None, (failure, *_warnings(facts, facts.train, conduct, failure))))


def _failure(facts: Facts, train: Part, conduct: Conduct) -> Finding | None:
    """Return why the training is of no use, if it is."""
    if train.finite < 0.5:
        return failed("diverged", f"{1 - train.finite:.0%} of its predictions are not finite", conduct)
    if facts.began and conduct.by_steps and _is_lost(train, facts.began, conduct):
        kind = _way_of(facts, train, facts.began, conduct)
        # Where there is nothing to be learnt, steps that suit end near the loss of the classes' shares too.
        if kind != "not fallen" or not 0.95 < train.loss / train.entropy < 1.05:
            return failed(kind, f"training loss {_losses(train, facts.began)}", conduct)
    told_nothing = not conduct.by_steps or train.loss > 0.95 * train.entropy
    is_constant = facts.constant == facts.mixed or (2 * facts.constant > facts.mixed and not train.is_above_majority)
    if facts.mixed and is_constant and facts.mixed_rows >= _FEW_ROWS and told_nothing:
        return failed("constant", f"one class is said to all examples at {_many_of(facts)}", conduct)
    return None


def _is_lost(train: Part, began: Part, conduct: Conduct) -> bool:
    """Say whether steps were of no use: the loss has not fallen, or is still that of one who knows nothing."""
    if conduct.is_trained and (conduct.may_refuse or began.loss < _LITTLE):
        return False
    gains = (share * (1 - train.majority) for times, share in _EXCUSES if train.loss > times * train.entropy)
    is_clear = train.accuracy - train.majority > next(gains, train.doubt)
    if train.loss >= train.entropy * (1 - _FALLEN) and not is_clear:
        return True
    has_risen = train.accuracy > began.accuracy + _RISEN
    return not _has_fallen(train, began) and not (has_risen and (is_clear or conduct.is_trained))


def _has_fallen(train: Part, began: Part) -> bool:
    return train.loss < began.loss * (1 - _FALLEN)


def _way_of(facts: Facts, train: Part, began: Part, conduct: Conduct) -> str:
    """Return how the loss failed to fall: a word for each cause."""
    if train.loss > 1.5 * max(began.loss, train.entropy) or _is_mostly_left_out(conduct):
        return "diverged"
    if 0 < facts.mixed == facts.constant and abs(train.loss - train.entropy) < 0.01 * train.entropy:
        return "constant"
    # A network that steps have killed may have the loss it began with, but says other classes.
    is_still = abs(train.loss - began.loss) < 0.01 * began.loss and facts.changed < 0.1
    if is_still:
        return "too slow"
    return "too little" if _has_fallen(train, began) else "not fallen"


def _is_mostly_left_out(conduct: Conduct) -> bool:
    return 2 * len({name for name, _ in conduct.left_out}) > conduct.clients


_SAID = {
    "diverged": "it diverged",
    "not fallen": "its loss did not fall",
    "too slow": "it moved nothing",
    "too little": "its loss fell, and is no better yet than knowing the classes' shares",
    "constant": "its predictions are constant",
}
_STEPS = {
    "diverged": "too large a step size (lower client_lr)",
    "not fallen": "too large a step size (lower client_lr)",
    "too slow": "too small a step size or too few steps (raise client_lr, rounds or epochs)",
    "too little": "too few steps (raise rounds or epochs), or a step size that does not suit (change client_lr)",
    "constant": "a step size that does not suit (change client_lr), or features that say nothing",
}


def failed(kind: str, numbers: str, conduct: Conduct) -> Finding:
    """Say that training failed: how, by which numbers, and for what likeliest causes."""
    causes = ", then ".join(_causes(kind, conduct))
    return Finding(kind, f"training failed: {_SAID[kind]} ({numbers}); likeliest cause: {causes}", failed=True)


def _causes(kind: str, conduct: Conduct) -> Iterator[str]:
    """Yield what may have led to a failure, the likeliest first."""
    if is_wide(conduct.span):
        yield unscaled(conduct.span)
    if conduct.noisy:
        yield "noise that drowns what clients send (lower noise_multiplier, or raise cohort_size or epsilon)"
    yield _STEPS[kind]
    if conduct.trials > 1:
        yield f"a tuning range without a good one ({conduct.trials} trials lie around what was written)"
    else:
        yield "no tuning (tuning.trials above 1 tries others)"


def _losses(train: Part, began: Part) -> str:
    return f"{began.loss:.3g} before, {train.loss:.3g} after; the classes' shares alone give {train.entropy:.3g}"


def _warnings(facts: Facts, train: Part, conduct: Conduct, failure: Finding | None) -> Iterator[Finding | None]:
    yield _not_above_majority(facts.val or train, "validation" if facts.val else "training")
    if not failure:
        yield _mostly_constant(facts)
        yield _loss_not_fallen(facts, train, conduct)
    yield from conduct_warnings(conduct)


def conduct_warnings(conduct: Conduct) -> Iterator[Finding | None]:
    """Yield what is to be noticed of how an arm trained, whatever it was trained for."""
    if not conduct.labelled:
        yield Finding("no labels", "no stage looked at labels, its head is the start's: let one follow that does")
    yield _left_out(conduct)
    yield _halved(conduct)
    if conduct.kept == 0:
        yield Finding("kept by none", f"the adaptation was kept by 0 of {conduct.clients} clients")


def _not_above_majority(part: Part, name: str) -> Finding | None:
    if part.classes < 2 or part.is_above_majority:
        return None
    return Finding(
        _MAJORITY,
        f"accuracy on {name} data is not clearly above the majority class: {part.accuracy:.3f} against "
        f"{part.majority:.3f}",
    )


def _mostly_constant(facts: Facts) -> Finding | None:
    if 2 * facts.constant <= facts.mixed:
        return None
    return Finding("constant", f"one class is said to all examples at {_many_of(facts)}")


def _loss_not_fallen(facts: Facts, train: Part, conduct: Conduct) -> Finding | None:
    if not (conduct.trains and conduct.by_steps and facts.began) or _has_fallen(train, facts.began):
        return None
    # Where nothing could be gained, or nobody kept it, there is another word for it or none needed.
    if conduct.kept == 0 or (conduct.is_trained and facts.began.loss < _LITTLE):
        return None
    return Finding("loss", f"the training loss did not fall ({_losses(train, facts.began)})")


def _left_out(conduct: Conduct) -> Finding | None:
    if not conduct.left_out:
        return None
    names, times = {name for name, _ in conduct.left_out}, len(conduct.left_out)
    words = f"{len(names)} of {conduct.clients} clients were left out of steps, {times} times in all; the first because"
    return Finding("left out", f"{words} {conduct.left_out[0][1]}")


def _halved(conduct: Conduct) -> Finding | None:
    if not conduct.halved:
        return None
    others = f" (and {len(conduct.halved) - 1} more, in other rounds)" if len(conduct.halved) > 1 else ""
    return Finding(
        "half",
        f"'{conduct.halved[0]}'{others} holds more than half of a round's examples; its weight there is capped at half",
    )


def _many_of(facts: Facts) -> str:
    return f"{facts.constant} of {facts.mixed} clients that hold several"
