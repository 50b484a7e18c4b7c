"""The listing of the bucket and the rows of `ops.stored_objects`, side by side in the order of their keys.

Both come in pages and are merged as they come, so that 300,000 objects need no more memory than 300. Neither is one
moment: what is stored or removed meanwhile may show as a difference, so whoever acts on one looks at it again.
"""

from __future__ import annotations

from dataclasses import dataclass
from itertools import groupby
from typing import TYPE_CHECKING

from ibhelm_pipelines.db.queries import load_queries
from ibhelm_pipelines.objects.store import ORIGINALS, THUMBNAILS

if TYPE_CHECKING:
    import datetime as dt
    from collections.abc import Iterator

    from ibhelm_pipelines.db.connect import Connection
    from ibhelm_pipelines.objects.store import Listed, ObjectStore
    from ibhelm_pipelines.objects.versions import Version

PREFIXES = (ORIGINALS, THUMBNAILS)
"""Below which all objects have rows; what lies elsewhere in the bucket is the business of others."""

PAGE = 20_000
"""Rows that are read at a time: a few MiB."""


@dataclass(frozen=True, kw_only=True)
class Row:
    """An object as its row describes it."""

    key: str
    size: int
    verified_at: dt.datetime | None


@dataclass(frozen=True, kw_only=True)
class Found:
    """What lies under a key.

    Attributes:
        size: of the current version; None where the key has earlier versions only.
        modified_at: of the newest version.
        versions: all of them, in a bucket that keeps some.
    """

    key: str
    size: int | None
    modified_at: dt.datetime
    versions: tuple[Version, ...] = ()


def compare(connection: Connection, store: ObjectStore) -> Iterator[tuple[Row | None, Found | None]]:
    """Yield each key that has a row, an object, or both.

    Raises:
        ObjectStoreUnavailableError: the listing broke off; what came before says nothing about what is missing.
        ConfigurationError: the credentials or the bucket are wrong.
    """
    for prefix in PREFIXES:
        yield from _merge(_rows(connection, prefix), _found(store, prefix))


def _merge(rows: Iterator[Row], found: Iterator[Found]) -> Iterator[tuple[Row | None, Found | None]]:
    row, one = next(rows, None), next(found, None)
    while row is not None or one is not None:
        if one is None or (row is not None and row.key < one.key):
            yield row, None
            row = next(rows, None)
        elif row is None or one.key < row.key:
            yield None, one
            one = next(found, None)
        else:
            yield row, one
            row, one = next(rows, None), next(found, None)


def _rows(connection: Connection, prefix: str) -> Iterator[Row]:
    after = prefix
    while page := connection.execute(
        load_queries("mirror")["rows_below"], {"prefix": prefix, "after": after, "limit": PAGE}
    ).fetchall():
        for key, size, verified_at in page:
            yield Row(key=key, size=size, verified_at=verified_at)
        after = page[-1][0]


def _found(store: ObjectStore, prefix: str) -> Iterator[Found]:
    if not store.versions.are_kept:
        return (_plain(listed) for listed in store.list_objects(prefix))
    return (_of_versions(key, tuple(each)) for key, each in groupby(store.versions.below(prefix), lambda one: one.key))


def _plain(listed: Listed) -> Found:
    return Found(key=listed.key, size=listed.size, modified_at=listed.modified_at)


def _of_versions(key: str, versions: tuple[Version, ...]) -> Found:
    sizes = [version.size for version in versions if version.is_current and not version.is_marker]
    return Found(
        key=key,
        size=sizes[0] if sizes else None,
        modified_at=max(version.modified_at for version in versions),
        versions=versions,
    )
