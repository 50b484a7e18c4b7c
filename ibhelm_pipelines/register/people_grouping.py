"""Which identities are one person: a pure function of what the sources say and of what people decided.

Two things are the same person because they have the same address, never because they have the same name. An address
that belongs to nobody alone merges nobody: that of a role (info@), and one that several records of one source carry
under different names. A card with addresses of several people (a firm's) merges nobody either. What a person
moved by hand stands apart: it neither merges nor is merged. The order in which things came does not matter.
"""

from __future__ import annotations

from collections import defaultdict
from dataclasses import dataclass, replace
from functools import cached_property
from itertools import combinations
from typing import TYPE_CHECKING

from ibhelm_pipelines.folding import words
from ibhelm_pipelines.register.people_addresses import domain_of, is_machine, is_role, local_part

if TYPE_CHECKING:
    from collections.abc import Collection, Hashable, Iterable, Sequence

TEAMWORK, MISSIVE_USER, CONTACT, ADDRESS, FILE_OWNER = "teamwork", "missive_user", "contact", "address", "file_owner"
CARDS = (TEAMWORK, MISSIVE_USER, CONTACT)
"""Records of people: with a name and addresses."""


@dataclass(frozen=True, kw_only=True)
class Identity:
    """Something that somebody is known by.

    Attributes:
        id: given once; a lower one is older.
        key: the address, or the name of the NAS user; the vendor's id of a card.
        person_id: whose it is at present.
        is_pinned: whether a person decided that.
        anchors: the person that was made for it.
        addresses: of a card, in their one spelling.
    """

    id: int
    kind: str
    key: str
    name: str | None = None
    is_live: bool = True
    person_id: int | None = None
    is_pinned: bool = False
    anchors: int | None = None
    addresses: tuple[str, ...] = ()

    @cached_property
    def called(self) -> frozenset[str]:
        """The words of the name: Müller, Hans is Hans Mueller. Empty where there is none."""
        return frozenset(words(self.name or ""))


@dataclass(frozen=True, kw_only=True)
class Group:
    """Identities of one person, oldest first.

    Attributes:
        person_id: who it is, where a person decided.
    """

    identities: tuple[Identity, ...]
    person_id: int | None = None


@dataclass(frozen=True, kw_only=True)
class Grouping:
    """All groups, and what belongs to none.

    Attributes:
        shared: ids of addresses that belong to nobody alone.
        nobody: ids of accounts of machines.
    """

    groups: tuple[Group, ...]
    shared: frozenset[int]
    nobody: frozenset[int]


class Sets:
    """Disjoint sets of whatever can be a key; everything is alone at first."""

    def __init__(self) -> None:
        self._above: dict[Hashable, Hashable] = {}

    def find(self, one: Hashable) -> Hashable:
        """Return what stands for the set of something."""
        path = []
        while (above := self._above.get(one, one)) != one:
            path.append(one)
            one = above
        for each in path:
            self._above[each] = one
        return one

    def join(self, one: Hashable, other: Hashable) -> None:
        """Make one set of two."""
        self._above[self.find(one)] = self.find(other)


def group(identities: Iterable[Identity], own_domains: Collection[str]) -> Grouping:
    """Put together what is the same person.

    Args:
        identities: all there are, in any order.
        own_domains: of the office's own addresses, by whose first part users of the NAS are known.
    """
    return _Grouping(sorted(identities, key=lambda each: each.id), own_domains).run()


