"""The statements that are the same for every table of a vendor's rows, but for names of tables and columns.

Written by hand they would be eighty times the same in sql/queries; names come from the vendor's tables.py only, values
never.
"""

from __future__ import annotations

from functools import cache
from typing import TYPE_CHECKING

from psycopg import sql

if TYPE_CHECKING:
    from collections.abc import Iterable

    from ibhelm_pipelines.vendors.tables import Bridge, Link, Table, Vendor

Statement = sql.Composed


@cache
def upsert(table: Table) -> Statement:
    """Write rows (a JSON array, `rows`) where they differ; return whether new, and deletion before and after."""
    template = """
        with old as materialized (
            select t.{id}, t.deleted_at from {table} t
            where t.{id} in (select r.{id} from jsonb_populate_recordset(null::{table}, %(rows)s) r)
        )
        insert into {table} as t ({id}, {columns})
        select r.{id}, {values} from jsonb_populate_recordset(null::{table}, %(rows)s) r
        left join old on old.{id} = r.{id}
        order by r.{id}
        on conflict ({id}) do update set {updates}
        where ({present}) is distinct from ({excluded})
        returning xmax = 0, (select o.deleted_at from old o where o.{id} = t.{id}), t.deleted_at
    """
    return sql.SQL(template).format(
        **_of(table),
        columns=_list(table.columns),
        values=sql.SQL(", ").join(_value(column) for column in table.columns),
        updates=sql.SQL(", ").join([*map(_update, table.columns), *map(_unlink, table.links)]),
        present=_list(table.columns, "t"),
        excluded=_list(table.columns, "excluded"),
    )


@cache
def own_ids(table: Table) -> Statement:
    """Return the vendor's ids among `ids`, and our ids of their rows."""
    return sql.SQL("select {id}, id from {table} where {id} = any(%(ids)s)").format(**_of(table))


@cache
def drop_members(bridge: Bridge) -> Statement:
    """Delete members of the rows `owners` (our ids) that are not among those of `members` (JSON)."""
    template = """
        delete from {bridge} b
        where b.{owner} = any(%(owners)s)
          and not exists (
              select from jsonb_populate_recordset(null::{bridge}, %(members)s) m
              where ({present}) = ({wanted})
          )
    """
    identity = (bridge.owner, *bridge.key)
    return sql.SQL(template).format(
        bridge=_name(bridge.table),
        owner=sql.Identifier(bridge.owner),
        present=_list(identity, "b"),
        wanted=_list(identity, "m"),
    )


@cache
def add_members(bridge: Bridge) -> Statement:
    """Write those members of `members` (JSON) that are missing or other."""
    template = """
        insert into {bridge} as b ({columns})
        select {wanted} from jsonb_populate_recordset(null::{bridge}, %(members)s) m
        on conflict ({identity}) {otherwise}
    """
    identity = (bridge.owner, *bridge.key)
    columns = (*identity, *bridge.values)
    return sql.SQL(template).format(
        bridge=_name(bridge.table),
        identity=_list(identity),
        columns=_list(columns),
        wanted=_list(columns, "m"),
        otherwise=_where_different(bridge) if bridge.values else sql.SQL("do nothing"),
    )


@cache
def link(table: str, link_: Link, vendor: Vendor) -> Statement:
    """Point rows that are not linked yet to rows that have come since."""
    template = """
        update {table} t set {column} = target.id from {target} target
        where t.{column} is null and target.{id} = t.{named} and {kind}
    """
    return sql.SQL(template).format(
        table=_name(table),
        column=sql.Identifier(link_.column),
        id=sql.Identifier(vendor.id_column),
        target=_name(link_.target),
        named=sql.Identifier(link_.named),
        kind=sql.SQL("t.kind = {}").format(link_.kind) if link_.kind else sql.SQL("true"),
    )


@cache
def links_around(table: Table, tables: tuple[Table, ...]) -> tuple[Statement, ...]:
    """Return what links new rows of a table: to what they name, and what of all tables named them before they came."""
    holders = [(each, holder, links) for each in tables for holder, links in _holders(each)]
    return tuple(
        link(holder, link_, owner.vendor)
        for owner, holder, links in holders
        for link_ in links
        if owner is table or link_.target == table.name
    )


def _holders(table: Table) -> list[tuple[str, tuple[Link, ...]]]:
    return [(table.name, table.links), *((bridge.table, bridge.links) for bridge in table.bridges)]


@cache
def unseen(table: Table) -> Statement:
    """List what is live here and was not among `seen`, but for what is hidden with its parent."""
    template = """
        select t.{id} from {table} t
        where t.deleted_at is null and t.{id} is not null
          and not exists (select from unnest(%(seen)s::{id_type}[]) as s (id) where s.id = t.{id}) and {visible}
        order by t.{id}
    """
    return sql.SQL(template).format(**_of(table), id_type=sql.SQL(table.vendor.id_type), visible=_visible(table))


@cache
def bury(table: Table) -> Statement:
    """Mark rows as deleted that the vendor knows no more."""
    template = "update {table} set deleted_at = now() where {id} = any(%(ids)s) and deleted_at is null returning 1"
    return sql.SQL(template).format(**_of(table))


@cache
def count_live(table: Table) -> Statement:
    """Count what the vendor has and did not delete."""
    return sql.SQL("select count(*) from {table} where deleted_at is null and {id} is not null").format(**_of(table))


def _where_different(bridge: Bridge) -> sql.Composed:
    return sql.SQL("do update set {} where ({}) is distinct from ({})").format(
        sql.SQL(", ").join(map(_update, bridge.values)), _list(bridge.values, "b"), _list(bridge.values, "excluded")
    )


def _visible(table: Table) -> sql.Composable:
    if table.hidden is None:
        return sql.SQL("true")
    template = "not exists (select from {parent} p where p.id = t.{column} and p." + table.hidden.gone + ")"
    return sql.SQL(template).format(parent=_name(table.hidden.parent), column=sql.Identifier(table.hidden.column))


def _of(table: Table) -> dict[str, sql.Identifier]:
    return {"table": _name(table.name), "id": sql.Identifier(table.vendor.id_column)}


def _name(table: str) -> sql.Identifier:
    return sql.Identifier("public", table)


def _list(columns: Iterable[str], of: str | None = None) -> sql.Composed:
    return sql.SQL(", ").join(sql.Identifier(of, each) if of else sql.Identifier(each) for each in columns)


def _value(column: str) -> sql.Composable:
    """What is deleted, nobody says when, is deleted since we learned of it."""
    if column != "deleted_at":
        return sql.Identifier("r", column)
    return sql.SQL("case when r.deleted_at = 'infinity' then coalesce(old.deleted_at, now()) else r.deleted_at end")


def _update(column: str) -> sql.Composed:
    return sql.SQL("{column} = excluded.{column}").format(column=sql.Identifier(column))


def _unlink(link_: Link) -> sql.Composed:
    """What points elsewhere now is linked anew."""
    template = "{column} = case when t.{named} is not distinct from excluded.{named} then t.{column} end"
    return sql.SQL(template).format(column=sql.Identifier(link_.column), named=sql.Identifier(link_.named))
