"""What may be set of a real federation, with its defaults: said here alone."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Annotated, ClassVar, Literal, get_args

from pydantic import Field, FiniteFloat, NonNegativeFloat, PositiveFloat, PositiveInt

EXTRA = "flower"
"""What installs all that a real federation needs."""

Policy = Literal["none", "counts", "metrics", "updates"]
"""What may leave, each with what stands before it: nothing, numbers of examples, scores, updates and sums."""


def allows(policy: str, what: Policy) -> bool:
    """Say whether a policy lets something leave.

    >>> allows("metrics", "counts"), allows("metrics", "updates")
    (True, False)
    """
    order = get_args(Policy)
    return order.index(what) <= order.index(policy)


LEAST_ROWS = 5
"""Of a category whose name may leave a site; and of test examples, of a client or of one of its classes, that are
counted together."""

ADDRESS = "127.0.0.1:8000"
"""Where the server is."""

KEYS, HOME, STATE, DATABASE = "keys", "flower", "state", "flower/link.db"
"""Folders of keys, of Flower's own files and of what a site learns; the file that a link goes on from."""

KEY_DAYS = 365
"""Days that certificates are valid."""

GRACE = 5.0
"""Seconds for the rest, once enough sites have answered."""

MOST_TIMES = 10.0
"""An update whose norm is so many times the cohort's median is left out."""

DELTA = 1e-5
"""The delta at which a probe's epsilon is said."""

Noise = Annotated[FiniteFloat, Field(ge=0)]
"""On the sums of a probe, in sensitivities."""

Bound = Annotated[FiniteFloat, Field(gt=1)]
"""Length to which rows are clipped."""

_STRICT = {"extra": "forbid", "strict": True}


@dataclass(frozen=True, kw_only=True)
class RunSettings:
    """What may be set of a run.

    Attributes:
        study: the study file.
        arm: to run; ``probe`` asks the question instead.
        seed: of everything random.
        out: the run folder.
        sites: clients to wait for.
        wait: seconds that they have to come.
        timeout: seconds that they have to answer a request.
        enough: share of clients whose answers close a round, in [0, 1].
        secure: hide each client's sums under masks.
        noise: on each client's sums, in sensitivities.
        bound: length to which features are clipped where there is noise, above 1.
    """

    study: str = ""
    arm: str = ""
    seed: int = 0
    out: str = ""
    sites: PositiveInt = 1
    wait: NonNegativeFloat = 120.0
    timeout: PositiveFloat = 600.0
    enough: Annotated[float, Field(ge=0, le=1)] = 1.0
    secure: bool = False
    noise: Noise = 0.0
    bound: Bound = 10.0

    __pydantic_config__: ClassVar = _STRICT


@dataclass(frozen=True, kw_only=True)
class NodeSettings:
    """What a site's operator sets, as one program tells another.

    Attributes:
        name: the client's.
        data: its file or folder.
        state: folder for what it receives and learns.
        policy: what may leave.
        noise: least noise on the sums of a probe, in sensitivities.
        masked: whether it sends sums under masks only.
        one_hot: columns whose categories' names may leave.
        most_bytes: a message larger than this is not read.
    """

    name: str
    data: str
    state: str
    policy: str = "updates"
    noise: Noise = 0.0
    masked: bool = False
    one_hot: Sequence[str] = ()
    most_bytes: PositiveInt = 2**31

    __pydantic_config__: ClassVar = _STRICT
