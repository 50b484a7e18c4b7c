"""Titles of tables.

NocoDB gives a table another title only by renaming it in Postgres. It shall not: so, for these few requests, it is
connected with a schema of stubs that carry the same names, and renames those, there and back. Its role owns the stubs
and nothing else; the schema is made and dropped by the owner of the database, here.

While a table has its name for between, NocoDB does not find it; a set-up that was interrupted just then is mended by
the next one, before NocoDB reads our tables anew (it would forget the views of a table that it does not find).
"""

from __future__ import annotations

from contextlib import contextmanager
from typing import TYPE_CHECKING

import psycopg
from psycopg import sql

from ibhelm_pipelines.db.connect import connect
from ibhelm_pipelines.errors import ConfigurationError
from ibhelm_pipelines.nocodb.base import connection_config, use_connection
from ibhelm_pipelines.nocodb.labels import table_title

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from ibhelm_pipelines.nocodb.base import Base
    from ibhelm_pipelines.nocodb.client import NocoDB
    from ibhelm_pipelines.nocodb.office import Made, Table

STUBS = "nocodb_titles"
BETWEEN = "__ibhelm"
"""What a name ends with while its table is being renamed."""


def interrupted(tables: Sequence[Table]) -> list[Table]:
    """Return the tables whose renaming was interrupted."""
    return [table for table in tables if table.name.endswith(BETWEEN)]


def untitled(tables: Sequence[Table], made: Made) -> list[Table]:
    """Return the tables whose title is not as it should be, but for those that a person named."""
    return [
        table
        for table in tables
        if table.title != table_title(table.name) and made.is_ours(f"table/{table.id}/title", table.title)
    ]


def give_titles(noco: NocoDB, base: Base, tables: Sequence[Table], made: Made, *, owner_url: str, url: str) -> None:
    """Give tables their titles.

    Args:
        owner_url: Postgres of the role that migrates.
        url: Postgres as NocoDB reaches it, with its role.

    Raises:
        ConfigurationError: the owner may not make a schema.
    """
    with _stubs(owner_url, url, [table.name for table in tables]):
        use_connection(noco, base, connection_config(url, STUBS))
        try:
            for table in tables:
                _rename(noco, base, table, made)
        finally:
            use_connection(noco, base, connection_config(url))


def _rename(noco: NocoDB, base: Base, table: Table, made: Made) -> None:
    name = table.name.removesuffix(BETWEEN)
    path, title = f"/api/v2/meta/tables/{table.id}", table_title(name)
    if name == table.name:
        noco.send("PATCH", path, {"base_id": base.id, "table_name": name + BETWEEN, "title": title + BETWEEN})
    noco.send("PATCH", path, {"base_id": base.id, "table_name": name, "title": title})
    made.note(f"table/{table.id}/title", title)


@contextmanager
def _stubs(owner_url: str, url: str, names: list[str]) -> Iterator[None]:
    schema = sql.Identifier(STUBS)
    drop = sql.SQL("drop schema if exists {} cascade").format(schema)
    role = sql.Identifier(connection_config(url)["connection"]["user"])
    with connect(owner_url, application="nocodb-setup", autocommit=True) as owner:
        try:
            owner.execute(drop)
            owner.execute(sql.SQL("create schema {}").format(schema))
        except psycopg.errors.InsufficientPrivilege as error:
            raise ConfigurationError(
                "German titles of tables need a schema for a moment, and the role that migrates may not make one.",
                next_step="Set IBHELM_OWNER_DATABASE_URL to a role with CREATE on the database, for this command.",
            ) from error
        try:
            owner.execute(sql.SQL("grant usage, create on schema {} to {}").format(schema, role))
            _make_stubs(url, names)
            yield
        finally:
            owner.execute(drop)


def _make_stubs(url: str, names: list[str]) -> None:
    with connect(url, application="nocodb-setup", autocommit=True) as connection:
        for name in names:
            connection.execute(sql.SQL("create table {} ()").format(sql.Identifier(STUBS, name)))
