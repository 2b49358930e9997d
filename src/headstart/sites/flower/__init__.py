"""Flower as the transport: its apps, its messages, its programs. Whoever comes in has the extra that they need."""

from importlib.util import find_spec

from headstart.core.errors import require
from headstart.sites.settings import EXTRA

for _module in ("flwr", "cryptography", "Crypto", "dp_accounting"):
    # Looked for, not loaded: a second that a command which only writes keys need not wait.
    if find_spec(_module) is None:
        require(_module, EXTRA)
