"""The one gate that every answer of a site passes: policy, what was accepted, minimum counts, masks, noise, budget."""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterable, Iterator, Sequence
from dataclasses import dataclass
from typing import get_args

import numpy as np

from headstart.core.arrays import Array
from headstart.core.content import hash_json, hash_tree
from headstart.core.errors import nearest
from headstart.core.trees import Tree
from headstart.data.agreement import Agreement
from headstart.data.encoding import RARE, missing_name, one_hot_names
from headstart.data.features import made_of
from headstart.data.federation import Client, Federation, Split
from headstart.data.settings import DataSettings
from headstart.data.standardize import ColumnSums
from headstart.sites.ledger import Ledger
from headstart.sites.lengths import anew, norm
from headstart.sites.messages import Hello, Masks, Setup
from headstart.sites.probe.noise import add_noise
from headstart.sites.refusals import Refused
from headstart.sites.secure.journal import Journal
from headstart.sites.secure.means import weighed
from headstart.sites.secure.party import Party
from headstart.sites.settings import MOST_TIMES, Policy
from headstart.sites.site import Opened, Site
from headstart.sites.terms import Accepted, Terms, check_model, keeps_to, terms_for
from headstart.sites.wire import write

_LARGEST = 1e30
"""Mean, or deviation, of a column."""


@dataclass(frozen=True, kw_only=True)
class Cover:
    """What a request asks for over sums, as in its message."""

    noise: float
    bound: float
    masks: Masks | None


