"""Merges people and finds who takes part in which project: the entry for assets, the command line and tests.

All of it follows from what the sources say at present and from what people decided; running it again changes nothing.
Persons are one transaction, participants another, so that people who edit them wait for a moment only; a run that is
killed between the two is made up for by the next. What is read into memory is one short row for each address and card,
not for each mail.
"""

from __future__ import annotations

import time
from collections import defaultdict
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any

from ibhelm_pipelines.db.connect import connect, translated_errors
from ibhelm_pipelines.db.forgotten import Forgotten
from ibhelm_pipelines.db.queries import load_queries
from ibhelm_pipelines.errors import BusyError
from ibhelm_pipelines.register.people_addresses import is_mail_service
from ibhelm_pipelines.register.people_assigning import Assignment, assign
from ibhelm_pipelines.register.people_grouping import FILE_OWNER, Grouping, Identity, group

if TYPE_CHECKING:
    from collections.abc import Callable, Collection, Iterable, Iterator, Mapping

    import psycopg

    from ibhelm_pipelines.db.connect import Connection
    from ibhelm_pipelines.settings import Settings

ADDRESSES, GROUPS, PERSONS, PARTICIPANTS = "addresses", "groups", "persons", "participants"
"""What is done, as `progress` is told."""


@dataclass(frozen=True, kw_only=True)
class PeopleReport:
    """What a merging did, in persons, but for what says otherwise.

    Attributes:
        persons, mailboxes: there are now, without those who are merged into others.
        merged: who became somebody else.
        split: who were somebody else before.
        changed: other names, firms and the like, in rows.
        removed: of whom nothing is left.
        participants: there are now, in rows.
        participants_changed: written or deleted, in rows.
    """

    persons: int
    mailboxes: int
    new: int
    merged: int
    split: int
    changed: int
    removed: int
    participants: int
    participants_changed: int
    seconds: float

    @property
    def changes(self) -> int:
        return self.new + self.merged + self.split + self.changed + self.removed + self.participants_changed


def merge_people(settings: Settings, progress: Callable[[str], None] = lambda _: None) -> PeopleReport:
    """Bring persons, and participants of projects, in line with what the sources say.

    Args:
        settings: of this process.
        progress: is told what is done now.

    Raises:
        BusyError: another merging is under way.
        DatabaseUnavailableError: Postgres does not answer, or somebody holds the tables; the next run does the rest.
    """
    url = settings.require_database_url()
    with translated_errors(), connect(url, application="people", autocommit=True) as connection:
        return _Merging(connection, progress).run()


