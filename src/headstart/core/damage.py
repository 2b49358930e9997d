"""The error of a file that is not what was written, which also gets it out of the way."""

from __future__ import annotations

from pathlib import Path

from headstart.core.errors import DataError


class Damaged(DataError):
    """A file is not what was written: it is not believed, and what it held is computed again.

    Args:
        path: of the file.
        why: what is wrong with it.

    >>> print(Damaged(Path("runs/demo/costs.json"), "it is empty").note)
    costs.json is damaged (it is empty): it is computed again
    """

    def __init__(self, path: Path, why: str) -> None:
        super().__init__(f"'{path}' is damaged ({why}); run the study again into its folder, which computes it again")
        self.path, self.why = path, why

    @property
    def note(self) -> str:
        """Say what becomes of it, where it is mended at once."""
        return f"{self.path.name} is damaged ({self.why}): it is computed again"

    def set_aside(self) -> None:
        """Delete the file; a folder in its place is renamed, for its content is nobody's here."""
        if not self.path.is_dir():
            self.path.unlink(missing_ok=True)
            return
        number = 0
        while (aside := self.path.with_name(f"{self.path.name}.damaged-{number}")).exists():
            number += 1
        self.path.rename(aside)
