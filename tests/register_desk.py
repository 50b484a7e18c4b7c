"""Rows for the register, written by hand, and what it made of them; by the names that people know them by."""

from __future__ import annotations

from contextlib import contextmanager
from typing import TYPE_CHECKING

import psycopg
from psycopg import sql

from ibhelm_pipelines.register.linking import LinkReport, link_items, link_some

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from ibhelm_pipelines.settings import Settings

_INSERT_FILE = """
    insert into files (name, path, raw_path, extension, folder, size_bytes, modified_at, nas_url, content_hash)
    values (%(name)s, %(path)s, convert_to(%(path)s, 'utf8'), %(extension)s, %(folder)s, 1, now(), '', %(hash)s)
    returning id
"""
_FOLDER = "insert into ops.folders (folder) values (%s) on conflict do nothing"


class Desk:
    """An office in a database, for the pipeline's role and for the office's (`as_office`)."""

    def __init__(self, settings: Settings, owner_url: str) -> None:
        self.settings, self._owner_url = settings, owner_url
        self._vendor_id = 1000

    def run(self, statement: str, *values: object) -> list[tuple[object, ...]]:
        with psycopg.connect(self.settings.require_database_url()) as connection:
            cursor = connection.execute(statement, values)
            return cursor.fetchall() if cursor.description else []

    def run_as_owner(self, *statements: str) -> None:
        """What no role of ours may do."""
        with psycopg.connect(self._owner_url) as connection:
            for statement in statements:
                connection.execute(statement)

    @contextmanager
    def as_office(self) -> Iterator[psycopg.Connection]:
        """What somebody does in NocoDB."""
        with psycopg.connect(self._owner_url) as connection:
            connection.execute("set role ibhelm_nocodb")
            yield connection

    def link(self) -> LinkReport:
        return link_items(self.settings)

    def link_file(self, number: int) -> LinkReport:
        return link_some(self.settings, "file", [number])

    def project(self, name: str) -> int:
        return self._new("insert into projects (teamwork_id, name) values (%s, %s) returning id", self._next(), name)

    def file(self, path: str, *, text: str | None = None, depth: int = 2) -> int:
        """A live file; its folder is its project folder."""
        parts = path.split("/")
        folder = "/".join(parts[:depth]) if len(parts) > depth else "_loose"
        self.run(_FOLDER, folder)
        content = self._content(text)
        name = parts[-1]
        extension = name.rpartition(".")[2].lower() if "." in name else ""
        values = {"name": name, "path": path, "extension": extension, "folder": folder, "hash": content}
        with psycopg.connect(self.settings.require_database_url()) as connection:
            return _one(connection.execute(_INSERT_FILE, values))

    def move(self, number: int, path: str) -> None:
        folder = "/".join(path.split("/")[:2])
        self.run(_FOLDER, folder)
        self.run("update files set path = %s, folder = %s, name = %s where id = %s",
                 path, folder, path.rpartition("/")[2], number)  # fmt: skip

    def task(self, project: int, *tags: str, name: str = "Prüfen") -> int:
        task = self._new(
            "insert into tasks (teamwork_id, name, project_id) values (%s, %s, %s) returning id",
            self._next(), name, project,
        )  # fmt: skip
        for tag in tags:
            self.tag(task, tag)
        return task

    def tag(self, task: int, name: str) -> None:
        vendor_id = self._next()
        known = self.run("select id, teamwork_id from tags where name = %s", name)
        tag, vendor_id = known[0] if known else (
            self._new("insert into tags (teamwork_id, name) values (%s, %s) returning id", vendor_id, name), vendor_id
        )  # fmt: skip
        self.run("insert into task_tags (task_id, teamwork_tag_id, tag_id) values (%s, %s, %s)", task, vendor_id, tag)

    def untag(self, task: int, name: str) -> None:
        self.run(
            "delete from task_tags b using tags t where t.id = b.tag_id and b.task_id = %s and t.name = %s", task, name
        )

    def conversation(self, *subjects: str, labels: Sequence[str] = ()) -> int:
        conversation = self._new("insert into conversations (missive_id) values (%s) returning id", f"c{self._next()}")
        for subject in subjects:
            self.run("insert into emails (missive_id, subject, conversation_id) values (%s, %s, %s)",
                     f"m{self._next()}", subject, conversation)  # fmt: skip
        for label in labels:
            self.label(conversation, label)
        return conversation

    def label(self, conversation: int, name: str, *, below: str | None = None) -> None:
        parent = self._label(below) if below else None
        label = self._label(name)
        self.run("update labels set parent_id = coalesce(%s, parent_id) where id = %s", parent, label)
        self.run("insert into conversation_labels (conversation_id, missive_label_id, label_id) values (%s, %s, %s)",
                 conversation, f"l{label}", label)  # fmt: skip

    def rule(self, decides: str, reads: str, pattern: str, **columns: object) -> int:
        """A rule that somebody adds in NocoDB."""
        names = ["name", "decides", "reads", "pattern", *columns]
        values = [f"{decides} {reads} {pattern}", decides, reads, pattern, *columns.values()]
        statement = sql.SQL("insert into link_rules ({}) values ({}) returning id").format(
            sql.SQL(", ").join(map(sql.Identifier, names)), sql.SQL(", ").join(sql.Placeholder() * len(names))
        )
        with self.as_office() as connection:
            return _one(connection.execute(statement, values))

    def cost_groups(self, item: str, number: int) -> list[int]:
        statement = sql.SQL(
            "select g.number from {bridge} b join cost_groups g on g.id = b.cost_group_id"
            " where b.{item} = %s order by 1"
        ).format(bridge=sql.Identifier(f"{item}_cost_groups"), item=sql.Identifier(f"{item}_id"))
        with psycopg.connect(self.settings.require_database_url()) as connection:
            return [int(found) for (found,) in connection.execute(statement, [number])]

    def places(self, item: str, number: int) -> list[str]:
        statement = sql.SQL(
            "select p.name || ': ' || l.label from {bridge} b join locations l on l.id = b.location_id"
            " join projects p on p.id = l.project_id where b.{item} = %s order by 1"
        ).format(bridge=sql.Identifier(f"{item}_locations"), item=sql.Identifier(f"{item}_id"))
        with psycopg.connect(self.settings.require_database_url()) as connection:
            return [str(label) for (label,) in connection.execute(statement, [number])]

    def projects_of(self, conversation: int) -> list[int]:
        return self._numbers(
            "select project_id from conversation_projects where conversation_id = %s order by 1", conversation
        )

    def of_file(self, number: int, column: str) -> object:
        statement = sql.SQL("select {} from files where id = %s").format(sql.Identifier(column))
        with psycopg.connect(self.settings.require_database_url()) as connection:
            row = connection.execute(statement, [number]).fetchone()
        return row[0] if row else None

    def document_type(self, number: int) -> object:
        rows = self.run(
            "select t.name from files f join document_types t on t.id = f.document_type_id where f.id = %s", number
        )
        return rows[0][0] if rows else None

    def _numbers(self, statement: str, *values: object) -> list[int]:
        return [int(str(number)) for (number,) in self.run(statement, *values)]

    def _label(self, name: str) -> int:
        known = self.run("select id from labels where name = %s", name)
        if known:
            return int(str(known[0][0]))
        return self._new("insert into labels (missive_id, name, full_name) values (%s, %s, %s) returning id",
                         f"l{self._next()}", name, name)  # fmt: skip

    def _content(self, text: str | None) -> str | None:
        if text is None:
            return None
        content = f"{self._next():064x}"
        self.run("insert into contents (hash, size_bytes) values (%s, 1)", content)
        self.run("insert into content_texts (content_hash, text) values (%s, %s)", content, text)
        return content

    def _new(self, statement: str, *values: object) -> int:
        return int(str(self.run(statement, *values)[0][0]))

    def _next(self) -> int:
        self._vendor_id += 1
        return self._vendor_id


def _one(cursor: psycopg.Cursor[tuple[object, ...]]) -> int:
    row = cursor.fetchone()
    assert row is not None
    return int(str(row[0]))
