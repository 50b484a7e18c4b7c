"""Rows about people as Teamwork, Missive and the NAS give them, put there by hand; and hands that edit in NocoDB."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import psycopg
import tables
from psycopg import sql

from ibhelm_pipelines.register.people import PeopleReport, merge_people

if TYPE_CHECKING:
    from ibhelm_pipelines.settings import Settings

AT = "2026-01-05 09:00+00"


class Desk:
    """The tables of an office, as the pipeline and as NocoDB write them."""

    def __init__(self, settings: Settings, owner_url: str) -> None:
        self.settings, self.url, self._owner_url = settings, settings.require_database_url(), owner_url
        self._count = 0

    def rows(self, query: str, *values: Any) -> list[tuple[Any, ...]]:
        return tables.ask(self.url, query, *values)

    def one(self, query: str, *values: Any) -> Any:
        [(value,)] = self.rows(query, *values)
        return value

    def merge(self) -> PeopleReport:
        return merge_people(self.settings)

    def by_hand(self, query: str, *values: Any) -> int:
        """Do something as NocoDB's role; return how many rows it touched."""
        with psycopg.connect(self._owner_url) as connection:
            connection.execute(sql.SQL("set role ibhelm_nocodb"))
            return connection.execute(query, values).rowcount  # type: ignore[arg-type]  # tests build theirs

    def empty(self) -> None:
        """Begin anew, numbers included."""
        with psycopg.connect(self._owner_url) as connection:
            connection.execute(
                "truncate people, missive_users, contacts, conversations, emails, files, persons, person_identities"
                " restart identity cascade"
            )

    def number(self) -> int:
        self._count += 1
        return self._count

    def company(self, name: str, *, own: bool = False, website: str | None = None, email: str | None = None) -> int:
        return self.one(
            "insert into companies (teamwork_id, name, is_own, website, email) values (%s, %s, %s, %s, %s)"
            " returning id",
            self.number(), name, own, website, email,
        )  # fmt: skip

    def teamwork(self, name: str, email: str | None, *, company: int | None = None, deleted: bool = False) -> int:
        first, _, last = name.rpartition(" ")
        return self.one(
            "insert into people (teamwork_id, name, first_name, last_name, email, company_id, deleted_at)"
            " values (%s, %s, %s, %s, %s, %s, case when %s then now() end) returning id",
            self.number(), name, first, last, email, company, deleted,
        )  # fmt: skip

    def user(self, name: str, email: str | None) -> int:
        return self.one(
            "insert into missive_users (missive_id, name, email) values (%s, %s, %s) returning id",
            f"u-{self.number()}", name, email,
        )  # fmt: skip

    def contact(self, name: str, *addresses: str, phone: str | None = None) -> int:
        first, _, last = name.rpartition(" ")
        contact = self.one(
            "insert into contacts (missive_id, name, first_name, last_name) values (%s, %s, %s, %s) returning id",
            f"c-{self.number()}", name or "(ohne)", first, last,
        )  # fmt: skip
        infos = [("email", each) for each in addresses] + ([("phone_number", phone)] if phone else [])
        for at, (kind, value) in enumerate(infos):
            self.rows("insert into contact_infos (contact_id, ordinal, kind, value) values (%s, %s, %s, %s)",
                      contact, at, kind, value)  # fmt: skip
        return contact

    def project(self, name: str, *, company: int | None = None, owner: int | None = None) -> int:
        return self.one(
            "insert into projects (teamwork_id, name, company_id, owner_id) values (%s, %s, %s, %s) returning id",
            self.number(), name, company, owner,
        )  # fmt: skip

    def task(self, project: int, *assignees: int, creator: int | None = None, at: str = AT) -> int:
        task = self.one(
            "insert into tasks (teamwork_id, name, project_id, creator_id, created_at)"
            " values (%s, 'Aufgabe', %s, %s, %s) returning id", self.number(), project, creator, at,
        )  # fmt: skip
        for each in assignees:
            self.rows("insert into task_assignees (task_id, kind, teamwork_assignee_id, person_id)"
                      " values (%s, 'person', %s, %s)", task, each, each)  # fmt: skip
        return task

    def conversation(self, *projects: int, state: str = "open") -> int:
        conversation = self.one(
            "insert into conversations (missive_id, state) values (%s, %s) returning id", f"k-{self.number()}", state
        )
        for each in projects:
            self.rows("insert into conversation_projects (conversation_id, project_id) values (%s, %s)",
                      conversation, each)  # fmt: skip
        return conversation

    def mail(
        self, sender: str, *to: str, name: str | None = None, conversation: int | None = None, at: str = AT
    ) -> int:
        mail = self.one(
            "insert into emails (missive_id, from_address, from_name, conversation_id, delivered_at)"
            " values (%s, lower(%s), %s, %s, %s) returning id",
            f"m-{self.number()}", sender, name, conversation or self.conversation(), at,
        )  # fmt: skip
        for ordinal, each in enumerate(to):
            self.rows("insert into email_recipients (email_id, kind, ordinal, address)"
                      " values (%s, 'to', %s, lower(%s))", mail, ordinal, each)  # fmt: skip
        return mail

    def file(self, owner: str, project: int | None = None, *, at: str = AT) -> int:
        name = f"datei-{self.number()}.pdf"
        return self.one(
            "insert into files (name, path, raw_path, extension, folder, size_bytes, modified_at, created_by, nas_url,"
            " project_id) values (%s, %s, %s, 'pdf', '_loose', 1, %s, %s, 'file:///x', %s) returning id",
            name, name, name.encode(), at, owner, project,
        )  # fmt: skip

    def person(self, key: str) -> int | None:
        """Whose an address, a card (by its name) or an owner of files is."""
        found = self.rows("select distinct person_id from person_identities where key = %s or name = %s", key, key)
        assert len(found) == 1, f"{key}: {found}"
        return found[0][0]

    def groups(self) -> set[frozenset[tuple[str, str]]]:
        """Who is one person, by kinds and labels of identities."""
        found: dict[Any, set[tuple[str, str]]] = {}
        for person, kind, label in self.rows("select coalesce(person_id, -id), kind, label from person_identities"):
            found.setdefault(person, set()).add((kind, label))
        return {frozenset(each) for each in found.values()}

    def participants(self, project: int) -> dict[str, str]:
        return dict(self.rows("select label, roles from project_participants where project_id = %s", project))

    def everything(self) -> list[list[tuple[Any, ...]]]:
        """All that a merging writes, versions of rows included: the same when nothing was written."""
        names = ("persons", "person_identities", "project_participants", "ops.person_anchors")
        return [self.rows(f"select xmin::text, ctid::text, t.* from {name} t order by t") for name in names]
