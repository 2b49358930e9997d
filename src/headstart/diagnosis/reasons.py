"""Reasons of a prediction in plain sentences, with the numbers that triggered them."""

from __future__ import annotations

import math

from headstart.diagnosis.signals import Signals


def too_few(signals: Signals) -> str:
    """Too few examples for any training."""
    return (
        f"All clients together have {signals.num_examples} training examples for {signals.num_classes} "
        "classes: too few to train on."
    )


def no_signal(signals: Signals) -> str:
    """The frozen features do not carry the task."""
    return (
        f"A head on the frozen features reaches {signals.ridge_accuracy:.2f}, no better than guessing the "
        f"largest class ({signals.majority:.2f}): the backbone itself must be trained, on everyone's "
        "examples."
    )


def no_validation(_signals: Signals) -> str:
    """The ceiling could not be measured."""
    return (
        "No client has validation examples, so what sharing adds could not be measured; sharing and adapting "
        "together is the safe choice."
    )


def alone(signals: Signals) -> str:
    """Sharing adds nothing."""
    ceiling = signals.ceiling
    known = math.isfinite(ceiling.sharing_noise)
    noise = f"noise {ceiling.sharing_noise:.3f}" if known else "noise unknown for one client"
    return (
        f"Learning a head together changes accuracy by {ceiling.sharing:+.3f} ({noise}) over "
        f"{ceiling.local:.3f} alone: federation has nothing sure to add. {_size(signals)}"
    )


def both(signals: Signals) -> str:
    """Sharing pays, and so does adapting."""
    ceiling = signals.ceiling
    return (
        f"A shared head adapted to each client reaches {ceiling.personal:.3f}, against {ceiling.pooled:.3f} "
        f"shared as it is (noise {ceiling.personalization_noise:.3f}) and {ceiling.local:.3f} alone (noise "
        f"{ceiling.sharing_noise:.3f}): clients gain from each other and from adapting. {_size(signals)}"
    )


def shared(signals: Signals) -> str:
    """Sharing pays, adapting does not."""
    ceiling = signals.ceiling
    return (
        f"A shared head reaches {ceiling.pooled:.3f} against {ceiling.local:.3f} alone (noise "
        f"{ceiling.sharing_noise:.3f}); adapting it to each client changes that by "
        f"{ceiling.personalization:+.3f} (noise {ceiling.personalization_noise:.3f}): clients gain from each "
        f"other, not from adapting. {_size(signals)}"
    )


def skewed(signals: Signals) -> str:
    """Labels are skewed."""
    return (
        f"Labels are skewed: {signals.label_skew:.2f} of a client's examples would have to change class to "
        f"match the pool (chance alone: {signals.label_skew_expected:.2f}); a shared model that is not "
        "adapted pays for it."
    )


def shifted(signals: Signals) -> str:
    """The same class looks different."""
    return (
        f"The same class looks different from client to client: shift {signals.class_shift:.2f} within "
        f"classes (chance alone: {signals.class_shift_expected:.2f})."
    )


def good_backbone(signals: Signals) -> str:
    """The backbone is useful as it is."""
    return (
        f"A head on the frozen backbone already reaches {signals.ridge_accuracy:.2f}, guessing the largest "
        f"class {signals.majority:.2f}: start pre-trained."
    )


def _size(signals: Signals) -> str:
    meaning = "enough for a head, few for a network" if signals.small else "enough to train a network too"
    return f"The median client has {signals.median_examples:g} training examples: {meaning}."
