"""What a column's name says of the part it plays; names are only the first hint, its cells decide."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence

LABELS = (
    "label", "target", "class", "y", "diagnosis", "outcome", "category", "response", "sentiment", "species",
    "diagnose", "klasse", "zielgröße", "zielgroesse", "diagnostic", "classe", "diagnóstico", "diagnostico", "clase",
    "etiqueta", "diagnosi",
)  # fmt: skip
"""Words that name a label, the surest first."""

_SCORES = (
    "survived", "disease", "status", "result", "income", "quality", "default", "fraud", "churn", "death", "mortality",
    "readmitted", "score", "updrs", "mmse", "edss", "severity", "grade", "stage", "rating", "price", "yield", "total",
)  # fmt: skip
"""Words that name what one would like to foretell."""

PLACES = (
    "client", "site", "hospital", "clinic", "center", "centre", "institution", "institute", "organisation",
    "organization", "provider", "bank", "branch", "store", "shop", "company", "school", "ward", "lab", "laboratory",
    "device", "scanner", "sensor", "machine", "plant", "station", "domain", "region", "country", "city",
    "krankenhaus", "klinik", "klinikum", "zentrum", "standort", "praxis", "einrichtung", "filiale", "gerät", "geraet",
    "hôpital", "hopital", "clinique", "établissement", "etablissement", "centro", "clínica", "clinica", "sede",
    "ospedale", "ziekenhuis", "sjukhus", "szpital",
)  # fmt: skip
"""Words that name who holds data of many people or things."""

PERSONS = (
    "user", "subject", "speaker", "writer", "author", "drawer", "critic", "annotator", "rater", "customer", "driver",
    "participant", "person", "patient", "patientin", "proband", "teilnehmer", "nutzer", "kunde", "sujet", "paciente",
    "paziente",
)  # fmt: skip
"""Words that name one person."""

_NEVER = frozenset(
    {"sex", "gender", "age", "race", "ethnicity", "year", "month", "day", "date", "time", "index", "row"}
)
"""Words of what describes a case and is hardly ever foretold."""

_TIMES_AND_EVENTS = (
    ("t", "e"), ("time", "event"), ("time", "status"), ("duration", "event"), ("survival_time", "event"),
    ("survival_months", "vital_status"), ("days", "death"), ("os_time", "os_event"), ("os_time", "os"),
    ("pfs_time", "pfs_event"), ("dfs_time", "dfs_event"), ("tte", "event"), ("futime", "fustat"),
)  # fmt: skip
"""Names of a time and of whether the event was seen by then, in lower case."""

_TEXTS = ("text", "sentence", "review", "content", "body", "abstract", "message", "note", "comment", "description")
_ROWS = re.compile(r"(.*_)?(id|uid|uuid|guid|file|filename|file_name|path)")
_POOLS = ("central", "pretrain", "pretraining", "public", "server", "unlabelled", "unlabeled")


def label_rank(name: str) -> int | None:
    """Return how surely a name is that of a label, 0 for sure; None where it does not say so.

    >>> label_rank("label"), label_rank("heart_class"), label_rank("age"), label_rank("total_UPDRS")
    (0, 23, None, 63)
    """
    words = _words(name)
    for rank, word in enumerate(LABELS):
        if words in ([word], [f"{word}s"]):
            return rank
        if word in words[-1:] and len(word) > 1:
            return rank + len(LABELS)
    found = [word for word in _SCORES if word in words]
    return 2 * len(LABELS) + len(_SCORES) - len(found) if found else None


def is_surely_label(name: str) -> bool:
    """Say whether a column is called just as labels are."""
    rank = label_rank(name)
    return rank is not None and rank < len(LABELS)


def are_alike(name: str, label: str) -> bool:
    """Say whether both names are of labels, and of the same thing, so that one would give away the other.

    >>> are_alike("motor_UPDRS", "total_UPDRS"), are_alike("class", "label"), are_alike("stage", "label")
    (True, True, False)
    """
    if label_rank(name) is None:
        return False
    shared = set(_words(name)) & set(_words(label)) & {*LABELS, *_SCORES}
    return bool(shared) or (is_surely_label(name) and is_surely_label(label))


def place_rank(name: str) -> int | None:
    """Return the place of a name among those of who holds data; None of other names.

    >>> place_rank("hospital"), place_rank("Site ID"), place_rank("website")
    (2, 1, None)
    """
    return _rank(name, PLACES)


def person_rank(name: str) -> int | None:
    """Return the place of a name among those of persons; None of other names."""
    return _rank(name, PERSONS)


def is_holder(name: str) -> bool:
    """Say whether a name is of who holds data: a place or a person."""
    return place_rank(name) is not None or person_rank(name) is not None


def is_described(name: str) -> bool:
    """Say whether a name is of what describes a case, and is hardly ever the label.

    >>> is_described("age_at_index"), is_described("stage")
    (True, False)
    """
    return not _NEVER.isdisjoint(_words(name))


def is_row_name(name: str) -> bool:
    """Say whether a name is that of a column that names rows, such as ``image_id`` or ``filename``."""
    return bool(_ROWS.fullmatch("_".join(_words(name))))


def text_rank(name: str) -> int:
    """Return the place of a name among those of texts; the last for others."""
    rank = _rank(name, _TEXTS)
    return len(_TEXTS) if rank is None else rank


def time_and_event(names: Sequence[str]) -> tuple[str, str] | None:
    """Return a column of times and the one of events that belongs to it; None where there is no such pair.

    >>> time_and_event(["age", "OS.time", "OS"]), time_and_event(["T", "E"]), time_and_event(["time", "age"])
    (('OS.time', 'OS'), ('T', 'E'), None)
    """
    plain: Mapping[str, str] = {"_".join(_words(name)): name for name in names}
    pairs = ((plain[time], plain[event]) for time, event in _TIMES_AND_EVENTS if time in plain and event in plain)
    return next(pairs, None)


def is_pool(name: str) -> bool:
    """Say whether a file, a folder or a client is called as a server's own pool would be."""
    return any(word in _words(name) for word in _POOLS)


def _rank(name: str, words: Sequence[str]) -> int | None:
    parts = [
        word for word in _words(name) if word not in ("id", "ids", "no", "nr", "number", "name", "code", "of", "the")
    ]
    last = parts[-1] if parts else ""
    return next((words.index(word) for word in (last, last.removesuffix("s")) if word in words), None)


def _words(name: str) -> list[str]:
    """Split a name into words in lower case.

    >>> _words("PatientID"), _words("OS.time"), _words("flamby_split")
    (['patient', 'id'], ['os', 'time'], ['flamby', 'split'])
    """
    parts = re.sub(r"(?<=[a-z0-9])(?=[A-Z])", "_", name)
    return [word for word in re.split(r"[\W_]+", parts.lower()) if word]