class _Merging:
    """One merging, over a connection that is its own."""

    def __init__(self, connection: Connection, progress: Callable[[str], None]) -> None:
        self._connection, self._progress = connection, progress
        self._sql = load_queries("people")

    def run(self) -> PeopleReport:
        self._require_alone()
        try:
            return self._run()
        finally:
            self._do("unlock_people")  # not left to the end of the session, which comes a moment after ours

    def _run(self) -> PeopleReport:
        began = time.monotonic()
        with self._connection.transaction():
            self._progress(ADDRESSES)
            self._find()
            self._progress(GROUPS)
            report = self._merge()
        with self._connection.transaction():
            self._progress(PARTICIPANTS)
            changed = self._write_participants()
        [(participants,)] = self._rows("count_participants")
        return replace(
            report,
            participants=participants,
            participants_changed=changed,
            seconds=round(time.monotonic() - began, 3),
        )

    def _require_alone(self) -> None:
        [(alone,)] = self._rows("try_lock_people")
        if not alone:
            raise BusyError("People are being merged already.", next_step="Wait until that run has ended.")

    def _find(self) -> None:
        """Collect all that somebody is known by, without those who were forgotten."""
        for name in ("use_memory", "create_found", "find_cards", "find_card_addresses"):
            self._do(name)
        for name in ("find_said_addresses", "find_mail_addresses", "find_file_owners"):
            self._do(name)
        self._own_domains = {domain for (domain,) in self._rows("list_own_domains") if not is_mail_service(domain)}
        self._hide_forgotten()
        for name in ("analyze_found", "label_found"):
            self._do(name)

    def _hide_forgotten(self) -> None:
        who = Forgotten.load(self._connection)
        if not who.entries:
            return
        found = self._rows("found_keys")
        hidden = [(kind, key) for kind, key in found if who.hides(self._addresses_of(kind, key))]
        self._do("create_hidden")
        self._copy("hidden_identities (kind, key)", hidden)
        self._do("drop_hidden")

    def _addresses_of(self, kind: str, key: str) -> Iterable[str]:
        if kind == FILE_OWNER and "@" not in key:
            return [f"{key}@{domain}" for domain in self._own_domains]
        return [key]

    def _merge(self) -> PeopleReport:
        for name in ("lock_human_columns", "delete_identities", "update_identities", "insert_identities"):
            self._do(name)
        companies = self._company_domains()
        grouping = group(self._identities(), self._own_domains)
        merged = {person: (into, by_person) for person, into, by_person in self._rows("list_merged")}
        decided = {person: into for person, (into, by_person) in merged.items() if by_person}
        assignment = assign(grouping, decided, self._new_ids)
        self._progress(PERSONS)
        self._copy_wanted(grouping, assignment, companies)
        return self._write_persons(assignment)

    def _identities(self) -> list[Identity]:
        addresses: defaultdict[int, list[str]] = defaultdict(list)
        for number, address in self._rows("list_card_addresses"):
            addresses[number].append(address)
        return [
            Identity(
                id=number, kind=kind, key=key, name=name, is_live=is_live, person_id=person, is_pinned=is_pinned,
                anchors=anchors, addresses=tuple(addresses.get(number, ())),
            )
            for number, kind, key, name, is_live, person, is_pinned, anchors in self._rows("list_identities")
        ]  # fmt: skip

    def _company_domains(self) -> dict[str, int]:
        """Return the firm of each domain that is of one firm; the office's own domains are of no other firm."""
        firms: defaultdict[str, dict[int, bool]] = defaultdict(dict)
        for company, is_own, domain in self._rows("list_company_domains"):
            if not is_mail_service(domain):
                firms[domain][company] = is_own
        only = {domain: next(iter(found.items())) for domain, found in firms.items() if len(found) == 1}
        self._own_domains -= {domain for domain, (_, is_own) in only.items() if not is_own}
        return {domain: company for domain, (company, _) in only.items()}

    def _new_ids(self, count: int) -> Iterator[int]:
        return iter([number for (number,) in self._rows("new_person_ids", count=count)])

    def _copy_wanted(self, grouping: Grouping, assignment: Assignment, companies: Mapping[str, int]) -> None:
        self._do("create_wanted")
        shared, persons = grouping.shared, assignment.persons
        every = [each.id for group_ in grouping.groups for each in group_.identities] + sorted(grouping.nobody)
        self._copy(
            "wanted_identities (id, person_id, is_shared)",
            [(each, persons.get(each), each in shared) for each in every],
        )
        self._copy(
            "wanted_persons (id, identity_id, is_new)",
            [(person, identity, person in assignment.new) for person, identity in assignment.anchors.items()],
        )
        self._copy("wanted_merges (id, merged_into_id)", assignment.merges.items())
        self._copy("own_domains (domain)", [(domain,) for domain in sorted(self._own_domains)])
        self._copy("company_domains (domain, company_id)", companies.items())
        self._do("analyze_wanted")

    def _write_persons(self, assignment: Assignment) -> PeopleReport:
        for name in ("insert_persons", "drop_old_anchors", "anchor_persons", "assign_identities", "release_identities"):
            self._do(name)
        merged, split = self._do("merge_persons"), self._do("unmerge_persons")
        for name in ("create_moved", "find_moved", "move_human_words"):
            self._do(name)
        changed = self._do("describe_persons") + self._do("retire_persons")
        self._do("lock_participants")  # what somebody writes there keeps the person
        removed = self._do("delete_persons")
        [(persons, mailboxes)] = self._rows("count_persons")
        return PeopleReport(
            persons=persons,
            mailboxes=mailboxes,
            new=len(assignment.new),
            merged=merged,
            split=split + assignment.split,
            changed=max(0, changed - len(assignment.new)),
            removed=removed,
            participants=0,
            participants_changed=0,
            seconds=0,
        )

    def _write_participants(self) -> int:
        for name in ("create_contacts", "contacts_in_teamwork", "contacts_in_missive", "contacts_on_nas"):
            self._do(name)
        for name in ("create_moved", "find_moved", "lock_participants", "move_participants", "create_participants"):
            self._do(name)
        return self._do("delete_participants") + self._do("upsert_participants") + self._do("relabel_participants")

    def _copy(self, target: str, rows: Collection[tuple[Any, ...]]) -> None:
        statement = f"copy {target} from stdin"
        with self._connection.cursor() as cursor, cursor.copy(statement) as copy:
            for row in rows:
                copy.write_row(row)

    def _rows(self, name: str, **values: Any) -> list[tuple[Any, ...]]:
        return self._execute(name, values).fetchall()

    def _do(self, name: str, **values: Any) -> int:
        return self._execute(name, values).rowcount

    def _execute(self, name: str, values: Mapping[str, Any]) -> psycopg.Cursor[tuple[Any, ...]]:
        return self._connection.execute(self._sql[name], values or None)