@dataclass(frozen=True)
class Gate:
    """What a site lets out."""

    site: Site

    @property
    def ledger(self) -> Ledger:
        """What has left."""
        return Ledger(self.site.state, self.site.name, self.site.budget)

    @property
    def party(self) -> Party:
        """The site's half of a secure total; before any study was accepted it takes no part in one.

        Raises:
            Refused: none was.
        """
        if not self._accepted:
            raise Refused(f"'{self.site.name}' waits for its operator, who has accepted no study yet")
        return Party(self.site.name, Journal(self.site.state / "secure"), self.site.peers)

    def check_policy(self, kind: str, needs: Policy) -> None:
        """Refuse what the operator's policy does not let leave."""
        if not self.site.allows(needs):
            raise Refused(f"'{self.site.name}' lets no more than {self.site.policy} leave; '{kind}' needs {needs}")

    def check_hello(self, said: Hello) -> Terms:
        """Return the accepted terms; a study that is new is kept for the operator to look at.

        Raises:
            Refused: it waits for its operator, or asks for another reading than was accepted.
        """
        self.site.check_names(said.data)
        accepted = self._accepted
        matching = [one for one in accepted if keeps_to(one, said, self.site.name)]
        if matching:
            return self._unchanged(matching[0])
        if not any(one.fixed for one in accepted):
            Accepted(self.site.state).propose(said)
        if any(one.fixed or one.study == said.study for one in accepted):
            return terms_for(accepted, said.data, said.seeds, self.site.name)
        raise Refused(
            f"'{self.site.name}' waits for its operator, who can look at the study with 'headstart federate preview' "
            "and let it be answered with --accept"
        )

    def check_terms(self, data: DataSettings, seeds: Sequence[int], agreed: Agreement) -> Terms:
        """Return the accepted terms of a request that names what was agreed.

        Raises:
            Refused: it reads otherwise than was accepted, or agrees on what the site does not hold.
        """
        terms = self._unchanged(terms_for(self._accepted, data, seeds, self.site.name))
        for column in agreed.columns if terms.columns else ():
            if column not in terms.columns:
                raise Refused(
                    f"data.columns: '{self.site.name}' has no column '{column}' that it learns from; "
                    f"{nearest(column, terms.columns)}"
                )
        if not set(terms.classes) <= set(agreed.classes):
            raise Refused(f"agreement.classes: must hold all classes of '{self.site.name}'; unite them again")
        if not set(agreed.categories) <= set(self.site.one_hot) & set(terms.data.one_hot):
            raise Refused(f"agreement.categories: '{self.site.name}' lets those of other columns leave")
        if any(terms.data.missing != "indicator" or not made_of(name, agreed.columns) for name in agreed.missing):
            raise Refused(f"agreement.missing: '{self.site.name}' was not asked to say where those columns are empty")
        if terms.data.min_frequency == 1 and any(RARE in names for names in agreed.categories.values()):
            raise Refused(f"agreement.categories: '{self.site.name}' was not asked to join rare ones")
        self._check_statistics(agreed)
        self.ledger.charge_agreement(terms.key, hash_json(write(agreed)))
        return terms

    def check_setup(self, setup: Setup) -> Terms:
        """Return the accepted terms that a setup keeps to."""
        terms = self.check_terms(setup.data, [setup.seed], setup.agreement)
        check_model(terms, setup.model, self.site.name)
        return terms

    def _check_statistics(self, agreed: Agreement) -> None:
        """Refuse means and deviations that no columns have, by which one row could be made to stand out."""
        means, deviations = agreed.means or (), agreed.deviations or ()
        is_whole = len(means) == len(deviations) in (0, len(agreed.inputs))
        if (
            not is_whole
            or any(not 0 < one < _LARGEST for one in deviations)
            or any(abs(one) > _LARGEST for one in means)
        ):
            raise Refused(f"agreement.means: '{self.site.name}' takes those of its columns alone, one for each")

    @property
    def names(self) -> Collection[str]:
        """Columns that the server knows already."""
        return {name for terms in self._accepted for name in terms.columns}

    @property
    def content(self) -> str:
        """Names what the site holds now."""
        return Accepted(self.site.state).content(self.site.data)

    @property
    def _accepted(self) -> tuple[Terms, ...]:
        return Accepted(self.site.state).all()

    def _unchanged(self, terms: Terms) -> Terms:
        """Refuse to go on with other data: what differs between two answers would be the rows that changed."""
        if self.content != terms.content:
            raise Refused(
                f"the data of '{self.site.name}' have changed since its operator accepted the study, who can accept "
                "them with 'headstart federate preview --accept'"
            )
        return terms

    def enough(self, client: Client, splits: Sequence[Split]) -> str:
        """Say which of some splits holds too few examples to say anything of; empty if none does."""
        fewest = self.site.minima.examples
        few = next((part for part in splits if 0 < len(client.indices(part)) < fewest), None)
        return f"'{self.site.name}' has fewer than {fewest} {few} examples, of which it says nothing" if few else ""

    def check_enough(self, client: Client, splits: Sequence[Split]) -> None:
        """Refuse to sum, train on or score too few examples."""
        if few := self.enough(client, splits):
            raise Refused(few)

    def check_averaging(self, client: Client, noise: float, masks: Masks | None) -> None:
        """Refuse updates of averaging methods where they would leave uncovered, or be of few examples.

        Args:
            client: whose.
            noise: that the site adds to what it sends, in sensitivities; 0 for none.
            masks: under which it would be hidden.
        """
        if self.site.masked and masks is None:
            raise Refused(f"'{self.site.name}' sends masked updates only; run it with --secure")
        if self.site.noise > noise > 0:
            raise Refused(
                f"'{self.site.name}' sends updates under noise of {self.site.noise:g} sensitivities or more, and its "
                f"share of this method's is {noise:.3g}; raise noise_multiplier by {self.site.noise / noise:.3g} times"
            )
        if self.site.noise > noise:
            raise Refused(
                f"'{self.site.name}' sends nothing without noise, and an update of this method has none; give it "
                "clip_norm and noise_multiplier, or run a method whose updates are sums"
            )
        self.check_enough(client, ["train"])

    def update(self, update: Tree, shared: Tree, client: Client, masks: Masks | None, *, is_clipped: bool) -> Tree:
        """Return an update of an averaging method as it leaves: as it is, or weighed and under masks.

        Args:
            update: as computed.
            shared: what it changes.
            client: whose training examples weigh it.
            masks: under which it is hidden.
            is_clipped: whether all clients weigh the same, as where updates are clipped.

        Raises:
            Refused: under masks nobody else could see how large it is, and it would make other weights of all.
        """
        if masks is None:
            return update
        if (times := norm(update) / max(anew(shared), 1e-12)) > MOST_TIMES:
            raise Refused(
                f"'{self.site.name}' hides no update whose norm is {times:.0f} times the shared weights and 1 for "
                f"each, more than {MOST_TIMES:g}; lower client_lr"
            )
        weight = 1.0 if is_clipped else self.party.weight(masks, len(client.train))
        return self.party.masked(weighed(update, weight), masks)

    def sums(
        self,
        name: str,
        own: Opened,
        terms: Terms,
        cover: Cover,
        splits: Sequence[Split],
        make: Callable[[float | None], Tree],
    ) -> tuple[Tree, float]:
        """Return sums as they may leave, and the noise on them.

        Args:
            name: of what is summed, the same whenever it is asked for.
            own: the site's data.
            terms: accepted.
            cover: what the server asks for over them.
            splits: whose examples they add up.
            make: makes them, of rows clipped to a length where one is given.

        Raises:
            Refused: they are of too few examples, or would leave without what the operator asks for.
        """
        level, bound = max(self.site.noise, cover.noise), min(self.site.bound, cover.bound)
        if self.site.masked and not cover.masks:
            raise Refused(f"'{self.site.name}' sends masked sums only; run it with --secure")
        if not (level or cover.masks):
            self.check_plain(own, terms, splits, "run it with --secure or --noise")
        found = self._noisy(f"{name}/{level!r}/{bound!r}", level, bound, make) if level else make(None)
        return self.party.masked(found, cover.masks) if cover.masks else found, level

    def check_plain(self, own: Opened, terms: Terms, splits: Sequence[Split], way_out: str) -> None:
        """Refuse sums that would leave as they are and tell few examples; ``way_out`` ends the message."""
        labels = own.lab.federation.examples.labels
        if reason := self.why_not_plain(labels, own.client, splits, tells_rows=terms.tells_rows):
            raise Refused(f"{reason}, whose sums leave under masks or noise only; {way_out}")

    def _noisy(self, name: str, level: float, bound: float, make: Callable[[float | None], Tree]) -> Tree:
        """Return what was kept of the same sums, or new noise on them: asked twice, noise does not average away."""
        return self._once(name, level, lambda: add_noise(make(bound), level, bound))

    def noisy_update(self, name: str, noise: float, make: Callable[[], Tree]) -> Tree:
        """Return an update under noise, the same whenever it is asked for.

        It is charged where the operator asks for noise: who lets updates leave as they are is promised nothing.

        Args:
            name: of what is sent, and to which tree.
            noise: on it, in sensitivities.
            make: makes it.

        Raises:
            Refused: all that left under noise would promise less than the operator's epsilon.
        """
        return self._once(name, noise if self.site.noise else 0.0, make)

    def same_noise(self, name: str, make: Callable[[], Tree]) -> Tree:
        """Return work under noise on single examples, the same whenever it is asked for; it is charged to nobody."""
        return self._once(name, 0.0, make)

    def _once(self, name: str, level: float, make: Callable[[], Tree]) -> Tree:
        """Return what was kept of an answer under noise, or make it, charge its level if there is any, and keep it."""
        key = hash_json(name)
        if (kept := self.site.shelf.answer(key)) is not None:
            return kept
        found = make()
        if level:
            self.ledger.charge_noise(key, level)
        self.site.shelf.put_answer(key, found)
        return found

    def why_not_plain(self, labels: Array, client: Client, splits: Sequence[Split], *, tells_rows: bool) -> str:
        """Say why sums of some splits do not leave as they are: alone, or by their differences, they tell few examples.

        Args:
            labels: of all examples.
            client: whose they are.
            splits: that are summed.
            tells_rows: whether sums of all seeds would tell single examples.
        """
        fewest = self.site.minima.class_examples
        for part in splits:
            counts = np.bincount(labels[client.indices(part)])
            if ((counts > 0) & (counts < fewest)).any():
                return f"'{self.site.name}' has a class of fewer than {fewest} {part} examples"
        if tells_rows and fewest > 1:
            return f"'{self.site.name}' has so few examples of a class that sums of all seeds would tell single ones"
        return ""

    def column_sums(self, found: ColumnSums, agreed: Agreement) -> ColumnSums | None:
        """Return sums of columns as they may leave; None where they are of few values, or must be covered."""
        if self.site.is_covered or not self.site.allows("sums"):
            return None
        fewest, of_class = self.site.minima.examples, self.site.minima.class_examples
        is_few = any(0 < count < fewest for count in (found.rows, *found.counts))
        return None if is_few or any(0 < count < of_class for count in _category_counts(found, agreed)) else found

    def sizes(self, read: Federation) -> dict[Split, int]:
        """Count examples by split, if the operator lets counts leave."""
        (client,) = read.clients
        parts = get_args(Split)
        return {part: len(client.indices(part)) for part in parts} if self.site.allows("counts") else {}

    def release(self, kind: str, text: str, tree: Tree) -> None:
        """Write down that a request is answered by scores, counts or sums, before it is."""
        self.ledger.charge_release(hash_json([kind, text, hash_tree(tree)]))


def _category_counts(found: ColumnSums, agreed: Agreement) -> Iterator[float]:
    """Yield the rows of each category, which the sums of encoded columns are, and those where a column is empty.

    What is missing is the first category, where no input says that it is.
    """
    totals = dict(zip(agreed.inputs, found.totals, strict=True))
    empty = {column: totals[missing_name(column)] for column in agreed.missing}
    for column, names in agreed.categories.items():
        counts = [totals[name] for name in one_hot_names(column, names)]
        yield from (*counts, found.rows - sum(counts) - empty.get(column, 0.0))
    for count in empty.values():
        yield from (count, found.rows - count)


def class_counts_told(counts: Iterable[Sequence[int]], fewest: int) -> bool:
    """Say whether every class that is there has enough examples to be counted.

    >>> class_counts_told([(7, 0), (5, 6)], 5), class_counts_told([(7, 3)], 5)
    (True, False)
    """
    return all(not 0 < count < fewest for each in counts for count in each)
