"""A probe's page: what two messages to real clients answered, in the style of a study's, with the same templates."""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

from headstart.core.errors import SettingError, nearest
from headstart.core.files import read_json, write_text
from headstart.core.plain import finite, plain
from headstart.evidence.answer_words import DOING
from headstart.report import marks, script
from headstart.report.foretold import gain_lines
from headstart.report.markdown import network_blocks
from headstart.report.network import network_of, read_network
from headstart.report.rendering import environment
from headstart.report.units import MISSING, Metric, duration, number, size
from headstart.report.words import GLOSSARY

_NEEDS: Mapping[str, Any] = {"verdict": str, "means": dict, "scores": dict, "interval": list, "clients": int}
_METRIC = Metric("balanced_accuracy")
_HEADS = {"local": "Own", "global": "Shared", "personal": "Both", "lda": "LDA", "ncm": "Class means"}
_HEADLINES = {"fine-tune": "Fine-tune", "federate": "Federate", "both": "Do both", "unsure": "Unsure"}
_LIMITS = (
    "What it compares are heads on features as they come. Training below the head together could add more than the best head does.",
    "Scores are of validation examples, few at many clients, by which ridge's penalty was chosen too; no test example was looked at.",
    "It says nothing of clients that were not asked, and of bytes and time of training only that a head of one round costs what this did.",
)


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
    network: tuple[Mapping[str, Any], ...]
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
        matters = f" {_METRIC.change(found['min_effect']).lstrip('+')} matter." if found.get("min_effect") else ""
        clients = f"{found['clients']} {'client' if found['clients'] == 1 else 'clients'}"
        return (
            f"{_VERDICTS.get(found['verdict'], '')} The better of the two heads that share adds {_METRIC.change(found['ceiling'])} of "
            f"balanced accuracy to each client's own head (95% interval {_METRIC.between(low, high)}, over {clients}).{matters}"
        )

    @property
    def cautions(self) -> tuple[str, ...]:
        """What to know before believing it."""
        few = "There are so few clients that the interval says little beyond these; no claim is made about others."
        lost = f"{len(self.found['left_out'])} clients were left out, at the first message or at the second."
        said = [*([] if self.found["claims_significance"] else [few]), *([lost] if self.found["left_out"] else [])]
        return (*said, *self.notes)

    @property
    def numbers(self) -> tuple[dict[str, str], ...]:
        """The figures beside the answer."""
        found = self.found
        rows = (
            ("Sharing adds at most", _METRIC.change(found["ceiling"]), "to clients' own heads"),
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
            return ("Nothing is foretold: that takes sums of three clients or more, who have training examples.",)
        doing = DOING[str(found["family"])]
        return (f"{doing[0].upper()}{doing[1:]} is foretold.", *gain_lines(found), *map(str, found["reasons"]))

    @property
    def protection(self) -> tuple[str, ...]:
        """What hid the clients' sums, in sentences."""
        found = self.found
        if "secure" not in found:
            return ("This probe was made before its folder said so.",)
        masks = (
            "Each client's sums were hidden under masks: the server read their total alone, and neither skew nor shift."
        )
        if not found["noise"]:
            bare = "No noise was added: the sums are second moments of features, and counts of classes."
            return (masks if found["secure"] else "There were no masks: the server saw each client's sums.", bare)
        noise = (
            f"Every client added noise of {found['noise']:.3g} sensitivities, with features clipped to a length of "
            f"{found['bound']:g}: epsilon {_told(found['epsilon'])} (delta {found['delta']:g}) for one example. The scores of heads are not covered by it."
        )
        return (*((masks,) if found["secure"] else ()), noise)


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


def write_probe(folder: str | Path, formats: Sequence[str] = ("html",)) -> list[Path]:
    """Write a probe's page, Markdown or data into its folder; beside a study's report they are named after the probe.

    Raises:
        SettingError: A probe has no such format.
        DataError: its files are damaged, or may not be read.
    """
    for name in formats:
        if name not in _FORMATS:
            raise SettingError(f"report format '{name}' is none of a probe's: {nearest(name, _FORMATS)}")
    probe = load_probe(folder)
    stem = "report" if is_probe(folder) else "probe-report"
    paths = [probe.folder / f"{stem}.{name}" for name in formats]
    for name, path in zip(formats, paths, strict=True):
        write_text(path, _FORMATS[name](probe))
    return paths


def _row(name: str, scores: Mapping[str, Any], examples: int | None) -> dict[str, Any]:
    values = [finite(scores.get(head)) for head in _HEADS]
    own, shared, both = values[:3]
    gain = None if own is None or shared is None or both is None else max(shared, both) - own
    return {"client": name, "examples": examples, "scores": values, "gain": gain}


def _told(value: Any) -> str:
    return "not told" if finite(value) is None else number(float(value), 2)


def _html(probe: Probe) -> str:
    context = {
        "probe": probe,
        "metric": _METRIC,
        "heads": tuple(_HEADS.values()),
        "network": network_of(probe.network, ()),
        "limits": _LIMITS,
        "glossary": GLOSSARY,
        "reloads": 0,
        "script": script.script(),
        "policy": script.policy(),
    }
    return str(environment().get_template("probe.html").render(**context))


def _markdown(probe: Probe) -> str:
    titles = ("Client", "Examples", *_HEADS.values(), "Sharing adds")
    rows = [
        (
            row["client"],
            MISSING if row["examples"] is None else str(row["examples"]),
            *map(_METRIC.value, row["scores"]),
            _METRIC.change(row["gain"]),
        )
        for row in probe.rows
    ]
    left = [f"{name}: {reason}" for name, reason in probe.found["left_out"].items()]
    sections = {
        "Foretold": probe.foretold,
        "Left out": left,
        "Protection": probe.protection,
        "What it does not say": _LIMITS,
    }
    blocks = [
        f"# {marks.said(probe.name)}: {marks.said(probe.headline)}",
        marks.said(probe.sentence),
        "\n".join(map(marks.item, probe.cautions)),
        "\n".join(marks.item(f"{one['label']}: {one['value']} ({one['note']})") for one in probe.numbers),
        "## Heads, client by client\n\n" + marks.table(titles, rows),
        *(f"## {title}\n\n" + "\n".join(map(marks.item, lines)) for title, lines in sections.items() if lines),
        *network_blocks(network_of(probe.network, ())),
    ]
    return "\n\n".join(block for block in blocks if block) + "\n"


def _json(probe: Probe) -> str:
    network = network_of(probe.network, ())
    value = {
        "name": probe.name,
        "headline": probe.headline,
        "sentence": probe.sentence,
        "cautions": probe.cautions,
        "foretold": probe.foretold,
        "protection": probe.protection,
        "probe": dict(probe.found),
        "network": network and asdict(network),
    }
    return json.dumps(plain(value), indent=2, allow_nan=False, ensure_ascii=False) + "\n"


_FORMATS: Mapping[str, Callable[[Probe], str]] = {"html": _html, "md": _markdown, "json": _json}
