"""What a database holds, in numbers that a restored copy must repeat: rows of every table, and a checksum over rows
drawn at random.

Which rows are drawn depends on a seed and on their primary key alone, so the same ones are drawn in the copy. A
checksum is over the text of whole rows, with the session's formats fixed; no value and no key leaves the database.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from psycopg import sql

from ibhelm_pipelines.db.queries import load_queries

if TYPE_CHECKING:
    from collections.abc import Mapping

    from ibhelm_pipelines.db.connect import Connection

ROWS_DRAWN = 50
"""Of each table, about; of a small one all."""

_HEX_DIGITS = 8
_ALL = "g"
"""Later than every hex digit."""

_FORMATS = (
    "set local timezone = 'UTC'; set local datestyle = 'ISO, MDY'; set local intervalstyle = 'postgres';"
    " set local extra_float_digits = 1; set local bytea_output = 'hex'; set local xmlbinary = 'base64'"
)

# One reading of the table gives both; only of drawn rows are long values fetched.
_COUNT = """
select count(*), count(digest), coalesce(md5(string_agg(digest, '' order by digest)), '')
from (
    select case when md5(%(seed)s || {key}) collate "C" < %(below)s then md5(t::text) end as digest from {table} t
) as rows
"""


@dataclass(frozen=True, kw_only=True)
class TableCount:
    """What one table holds.

    Attributes:
        rows: how many.
        drawn: of how many of them the checksum is.
        below: which are drawn: those whose key, hashed with the seed, comes before this.
        checksum: over the drawn rows.
    """

    rows: int
    drawn: int
    below: str
    checksum: str


@dataclass(frozen=True, kw_only=True)
class _Table:
    schema: str
    name: str
    rows_estimated: int
    key_columns: list[str]

    @property
    def full_name(self) -> str:
        return f"{self.schema}.{self.name}"


def count_tables(
    connection: Connection, *, seed: str, like: Mapping[str, TableCount] | None = None
) -> dict[str, TableCount]:
    """Count all tables, as the connection's transaction sees them.

    Args:
        connection: in a transaction.
        seed: decides which rows are drawn.
        like: counts of the original: as many rows are drawn as there; those of tables that it lacks are as of new ones.
    """
    connection.execute(_FORMATS)
    tables = [_Table(schema=s, name=n, rows_estimated=r, key_columns=k) for s, n, r, k in _ask(connection, "tables")]
    known = like or {}
    return {
        table.full_name: _count(
            connection, table, seed, known[table.full_name].below if table.full_name in known else _below(table)
        )
        for table in tables
    }


def count_grants(connection: Connection) -> dict[str, int]:
    """Return how many rights to tables and sequences each role has that owns none of them."""
    return {str(role): int(count) for role, count in _ask(connection, "grants")}


def sequences_behind(connection: Connection) -> list[str]:
    """Return the sequences whose next value would be one that a row has already."""
    behind = []
    for schema, name, table_schema, table, column in _ask(connection, "owned_sequences"):
        statement = sql.SQL("select coalesce((select max({}) from {}) > (select last_value from {}), false)").format(
            sql.Identifier(column), sql.Identifier(table_schema, table), sql.Identifier(schema, name)
        )
        [(is_behind,)] = connection.execute(statement).fetchall()
        if is_behind:
            behind.append(f"{schema}.{name}")
    return behind


def _count(connection: Connection, table: _Table, seed: str, below: str) -> TableCount:
    key = sql.SQL(", ").join(sql.Identifier("t", column) for column in table.key_columns)
    statement = sql.SQL(_COUNT).format(  # a table without a primary key is told apart by its whole rows
        table=sql.Identifier(table.schema, table.name),
        key=sql.SQL("row({})::text").format(key) if table.key_columns else sql.SQL("t::text"),
    )
    [(rows, drawn, checksum)] = connection.execute(statement, {"seed": seed, "below": below}).fetchall()
    return TableCount(rows=rows, drawn=drawn, below=below, checksum=checksum)


def _below(table: _Table) -> str:
    if table.rows_estimated <= ROWS_DRAWN:
        return _ALL
    return f"{int(16**_HEX_DIGITS * ROWS_DRAWN / table.rows_estimated):0{_HEX_DIGITS}x}"


def _ask(connection: Connection, name: str) -> list[tuple[Any, ...]]:
    return connection.execute(load_queries("backups")[name]).fetchall()
