"""What there is to be shown: our columns as Postgres has them, and the tables as NocoDB has them.

Which column may be written is asked of Postgres, for the role that NocoDB uses: the grants are the only truth, and
NocoDB is told what they say.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

from psycopg.types.json import Jsonb

from ibhelm_pipelines.db.queries import load_queries

if TYPE_CHECKING:
    from collections.abc import Mapping

    from ibhelm_pipelines.db.connect import Connection
    from ibhelm_pipelines.nocodb.client import NocoDB

_QUERIES = load_queries("nocodb")


@dataclass(frozen=True, kw_only=True)
class OurColumn:
    """One column of ours.

    Attributes:
        is_writable: whether NocoDB's role may write it, in a row that is there or in a new one.
        choices: the words that a constraint allows; empty where there is none.
    """

    is_writable: bool
    choices: tuple[str, ...]


Office = dict[str, dict[str, OurColumn]]
"""Our columns by name, by table."""


def read_office(connection: Connection, role: str) -> Office:
    """Return the tables and views of the office, as NocoDB's role may use them."""
    office: Office = {}
    for table, column, is_writable, choices in connection.execute(_QUERIES["columns"], {"role": role}):
        office.setdefault(table, {})[column] = OurColumn(is_writable=is_writable, choices=tuple(choices))
    return office


@dataclass(frozen=True, kw_only=True)
class Column:
    """One column as NocoDB has it; a link is a column there, without one in Postgres.

    Attributes:
        id: NocoDB's own.
        name: in Postgres; of a link nothing that means anything.
        title: what people read.
        kind: NocoDB's type, such as LongText, ForeignKey, Links.
        link: of a link which kind it is (bt: to one row, hm: from many, mm: both ways); else None.
        body: all that NocoDB says of it.
    """

    id: str
    name: str
    title: str
    kind: str
    link: str | None
    body: Mapping[str, Any]

    @property
    def options(self) -> Mapping[str, Any]:
        return self.body.get("colOptions") or {}


@dataclass(frozen=True, kw_only=True)
class Table:
    """One table as NocoDB has it."""

    id: str
    name: str
    title: str
    order: float
    columns: tuple[Column, ...]
    views: tuple[Mapping[str, Any], ...]

    def column(self, name: str) -> Column | None:
        """Return the column of this name in Postgres."""
        return next((column for column in self.columns if column.link is None and column.name == name), None)


def read_table(noco: NocoDB, table_id: str) -> Table:
    """Return one table as it is now in NocoDB."""
    body = noco.get(f"/api/v2/meta/tables/{table_id}")
    columns = tuple(_column(each) for each in body["columns"])
    return Table(
        id=table_id,
        name=body["table_name"],
        title=body["title"],
        order=float(body["order"] or 0),
        columns=columns,
        views=tuple(body["views"]),
    )


def _column(body: Mapping[str, Any]) -> Column:
    is_link = body["uidt"] in ("LinkToAnotherRecord", "Links")
    return Column(
        id=body["id"],
        name=body["column_name"] or "",
        title=body["title"],
        kind=body["uidt"],
        link=(body.get("colOptions") or {}).get("type") if is_link else None,
        body=body,
    )


@dataclass(frozen=True, kw_only=True)
class Made:
    """What the set-up wrote into one base, so that it can tell its own work from a person's.

    A thing that NocoDB shows as we wrote it is ours, and may be brought up to date. Anything else a person changed.
    """

    connection: Connection
    base_id: str
    things: dict[str, Any] = field(default_factory=dict)

    @classmethod
    def read(cls, connection: Connection, base_id: str) -> Made:
        rows = connection.execute(_QUERIES["made"], {"base": base_id})
        return cls(connection=connection, base_id=base_id, things=dict(rows.fetchall()))

    def note(self, thing: str, value: Any) -> None:
        """Remember what was written."""
        if thing not in self.things or self.things[thing] != value:
            self.things[thing] = value
            values = {"base": self.base_id, "thing": thing, "value": Jsonb(value)}
            self.connection.execute(_QUERIES["note_made"], values)

    def is_ours(self, thing: str, current: Any) -> bool:
        """Whether it still is as we wrote it, or was never written."""
        return thing not in self.things or self.things[thing] == current
