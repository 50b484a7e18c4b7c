"""What a table of a vendor's rows is: its columns, which of them point to which other table, which bridges hang on it.

The upserts, the links and the reconciling are the same for all tables of all vendors (statements.py, store.py).
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any, LiteralString, Protocol

DELETED_SOMETIME = "infinity"
"""`deleted_at` of what is deleted, the vendor does not say when: the time at which we learned it will be taken."""

VendorId = int | str
"""Teamwork's are numbers, Missive's texts."""

Row = Mapping[str, Any]
"""A body as the vendor sent it, with its `id`."""


@dataclass(frozen=True, kw_only=True)
class Vendor:
    """Whose rows they are.

    Attributes:
        name: as in the names of the settings; of the columns that hold its ids, and in ops tables.
        id_type: of these columns.
        id_of: makes an id of what stands in a body.
    """

    name: str
    id_type: LiteralString
    id_of: Callable[[Any], VendorId]

    @property
    def id_column(self) -> str:
        return f"{self.name}_id"

    @property
    def title(self) -> str:
        return self.name.capitalize()


@dataclass(frozen=True, kw_only=True)
class Link:
    """A column with the vendor's id of another thing, and the column with our own id of it.

    Attributes:
        target: table of the other thing.
        kind: value of the column `kind` for which this holds; empty where there is no such column.
    """

    named: str
    column: str
    target: str
    kind: str = ""


@dataclass(frozen=True, kw_only=True)
class Bridge:
    """A set that hangs on a row: one row of its table for each member.

    Attributes:
        owner: column with our id of the row.
        key: columns that tell members apart, beside the owner; none where there is one at most.
        values: further columns of a member.
        links: of the members.
    """

    table: str
    owner: str
    key: tuple[str, ...]
    values: tuple[str, ...] = ()
    links: tuple[Link, ...] = ()


@dataclass(frozen=True, kw_only=True)
class Hidden:
    """A parent that takes its children out of the vendor's lists when it is gone, though nobody deleted them.

    Attributes:
        column: ours, with the parent's id.
        gone: of the parent's row.
    """

    column: str
    parent: str
    gone: LiteralString


@dataclass(frozen=True, kw_only=True)
class Table:
    """A table with a column for the vendor's id, and with `deleted_at`.

    Attributes:
        columns: what the vendor says, beside the id.
        hidden: what takes its rows out of the vendor's lists, if something does.
    """

    vendor: Vendor
    name: str
    columns: tuple[str, ...]
    links: tuple[Link, ...] = ()
    bridges: tuple[Bridge, ...] = ()
    hidden: Hidden | None = None


@dataclass(frozen=True, kw_only=True)
class Record:
    """One row in the making.

    Attributes:
        vendor_id: the vendor's id of the thing.
        values: columns of the table, without the id.
        members: rows of each bridge, without the owner; a bridge that is not named is left as it is.
    """

    vendor_id: VendorId
    values: dict[str, Any]
    members: dict[str, list[dict[str, Any]]] = field(default_factory=dict)


class Kind(Protocol):
    """A kind of things that a vendor has.

    Attributes:
        name: in ops tables.
        asset: to which it belongs.
        read: makes a row of a body, given the address of the vendor's site, for links that people click; raises
            ValueError, TypeError, KeyError or AttributeError for what it does not understand.
    """

    @property
    def name(self) -> str: ...
    @property
    def asset(self) -> str: ...
    @property
    def table(self) -> Table: ...
    @property
    def read(self) -> Callable[[Any, str], Record]: ...
