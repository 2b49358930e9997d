"""What sites are asked before and after they send hidden values: keys, shares, and what takes the masks off a total."""

from __future__ import annotations

from typing import Annotated

from pydantic import Field, PositiveInt
from pydantic.dataclasses import dataclass

from headstart.sites.limits import Label
from headstart.sites.messages import Asks, Name
from headstart.sites.said import CONFIG, Key, SealedShare

MOST_SITES = 1000
"""That hide their values together: each draws a mask for every other."""

_Share = Annotated[str, Field(pattern="^[0-9a-f]{32}$")]
_Signature = Annotated[str, Field(pattern="^([0-9a-f]{2}){0,120}$")]
_Many = Field(max_length=MOST_SITES)


@dataclass(frozen=True, config=CONFIG)
class Keyed:
    """A site's public keys for one exchange, in hex.

    Attributes:
        mask: of the masks that it has with each other site.
        seal: with which others seal what is for it alone.
        own: hash of the seed of its own mask, by which a false share is found.
        signature: with the site's registered key, over all this, its name and the exchange; empty where it has none.
    """

    mask: Key
    seal: Key
    own: Key
    signature: _Signature = ""


@dataclass(frozen=True, config=CONFIG)
class Keys(Asks[Keyed]):
    """Make keys for one exchange, which has a name that no other has had."""

    exchange: Name


@dataclass(frozen=True, config=CONFIG)
class Shared:
    """Shares of a site's secrets, sealed, by the name of whom they are for."""

    sealed: Annotated[dict[Label, SealedShare], _Many]


@dataclass(frozen=True, config=CONFIG)
class Shares(Asks[Shared]):
    """Share your secrets with these sites; all of them are told the same.

    Attributes:
        exchange: of the keys.
        threshold: how many of them can take the masks off.
        most: training examples beyond which no client weighs more in a mean.
        keys: of everybody, by name.
    """

    exchange: Name
    threshold: PositiveInt
    most: PositiveInt
    keys: Annotated[dict[Label, Keyed], _Many]


@dataclass(frozen=True, config=CONFIG)
class Revealed:
    """Shares that a site holds, by whose they are: never both of one.

    Attributes:
        own: of the own masks of those whose values came.
        mask: of the keys of those whose values did not.
    """

    own: Annotated[dict[Label, _Share], _Many]
    mask: Annotated[dict[Label, _Share], _Many]


@dataclass(frozen=True, config=CONFIG)
class Reveal(Asks[Revealed]):
    """Say what takes the masks off the total of these clients; once.

    Attributes:
        exchange: of the keys.
        alive: whose values came.
    """

    exchange: Name
    alive: Annotated[tuple[Label, ...], _Many]
