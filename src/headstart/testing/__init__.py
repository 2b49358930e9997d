"""Checks that every method must pass: run them on your own.

>>> from headstart.federate import FedAvg
>>> from headstart.testing import check_federate
>>> check_federate(FedAvg(trainable="head"))
"""

from headstart.testing.adapt import ADAPT_CHECKS, check_adapt
from headstart.testing.federate import FEDERATE_CHECKS, check_federate
from headstart.testing.world import World, open_world, small_federation

__all__ = [
    "ADAPT_CHECKS",
    "FEDERATE_CHECKS",
    "World",
    "check_adapt",
    "check_federate",
    "open_world",
    "small_federation",
]
