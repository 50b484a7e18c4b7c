"""Writes links where they differ from what is there: derived ones are replaced, what persons decided wins and stays.

The statements are the same for every table of links but for names; names come from `BRIDGES` only, values never.
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import cache
from typing import TYPE_CHECKING, Literal

from psycopg import sql
from psycopg.types.json import Jsonb

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from ibhelm_pipelines.db.connect import Connection

ItemKind = Literal["file", "task", "conversation"]
Target = Literal["project", "cost_group", "location"]

BRIDGES: dict[ItemKind, tuple[Target, ...]] = {
    "file": ("cost_group", "location"),
    "task": ("cost_group", "location"),
    "conversation": ("project", "cost_group", "location"),
}
"""Which items have a table of links to what."""


@dataclass(frozen=True, kw_only=True)
class Link:
    """Why an item belongs to something.

    Attributes:
        rule: the name of the rule that decided.
        confidence: 0 to 1.
    """

    rule: str
    confidence: float


def write_links(
    connection: Connection,
    item: ItemKind,
    target: Target,
    ids: Sequence[int],
    links: Mapping[tuple[int, int], Link],
) -> int:
    """Let these items have these links and no others, but for what persons decided; return how many rows changed.

    Args:
        connection: in a transaction that holds the lock of the register.
        item: kind of the items.
        target: kind of what they are linked with.
        ids: the items, those without a link included (lesson 9).
        links: by ids of item and target.
    """
    rows = [{"item_id": item_id, "target_id": target_id, **vars(link)} for (item_id, target_id), link in links.items()]
    values = {"item": item, "target": target, "ids": list(ids), "links": Jsonb(rows)}
    dropped = connection.execute(_drop(item, target), values).rowcount
    return dropped + connection.execute(_put(item, target), values).rowcount


# Both statements hold the derived links that no person decided on, and those that persons made.
_DROP = """
    with wanted as (
        select r.item_id, r.target_id from jsonb_to_recordset(%(links)s) as r (item_id bigint, target_id bigint)
        where (r.item_id, r.target_id) not in (select item_id, target_id from public.link_decisions
                                               where item = %(item)s and target = %(target)s and item_id = any(%(ids)s))
        union all
        select item_id, target_id from public.link_decisions
        where item = %(item)s and target = %(target)s and item_id = any(%(ids)s) and is_linked
    )
    delete from {bridge} b
    where b.{item} = any(%(ids)s)
      and not exists (select from wanted w where w.item_id = b.{item} and w.target_id = b.{target})
"""
_PUT = """
    with wanted as (
        select r.item_id, r.target_id, r.rule, r.confidence
        from jsonb_to_recordset(%(links)s) as r (item_id bigint, target_id bigint, rule text, confidence numeric(3, 2))
        where (r.item_id, r.target_id) not in (select item_id, target_id from public.link_decisions
                                               where item = %(item)s and target = %(target)s and item_id = any(%(ids)s))
        union all
        select d.item_id, d.target_id, null, 1
        from public.link_decisions d join {targets} t on t.id = d.target_id
        where d.item = %(item)s and d.target = %(target)s and d.item_id = any(%(ids)s) and d.is_linked
    )
    insert into {bridge} as b ({item}, {target}, rule, confidence)
    select item_id, target_id, rule, confidence from wanted order by item_id, target_id
    on conflict ({item}, {target}) do update set rule = excluded.rule, confidence = excluded.confidence
    where (b.rule, b.confidence) is distinct from (excluded.rule, excluded.confidence)
"""


@cache
def _drop(item: ItemKind, target: Target) -> sql.Composed:
    return sql.SQL(_DROP).format(**_names(item, target))


@cache
def _put(item: ItemKind, target: Target) -> sql.Composed:
    return sql.SQL(_PUT).format(**_names(item, target))


def _names(item: ItemKind, target: Target) -> dict[str, sql.Identifier]:
    return {
        "bridge": sql.Identifier("public", f"{item}_{target}s"),
        "targets": sql.Identifier("public", f"{target}s"),
        "item": sql.Identifier(f"{item}_id"),
        "target": sql.Identifier(f"{target}_id"),
    }
