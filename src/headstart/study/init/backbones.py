"""Which backbone suits what was found, among those that are installed."""

from __future__ import annotations

from dataclasses import dataclass

from headstart.core.errors import MissingExtra, how_to_install
from headstart.models.checkpoints.hub import located
from headstart.models.spec import PACKAGED
from headstart.study.init.look import Found
from headstart.study.init.parts import Parts

_GOOD_FOR_IMAGES, _GOOD_FOR_TEXTS = "efficientnet-lite0", "minilm"
_SMALLEST, _ENOUGH = 96, 128
"""Pixels: below the first a network trained on ImageNet loses much of its use, above the second it gains little."""
_KEPT, _FROM_SCRATCH = 64, 32
"""Pixels: pictures up to the first stay as they are, others are shrunk to the second, for a small network that starts
at random is slow on more and no better."""


@dataclass(frozen=True)
class Backbone:
    """A backbone.

    Attributes:
        name: as a study has it.
        why: why it was taken.
        is_trained: whether it comes with trained weights.
        image_size: pixels; None keeps pictures as they are.
        why_size: why these.
    """

    name: str
    why: str
    is_trained: bool
    image_size: int | None = None
    why_size: str = ""


def backbone_for(found: Found, parts: Parts) -> Backbone:
    """Return the backbone for what examples are."""
    if parts.inputs == "text":
        # Nothing else reads texts: where it is not installed, the error says how to.
        return Backbone(_GOOD_FOR_TEXTS, "a text encoder, 23 million weights, frozen; the head alone trains", True)
    if parts.inputs == "table":
        return Backbone("linear", "the head on the columns themselves; heads need no other start", False)
    return _for_pictures(found)


def no_start(backbone: Backbone, parts: Parts) -> str:
    """Say that pictures have no trained network to start from; nothing of what starts from one, or needs none."""
    if parts.inputs != "image" or backbone.is_trained:
        return ""
    return (
        "no arm starts from a trained network, so that whether to fine-tune one stays unanswered: for "
        f"{_GOOD_FOR_IMAGES}, {how_to_install('images')}, then write the file anew with --force"
    )


def is_installed(name: str, extra: str) -> bool:
    """Say whether a backbone that a package carries can be loaded here."""
    try:
        located(name, extra)
    except MissingExtra:
        return False
    return name in PACKAGED


def _for_pictures(found: Found) -> Backbone:
    pictures = found.pictures
    sides = pictures.sides if pictures else ()
    side = sides[len(sides) // 2] if sides else _ENOUGH
    if is_installed(_GOOD_FOR_IMAGES, "images"):
        size = _ENOUGH if side >= _ENOUGH else _SMALLEST
        why = f"pictures are {side} at the shorter side, by the median; below {_SMALLEST} this backbone loses much"
        return Backbone(_GOOD_FOR_IMAGES, "trained on ImageNet, frozen; the head alone trains", True, size, why)
    known = f"{_GOOD_FOR_IMAGES}, trained on ImageNet, comes with the extra images: {how_to_install('images')}"
    why = f"starts at random; {known if _GOOD_FOR_IMAGES in PACKAGED else 'a trained one is a better start'}"
    if pictures and len(pictures.sizes) == 1 and not pictures.broken and max(next(iter(pictures.sizes))) <= _KEPT:
        return Backbone("small-cnn", why, False)
    size = min(_FROM_SCRATCH, max(8, side))
    return Backbone("small-cnn", why, False, size, f"pictures are {side} at the shorter side, by the median")
