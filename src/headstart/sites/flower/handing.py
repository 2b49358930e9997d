"""What each client gets of the keys: a folder of its own, which is copied as it is."""

from __future__ import annotations

import shutil
from pathlib import Path

from headstart.core.files import write_private

_EACH = ("ca.crt", "signer.pub")


def hand_out(keys: Path) -> dict[str, Path]:
    """Write a folder ``to/NAME`` for each client, with its own key alone, in the place of all that were there.

    Args:
        keys: folder of keys.

    Returns:
        The folders, by the names of the clients' files.
    """
    shutil.rmtree(keys / "to", ignore_errors=True)
    names = [path.stem for path in sorted((keys / "sites").glob("*.pub"))]
    for name in names:
        for file in (*_EACH, f"sites/{name}", f"sites/{name}.crt"):
            target = keys / "to" / name / file
            target.parent.mkdir(parents=True, exist_ok=True, mode=0o700)
            write_private(target, (keys / file).read_bytes())
    return {name: keys / "to" / name for name in names}
