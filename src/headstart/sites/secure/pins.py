"""The peers that a site's operator has pinned: a folder of their public keys, or a file for each."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path

from cryptography.hazmat.primitives.asymmetric.ec import EllipticCurvePublicKey

from headstart.core.errors import SettingError
from headstart.sites.flower.keys import read_site_key, read_site_keys

Pins = str | dict[str, str]


def read_pins(said: Pins) -> Mapping[str, EllipticCurvePublicKey]:
    """Return the public keys of pinned peers by name; none where nothing is said.

    Args:
        said: a folder of files ``NAME.pub``, or a file for each name; empty pins nobody.

    Raises:
        SettingError: a file is missing, or holds something else.
    """
    if not said:
        return {}
    if isinstance(said, dict):
        return {name: read_site_key(Path(file)) for name, file in said.items()}
    if not (found := read_site_keys(Path(said))):
        raise SettingError(f"peers: must be a folder of public keys, NAME.pub for each peer, received none in '{said}'")
    return found
