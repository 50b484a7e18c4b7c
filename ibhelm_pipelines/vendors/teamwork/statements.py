"""The statements that are the same for every table of Teamwork's rows, but for names of tables and columns.

Written by hand they would be forty times the same in sql/queries; names come from tables.py only, values never.
"""

from __future__ import annotations

from functools import cache
from typing import TYPE_CHECKING

from psycopg import sql

from ibhelm_pipelines.vendors.teamwork.tables import TABLES

if TYPE_CHECKING:
    from collections.abc import Iterable

    from ibhelm_pipelines.vendors.teamwork.tables import Bridge, Link, Table

Statement = sql.Composed


@cache
def upsert(table: Table) -> Statement:
    """Write rows (a JSON array, `rows`) where they differ; return whether new, and deletion before and after."""
    template = """
        with old as materialized (
            select t.teamwork_id, t.deleted_at from {table} t
            where t.teamwork_id in (select r.teamwork_id from jsonb_populate_recordset(null::{table}, %(rows)s) r)
        )
        insert into {table} as t (teamwork_id, {columns})
        select r.teamwork_id, {values} from jsonb_populate_recordset(null::{table}, %(rows)s) r
        left join old on old.teamwork_id = r.teamwork_id
        order by r.teamwork_id
        on conflict (teamwork_id) do update set {updates}
        where ({present}) is distinct from ({excluded})
        returning xmax = 0, (select o.deleted_at from old o where o.teamwork_id = t.teamwork_id), t.deleted_at
    """
    return sql.SQL(template).format(
        table=_name(table.name),
        columns=_list(table.columns),
        values=sql.SQL(", ").join(_value(column) for column in table.columns),
        updates=sql.SQL(", ").join([*map(_update, table.columns), *map(_unlink, table.links)]),
        present=_list(table.columns, "t"),
        excluded=_list(table.columns, "excluded"),
    )


@cache
def drop_members(table: Table, bridge: Bridge) -> Statement:
    """Delete members of the rows `owners` that are not among those of `members` (JSON, with the owner's id)."""
    template = """
        delete from {bridge} b using {table} t
        where b.{owner} = t.id and t.teamwork_id = any(%(owners)s)
          and not exists (
              select from jsonb_populate_recordset(null::{bridge}, %(members)s) m
              where m.{owner} = t.teamwork_id and ({present}) = ({wanted})
          )
    """
    return _of_bridge(template, table, bridge)


@cache
def add_members(table: Table, bridge: Bridge) -> Statement:
    """Write those members of `members` that are missing or other; their owner is named by Teamwork's id."""
    template = """
        insert into {bridge} as b ({owner}, {columns})
        select t.id, {wanted} from jsonb_populate_recordset(null::{bridge}, %(members)s) m
        join {table} t on t.teamwork_id = m.{owner}
        on conflict ({owner}, {key}) {otherwise}
    """
    return _of_bridge(template, table, bridge)


@cache
def link(table: str, link_: Link) -> Statement:
    """Point rows that are not linked yet to rows that have come since."""
    template = """
        update {table} t set {column} = target.id from {target} target
        where t.{column} is null and target.teamwork_id = t.{named} and {kind}
    """
    return sql.SQL(template).format(
        table=_name(table),
        column=sql.Identifier(link_.column),
        target=_name(link_.target),
        named=sql.Identifier(link_.named),
        kind=sql.SQL("t.kind = {}").format(link_.kind) if link_.kind else sql.SQL("true"),
    )


@cache
def links_around(table: Table) -> tuple[Statement, ...]:
    """Return what links new rows of a table: to what they name, and what named them before they came."""
    holders = [(each, holder, links) for each in TABLES for holder, links in _holders(each)]
    return tuple(
        link(holder, link_)
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
        select t.teamwork_id from {table} t
        where t.deleted_at is null and t.teamwork_id is not null
          and not exists (select from unnest(%(seen)s::bigint[]) as s (id) where s.id = t.teamwork_id) and {visible}
        order by t.teamwork_id
    """
    return sql.SQL(template).format(table=_name(table.name), visible=_visible(table))


@cache
def bury(table: Table) -> Statement:
    """Mark rows as deleted that Teamwork knows no more."""
    template = """
        update {table} set deleted_at = now() where teamwork_id = any(%(ids)s) and deleted_at is null returning 1
    """
    return sql.SQL(template).format(table=_name(table.name))


@cache
def count_live(table: Table) -> Statement:
    """Count what Teamwork has and did not delete."""
    return sql.SQL("select count(*) from {table} where deleted_at is null and teamwork_id is not null").format(
        table=_name(table.name)
    )


def _of_bridge(template: str, table: Table, bridge: Bridge) -> Statement:
    columns = (*bridge.key, *bridge.values)
    return sql.SQL(template).format(
        bridge=_name(bridge.table),
        table=_name(table.name),
        owner=sql.Identifier(bridge.owner),
        key=_list(bridge.key),
        columns=_list(columns),
        present=_list(bridge.key, "b"),
        wanted=_list(columns if "insert" in template else bridge.key, "m"),
        otherwise=_where_different(bridge) if bridge.values else sql.SQL("do nothing"),
    )


def _where_different(bridge: Bridge) -> sql.Composed:
    return sql.SQL("do update set {} where ({}) is distinct from ({})").format(
        sql.SQL(", ").join(map(_update, bridge.values)), _list(bridge.values, "b"), _list(bridge.values, "excluded")
    )


def _visible(table: Table) -> sql.Composable:
    if table.hidden is None:
        return sql.SQL("true")
    template = "not exists (select from {parent} p where p.id = t.{column} and p." + table.hidden.gone + ")"
    return sql.SQL(template).format(parent=_name(table.hidden.parent), column=sql.Identifier(table.hidden.column))


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
