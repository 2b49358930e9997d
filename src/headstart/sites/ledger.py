"""What has left a site, written down before it leaves: noise adds up over requests and runs."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal

from headstart.core.files import append_json_line, read_json, read_json_lines, write_json
from headstart.report.network_lines import DELTA
from headstart.sites.refusals import Refused
from headstart.sites.settings import Budget
from headstart.training.accountant import gaussian_epsilon

Kind = Literal["noise", "release", "agreement"]

_MOST_AGREEMENTS = 10
"""That one study may come to, as sites come and go: each is another way to look at the same rows."""


@dataclass(frozen=True)
class Ledger:
    """A site's file of charges, and how far they may go."""

    folder: Path
    site: str
    budget: Budget

    def charge_noise(self, name: str, noise: float) -> None:
        """Write down a release under noise, before it leaves.

        Args:
            name: of the release.
            noise: in sensitivities, above 0.

        Raises:
            Refused: all releases together would promise less than the operator's epsilon.
        """
        budget, before = self.budget, self.spent
        after = epsilon([*self._noises, noise], budget.delta)
        if after > budget.epsilon:
            raise Refused(
                f"'{self.site}' has spent epsilon {before:.2f} of {budget.epsilon:g} (delta {budget.delta:g}), and "
                f"this release would make it {after:.2f}: {max(0.0, budget.epsilon - before):.2f} is left; ask for "
                "more noise"
            )
        self._write("noise", name, noise=noise)

    def charge_release(self, name: str) -> None:
        """Write down an answer that tells scores, counts or sums; one that was written down before costs nothing.

        Raises:
            Refused: there were as many as the operator allows.
        """
        found = self._names("release")
        if name not in found and len(found) >= self.budget.releases:
            raise Refused(
                f"'{self.site}' has answered {len(found)} different requests for scores, counts and sums, as many as "
                "its operator allows ([budget] releases)"
            )
        if name not in found:
            self._write("release", name)

    def charge_agreement(self, terms: str, name: str) -> None:
        """Write down what a study's sites agreed on; its rows are not looked at in ever new ways.

        Raises:
            Refused: it is another one too many.
        """
        mark = f"{terms}/{name}"
        found = {one for one in self._names("agreement") if one.startswith(f"{terms}/")}
        if mark not in found and len(found) >= _MOST_AGREEMENTS:
            raise Refused(
                f"agreement: '{self.site}' has followed {len(found)} different ones of this study, and no more; "
                "its operator can accept the study anew"
            )
        if mark not in found:
            self._write("agreement", mark)

    @property
    def spent(self) -> float:
        """The epsilon of all noisy releases so far, at the operator's delta."""
        return epsilon(self._noises, self.budget.delta)

    @property
    def _noises(self) -> list[float]:
        return [float(line["noise"]) for line in self._lines if line["kind"] == "noise"]

    def _names(self, kind: Kind) -> set[str]:
        return {str(line["name"]) for line in self._lines if line["kind"] == kind}

    @property
    def _lines(self) -> list[dict[str, Any]]:
        lines = read_json_lines(self._path)
        known = (read_json(self._count, {"lines": int}) or {"lines": 0})["lines"]
        if len(lines) < known:
            raise Refused(
                f"'{self.site}' has lost {known - len(lines)} of {known} entries of its ledger, and nobody knows what "
                "has left it; its operator must bring 'ledger.jsonl' back, or take a new state folder"
            )
        return lines

    def _write(self, kind: Kind, name: str, **more: float) -> None:
        append_json_line(self._path, {"kind": kind, "name": name, **more})
        # After the line: a kill in between leaves one line too many, which is no loss.
        write_json(self._count, {"lines": len(self._lines)})

    @property
    def _count(self) -> Path:
        return self.folder / "ledger.json"

    @property
    def _path(self) -> Path:
        return self.folder / "ledger.jsonl"


def epsilon(noises: Sequence[float], delta: float = DELTA) -> float:
    """Return the epsilon of Gaussian releases together; infinite if one has no noise, 0 without any.

    >>> round(epsilon([1.0]), 2), round(epsilon([2.0] * 4), 2), epsilon([]), epsilon([0.0])
    (4.38, 4.38, 0.0, inf)
    """
    return gaussian_epsilon(noises, delta)
