"""What may be set of a real federation, with its defaults: said here alone."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Annotated, ClassVar, Literal, get_args

from pydantic import Field, FiniteFloat, NonNegativeFloat, PositiveFloat, PositiveInt

from headstart.report.network_lines import DELTA

EXTRA = "flower"
"""What installs all that a real federation needs."""

Policy = Literal["none", "counts", "metrics", "sums", "updates"]
"""What may leave, each with what stands before it: nothing, numbers of examples, scores, sums over examples, updates of
averaging methods."""


def allows(policy: str, what: Policy) -> bool:
    """Say whether a policy lets something leave.

    >>> allows("metrics", "counts"), allows("metrics", "sums"), allows("updates", "sums")
    (True, False, True)
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

Noise = Annotated[FiniteFloat, Field(ge=0)]
"""On the sums of a probe, in sensitivities."""

UPDATE_SENSITIVITY = 2.0
"""Clip norms by which one example may change a clipped update: it may turn it around."""

Bound = Annotated[FiniteFloat, Field(gt=1)]
"""Length to which rows are clipped."""

MOST_SEEDS = 64
"""That a study may have at a site: each draws other training examples, and differences between many would tell rows."""

_STRICT = {"extra": "forbid", "strict": True}

_Fewest = Annotated[int, Field(ge=1)]


@dataclass(frozen=True, kw_only=True)
class Minima:
    """Of how many examples a site says anything.

    Attributes:
        examples: of a split that is summed, trained on or scored; of fewer nothing is said, of none that there is none.
        class_examples: of a class that is counted, or whose sums leave without masks and noise.
    """

    examples: _Fewest = 20
    class_examples: _Fewest = 5


@dataclass(frozen=True, kw_only=True)
class Budget:
    """How much a site says in all; what is asked again in the same words is answered from what was kept.

    Attributes:
        epsilon: of everything that left under noise, together.
        delta: at which it is said, in (0, 1).
        releases: different requests for scores, counts and sums that are answered.
    """

    epsilon: Annotated[float, Field(gt=0)] = 10.0
    delta: Annotated[float, Field(gt=0, lt=1)] = DELTA
    releases: _Fewest = 1000


@dataclass(frozen=True, kw_only=True)
class Protection:
    """What a run asks of the sums that it is sent; sites may insist on more.

    Attributes:
        secure: hide each client's, and its updates, under masks, so that only their total can be read.
        noise: on each client's, in sensitivities.
        bound: length to which rows are clipped where there is noise, above 1.
    """

    secure: bool = False
    noise: Noise = 0.0
    bound: Bound = 10.0


@dataclass(frozen=True, kw_only=True)
class RunSettings:
    """What may be set of a run.

    Attributes:
        what: runs, in a word or two.
        study: the study file.
        out: the run folder.
        sites: clients to wait for; None waits for all of the keys.
        wait: seconds that they have to come.
        timeout: seconds that they have to answer a request.
        enough: share of clients whose answers close a round, in [0, 1].
        secure: hide each client's sums under masks.
        noise: on each client's sums, in sensitivities.
        bound: length to which features are clipped where there is noise, above 1.
    """

    study: str = ""
    what: str = "study"
    out: str = ""
    sites: PositiveInt | None = None
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
        noise: least noise on sums and updates, in sensitivities.
        masked: whether it sends sums under masks only.
        one_hot: columns whose categories' names may leave.
        bound: longest rows in noisy sums.
        examples: see :class:`Minima`.
        class_examples: likewise.
        most_bytes: a message larger than this is not read.
    """

    name: str
    data: str
    state: str
    policy: str = "updates"
    noise: Noise = 0.0
    masked: bool = False
    one_hot: Sequence[str] = ()
    bound: Bound = 10.0
    examples: _Fewest = Minima.examples
    class_examples: _Fewest = Minima.class_examples
    most_bytes: PositiveInt = 2**31

    __pydantic_config__: ClassVar = _STRICT