class _Grouping:
    def __init__(self, identities: Sequence[Identity], own_domains: Collection[str]) -> None:
        self._identities, self._own_domains = identities, own_domains
        self._sets = Sets()
        self._addresses = {each.key: each for each in identities if each.kind == ADDRESS}
        cards = [each for each in identities if each.kind in CARDS]
        self._carriers = _Carriers(_Carriers(cards).trusted())

    def run(self) -> Grouping:
        for each in self._identities:
            if each.is_pinned:
                self._sets.join(each.id, ("person", each.person_id))
            elif each.kind == ADDRESS:
                self._sets.join(each.id, ("address", each.key))
        shared = {address for address in self._addresses.keys() | self._carriers.by_address if self._is_shared(address)}
        for address in self._carriers.by_address:
            self._join_carriers(address, is_shared=address in shared)
        owners = [each for each in self._identities if each.kind == FILE_OWNER and not each.is_pinned]
        nobody = frozenset(each.id for each in owners if is_machine(each.key))
        self._join_owners([each for each in owners if each.id not in nobody], shared)
        return Grouping(
            groups=self._groups(nobody),
            shared=frozenset(each.id for address, each in self._addresses.items() if address in shared),
            nobody=nobody,
        )

    def _is_shared(self, address: str) -> bool:
        return is_role(address) or any(len(self._carriers.names(address, kind)) > 1 for kind in CARDS)

    def _join_carriers(self, address: str, *, is_shared: bool) -> None:
        cards = self._carriers.by_address[address]
        free = [each for each in cards if not each.is_pinned]
        if is_shared:
            for each in free:
                if each.called:
                    self._sets.join(each.id, ("address", address, each.called))
            return
        fitting = [each for each in free if self._carriers.fits(each, address)]
        for each in fitting:
            self._sets.join(each.id, ("address", address))
        decided = {each.person_id for each in cards if each.is_pinned}
        if not fitting and len(decided) == 1:  # the address goes with its only card
            self._sets.join(("address", address), ("person", decided.pop()))

    def _join_owners(self, owners: Sequence[Identity], shared: Collection[str]) -> None:
        by_name: defaultdict[str, set[Hashable]] = defaultdict(set)
        for address, each in self._addresses.items():
            if domain_of(address) in self._own_domains and address not in shared:
                for name in (local_part(address), address):
                    by_name[name].add(self._sets.find(each.id))
        for owner in owners:
            who = by_name.get(owner.key, set())
            if len(who) == 1:
                self._sets.join(owner.id, next(iter(who)))

    def _groups(self, nobody: Collection[int]) -> tuple[Group, ...]:
        decided = {self._sets.find(("person", e.person_id)): e.person_id for e in self._identities if e.is_pinned}
        members: defaultdict[Hashable, list[Identity]] = defaultdict(list)
        for each in self._identities:
            if each.id not in nobody:
                members[self._sets.find(each.id)].append(each)
        return tuple(Group(identities=tuple(found), person_id=decided.get(at)) for at, found in members.items())


class _Carriers:
    """Who carries which address."""

    def __init__(self, cards: Sequence[Identity]) -> None:
        self._cards = cards
        self.by_address: defaultdict[str, list[Identity]] = defaultdict(list)
        for card in cards:
            for address in dict.fromkeys(card.addresses):
                self.by_address[address].append(card)
        self._names: dict[tuple[str, str], frozenset[frozenset[str]]] = {}

    def names(self, address: str, kind: str) -> frozenset[frozenset[str]]:
        """Return by which names a source has this address: the present ones, or, of deleted cards only, theirs."""
        if (address, kind) not in self._names:
            cards = [each for each in self.by_address.get(address, ()) if each.kind == kind]
            present = [each for each in cards if each.is_live] or cards
            self._names[address, kind] = frozenset(each.called for each in present if each.called)
        return self._names[address, kind]

    def fits(self, card: Identity, address: str) -> bool:
        """Whether a card is of whom the address is now: not that of somebody who had it before."""
        names = self.names(address, card.kind)
        return not names or not card.called or card.called in names

    def trusted(self) -> list[Identity]:
        """Return the cards with those of their addresses that are the card's own."""
        kept = [card if len(card.addresses) < 2 else self._with_own(card) for card in self._cards]
        return [card for card in kept if card is not None]

    def _with_own(self, card: Identity) -> Identity | None:
        """Leave out addresses of others that somebody noted on a card, and cards of whole firms."""
        if self._is_collective(card):
            return None
        own = tuple(address for address in card.addresses if not self._is_told_apart(card, address))
        return card if own == card.addresses else replace(card, addresses=own)

    def _is_collective(self, card: Identity) -> bool:
        """Whether there are several people on it whom one source tells apart."""
        own = [address for address in card.addresses if not is_role(address)]
        for kind in CARDS:
            others = {self.names(address, kind) - {card.called} for address in own}
            if any(one - other and other - one for one, other in combinations(others, 2)):
                return True
        return False

    def _is_told_apart(self, card: Identity, address: str) -> bool:
        """Whether another source knows the card's person by another address on it, and this one as somebody else's."""
        return any(
            (names := self.names(address, kind))
            and card.called not in names
            and any(card.called in self.names(other, kind) for other in card.addresses if other != address)
            for kind in CARDS
            if kind != card.kind
        )
