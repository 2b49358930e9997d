"""What a site would answer to a study, in plain words, for its operator to look at before anything leaves."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from pathlib import Path

from headstart.core.errors import SettingError
from headstart.core.words import listed
from headstart.data import resplit
from headstart.data.federation import Federation, Split
from headstart.data.open import client_columns, client_names
from headstart.data.settings import DataSettings
from headstart.sites.agreement import needs_sums
from headstart.sites.gate import Gate
from headstart.sites.messages import Hello
from headstart.sites.settings import LEAST_ROWS
from headstart.sites.site import Site
from headstart.sites.site_file import SiteFile
from headstart.sites.terms import Accepted, check_no_code, tells_rows, terms_for
from headstart.study.written.load import load_study


def preview(site: Site, said: Hello) -> Iterator[str]:
    """Yield lines that say what a site would answer; nothing leaves, and no sign of a proposal moves a terminal.

    Args:
        site: as its operator set it.
        said: the study's name, how it reads data, and its seeds.

    Raises:
        HeadstartError: the data cannot be read so; its words are for the operator alone.
    """
    yield from ("".join(sign if sign.isprintable() else "?" for sign in line) for line in _lines(site, said))


def _lines(site: Site, said: Hello) -> Iterator[str]:
    source, own = site.source(said.data)
    federation = site.read(said.data)
    seed = said.seeds[0]
    yield f"study '{said.study}' at '{site.name}', whose policy is '{site.policy}'"
    yield from _reading(said.data, said.seeds)
    yield f"  network: {said.model.backbone if said.model else 'any that is built in'}"
    yield f"  names of classes that leave: {_listed(federation.examples.classes)}"
    if federation.examples.kind == "table":
        yield f"  names of columns that leave: {_listed(client_columns(source, own).inputs)}"
        told = client_names(source, own, site.name, LEAST_ROWS)
        for column, names in told.categories.items():
            yield f"  names of categories of '{column}' that leave, each of five rows or more: {_listed(names)}"
        if told.missing:
            yield f"  columns of which it says that they lack values, five or more: {_listed(told.missing)}"
    if said.data.text:
        yield from _texts(federation, said.data.text)
    (client,) = resplit(federation, seed).clients
    counts = ", ".join(f"{len(client.indices(part))} {part}" for part in ("train", "val", "test"))
    yield f"  examples: {counts}{'' if site.allows('counts') else ', which is told to nobody'}"
    yield "what it would answer, and what it would not:"
    for kind, words in _answers(site, federation, said):
        yield f"  {kind:<17}{words}"


def _texts(federation: Federation, column: str) -> Iterator[str]:
    """Say which texts are learnt from, and what of them is told."""
    words = [len(text.split()) for text in federation.examples.inputs.texts()]
    yield f"  texts: {len(words)} of '{column}', of {min(words)} to {max(words)} words; no word leaves, and no length"
    yield from (f"  {note}" for note in federation.notes)


def _reading(data: DataSettings, seeds: Sequence[int]) -> Iterator[str]:
    """Say how the data would be read."""
    split = data.split
    parts = f"the column '{split.column}'" if split.column else f"{split.train:g} / {split.val:g} / {split.test:g}"
    parts += f" in the order of '{split.time}'" if split.time else ""
    groups = f", rows of one '{split.group}' together" if split.group else ""
    yield f"  label '{data.label}'; train, val and test by {parts}{groups}; seeds {_listed(list(map(str, seeds)))}"


def _answers(site: Site, federation: Federation, said: Hello) -> Iterator[tuple[str, str]]:
    """Yield, by kind of request, what leaves, or why nothing does."""
    gate, client = Gate(site), resplit(federation, said.seeds[0]).clients[0]
    labels, tells = federation.examples.labels, tells_rows(federation, said.seeds)
    few, few_train = gate.enough(client, ["train", "val", "test"]), gate.enough(client, ["train"])
    counts = " and numbers of examples" if site.allows("counts") else ""
    yield "hello", f"the names above{counts}"
    if federation.examples.kind == "table" and needs_sums(said.data):
        uncovered = site.allows("sums") and not site.is_covered
        yield "agree", "sums of columns, if they are of enough values" if uncovered else "no sums of columns"
    scores = "" if site.allows("metrics") else f"policy '{site.policy}'"
    yield (
        "adapt, scores",
        _or(scores or few, "adapts here, and tells scores on its own examples", "adapts, tells nothing"),
    )
    yield "count", _or(scores or gate.enough(client, ["test"]), "how many test examples arms tell right")
    sums = "" if site.allows("sums") else f"policy '{site.policy}'"
    summed: dict[str, list[Split]] = {"update, sums": ["train"], "sums of a probe": ["train", "val"]}
    for kind, parts in summed.items():
        open_sums = gate.why_not_plain(labels, client, parts, tells_rows=tells)
        yield kind, _or(sums or gate.enough(client, parts), f"sums over examples{_cover(site, open_sums)}")
    yield "heads", _or(scores or gate.enough(client, ["train", "val"]), "a score of each head")
    averaging = "" if site.allows("updates") else f"policy '{site.policy}'"
    under = "under masks: the server reads everybody's mean" if site.masked else "which tell more than sums do"
    noise = f"clipped, under noise of {site.noise:g} sensitivities or more, or nothing" if site.noise else ""
    cover = ", ".join([*([noise] if noise else []), *([under] if site.masked or not noise else [])])
    yield (
        "update, averages",
        _or(averaging or few_train, f"weights trained on its examples, {cover}{_but_words(federation)}"),
    )
    yield "keys of masks", _or(sums, _pinned(site))


def _pinned(site: Site) -> str:
    """Say with whom it hides its values."""
    if names := sorted(site.peers.pinned):
        return f"for exchanges with pinned peers alone: {_listed(names)}"
    return "for exchanges with whomever the server names, as no peers are pinned"


def _but_words(federation: Federation) -> str:
    return "; none of a table of words" if federation.examples.kind == "text" else ""


def _cover(site: Site, open_sums: str) -> str:
    """Say under what sums leave."""
    words = [*(["masks"] if site.masked else []), *([f"noise of {site.noise:g} sensitivities"] if site.noise else [])]
    if words:
        return f", under {' and '.join(words)}"
    return f", but only under masks or noise: {open_sums}" if open_sums else ", as they are"


def _or(reason: str, what: str, otherwise: str = "nothing") -> str:
    return f"{otherwise}: {reason}" if reason else what


def _listed(names: Sequence[str]) -> str:
    return listed(names, 40) or "none"


def proposal(said: SiteFile, study: Path | None) -> Hello:
    """Return the study that an operator looks at.

    Args:
        said: the site's file.
        study: a study file; None takes what the site's file fixes, else what the server proposed last.

    Raises:
        SettingError: there is nothing to look at.
    """
    if study:
        file = load_study(study)
        return Hello(file.data, file.settings.name, tuple(sorted(file.settings.seeds)), file.model)
    if said.fixes:
        return said.fixed
    if found := Accepted(said.site.state).proposed:
        return found
    raise SettingError("preview: no study was proposed to this site yet; start it, or name a study file")


def accepted(said: SiteFile, shown: Hello) -> str:
    """Let a study be answered, and say so.

    Raises:
        Refused: the site's file says itself how data are read, and otherwise.
    """
    site, study = said.site, said.fixed if said.fixes else shown
    check_no_code(study.model, said.name)
    if said.fixes:
        terms_for([site.terms(study)], shown.data, shown.seeds, said.name)
    before = [one for one in Accepted(said.site.state).all() if one.study == study.study]
    now = site.accept(study, fixed=said.fixes)
    changed = any(one.content != now.content for one in before)
    told = "; its data have changed, and how answers differ from those before tells of the rows that did"
    return f"accepted: '{shown.study}' is answered as shown{told if changed else ''}"
