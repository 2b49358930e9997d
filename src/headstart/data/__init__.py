"""Data: sources of examples, and the federation of clients that they become."""

from headstart.data.arrays import from_arrays
from headstart.data.examples import Examples
from headstart.data.federation import Client, Federation
from headstart.data.open import open_federation
from headstart.data.settings import CentralSettings, DataSettings, PixelSettings
from headstart.data.split import resplit
from headstart.data.split_settings import PartitionSettings, SplitSettings

__all__ = [
    "CentralSettings",
    "Client",
    "DataSettings",
    "Examples",
    "Federation",
    "PartitionSettings",
    "PixelSettings",
    "SplitSettings",
    "from_arrays",
    "open_federation",
    "resplit",
]
