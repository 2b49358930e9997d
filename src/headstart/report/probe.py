"""What two messages to real clients answered, in words and rows."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from headstart.core.files import read_json
from headstart.core.plain import finite
from headstart.evidence.answer_words import DOING
from headstart.report.foretold import gain_lines, not_foretold
from headstart.report.network_lines import Line, read_network
from headstart.report.units import Metric, duration, number, size

_NEEDS: Mapping[str, Any] = {"verdict": str, "means": dict, "scores": dict, "interval": list, "clients": int}
METRIC = Metric("balanced_accuracy")
HEADS = (("local", "Own"), ("global", "Shared"), ("personal", "Both"), ("lda", "LDA"), ("ncm", "Class means"))
_HEADLINES = {"fine-tune": "Fine-tune", "federate": "Federate", "both": "Do both", "unsure": "Unsure"}


@dataclass(frozen=True)
class Probe:
    """What a folder says of a probe.

    Attributes:
        folder: Where it was read.
        found: ``probe.json``.
        network: What happened over the network meanwhile, line by line.
        notes: What a reader should know about the folder itself.
    """

    folder: Path
    found: Mapping[str, Any]
    network: tuple[Line, ...]
    notes: tuple[str, ...]

    @property
    def name(self) -> str:
        """The study's name, or the folder's."""
        return str(self.found.get("study") or self.folder.resolve().name)

    @property
    def headline(self) -> str:
        """The answer in a word or two."""
        return _HEADLINES.get(self.found["verdict"], str(self.found["verdict"]))

    @property
    def sentence(self) -> str:
        """The answer with its uncertainty."""
        found, (low, high) = self.found, self.found["interval"]
        least = METRIC.change(found["min_effect"]).lstrip("+") if found.get("min_effect") else ""
        matters = f" Gains from {least} on are worth having." if least else ""
        clients = f"{found['clients']} {'client' if found['clients'] == 1 else 'clients'}"
        sure = f"{100 * found.get('confidence', 0.95):g}% interval {METRIC.between(low, high)}"
        return (
            f"{_VERDICTS.get(found['verdict'], '')} The better of the two heads that share adds "
            f"{METRIC.change(found['ceiling'])} of balanced accuracy to clients' own heads ({sure}, over {clients})."
            f"{matters}"
        )

    @property
    def cautions(self) -> tuple[str, ...]:
        """What to know before believing it."""
        noisy = (
            "Noise on sums makes heads that share worse than they are: a verdict against sharing may be the noise's."
        )
        few = "There are so few clients that the interval says little beyond these; no claim is made about others."
        many = len(self.found["left_out"])
        lost = f"{'1 client was' if many == 1 else f'{many} clients were'} left out; who, and why, stands below."
        said = [*([] if self.found["claims_significance"] else [few]), *([lost] if self.found["left_out"] else [])]
        said += [noisy] if self.found.get("noise") else []
        return (*said, *self.notes)

    @property
    def numbers(self) -> tuple[dict[str, str], ...]:
        """The figures beside the answer."""
        found = self.found
        rows = (
            ("Sharing adds at most", METRIC.change(found["ceiling"]), "to clients' own heads"),
            ("Skew of classes", _told(found["skew"]), "0 is equal, 1 disjoint"),
            ("Shift of features", _told(found["shift"]), "share of variance between clients"),
            ("LogME", _told(found["logme"]), "higher: features explain labels better"),
            ("Up", size(found["bytes_up"]), "tensors of one client, at most"),
            ("Down", size(found["bytes_down"]), "tensors of one client"),
            ("Time", duration(found["seconds"]), "both messages"),
        )
        return tuple({"label": label, "value": value, "note": note} for label, value, note in rows)

    @property
    def rows(self) -> tuple[dict[str, Any], ...]:
        """Every client with its head's scores, and the mean of all, the greatest gain of sharing first."""
        scored = [(str(name), one) for name, one in self.found["scores"].items()]
        rows = [_row(name, one, one["examples"]) for name, one in scored]
        rows.sort(key=lambda row: -(row["gain"] if row["gain"] is not None else -1.0))
        return (_row("Mean of clients", self.found["means"], None), *rows)

    @property
    def foretold(self) -> tuple[str, ...]:
        """What should come of the families, in lines."""
        found = self.found.get("prediction")
        if not found:
            return (f"Nothing is foretold: {not_foretold(self.found)}.",)
        doing = DOING[str(found["family"])]
        return (f"{doing[0].upper()}{doing[1:]} is foretold.", *gain_lines(found), *map(str, found["reasons"]))

    @property
    def protection(self) -> tuple[str, ...]:
        """What hid the clients' sums, in sentences."""
        found = self.found
        if "secure" not in found:
            return ("This probe was made before its folder said so.",)
        if not found["noise"]:
            return (_MASKED if found["secure"] else _BARE, _EXACT)
        noise = (
            f"Every client added noise of {found['noise']:.3g} sensitivities, with features clipped to a length of "
            f"{found['bound']:g}: epsilon {_told(found['epsilon'])} (delta {found['delta']:g}) for one example. The "
            "scores of heads are not covered by it."
        )
        return (*((_MASKED,) if found["secure"] else ()), noise)


_MASKED = "Each client's sums were hidden under masks: the server read their total alone, so neither skew nor shift."
_BARE = "There were no masks: the server saw each client's sums."
_EXACT = "No noise was added: the sums are second moments of features, and counts of classes."
_VERDICTS = {
    "fine-tune": "Clients gain nothing worth having from a shared head: let each fine-tune alone.",
    "federate": "A head that all clients share is better than each client's own: federate.",
    "both": "A shared head that each client then fits to itself is best: federate, then fine-tune.",
    "unsure": "What was measured leaves open whether sharing pays.",
}


def load_probe(folder: str | Path) -> Probe:
    """Read what a probe left in a folder.

    Raises:
        DataError: its files are damaged, or may not be read.
    """
    folder = Path(folder)
    found = read_json(folder / "probe.json", _NEEDS) or {}
    network, notes = read_network(folder, "run", str(found.get("run", "")))
    return Probe(folder, found, network, tuple(notes))


def is_probe(folder: str | Path) -> bool:
    """Whether a folder holds a probe, and no study: a study's own look at the data leaves one too.

    >>> is_probe("no/folder")
    False
    """
    folder = Path(folder)
    return (folder / "probe.json").is_file() and not (folder / "federation.json").is_file()


def _row(name: str, scores: Mapping[str, Any], examples: int | None) -> dict[str, Any]:
    values = [finite(scores.get(head)) for head, _ in HEADS]
    own, shared, both = values[:3]
    gain = None if own is None or shared is None or both is None else max(shared, both) - own
    return {"client": name, "examples": examples, "scores": values, "gain": gain}


def _told(value: Any) -> str:
    return "not told" if finite(value) is None else number(float(value), 2)
