"""Manifests and their indexes in the bucket: found, read with their hash checked, thinned out.

Nothing is believed that does not hash to what its name says. A damaged one is passed over, and whoever asked is told.
"""

from __future__ import annotations

import hashlib
import io
import tempfile
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, BinaryIO

from ibhelm_pipelines.objects.fetching import Fetched, fetch
from ibhelm_pipelines.safety.manifest_format import FOLDERS, INDEXES, Index, index_time

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator

    from ibhelm_pipelines.objects.store import ObjectStore
    from ibhelm_pipelines.safety.manifest_format import Entry

DAILY, WEEKLY, MONTHLY = 7, 5, 12
"""Of so many last days, weeks and months the newest index is kept."""

INDEX_TYPE = "application/json"
MANIFEST_TYPE = "application/gzip"


def index_keys(store: ObjectStore) -> list[str]:
    """Return the keys of all indexes, the newest first."""
    return sorted((key for key in store.list_keys(INDEXES) if index_time(key)), reverse=True)


def read_index(store: ObjectStore, key: str) -> Index | None:
    """Return an index; None where it is damaged, gone, or of a format that we do not know."""
    stored = store.head(key)
    if stored is None:
        return None
    buffer, sha256 = io.BytesIO(), key.rpartition("-")[2].removesuffix(".json")
    if fetch(store, key, buffer, sha256=sha256, size=stored.size) is not Fetched.WHOLE:
        return None
    try:
        return Index.from_bytes(buffer.getvalue())
    except (ValueError, KeyError, TypeError):
        return None


def put_index(store: ObjectStore, index: Index) -> None:
    """Write an index; the manifests that it names are there."""
    data = index.to_bytes()
    store.put_bytes(index.key, data, sha256=hashlib.sha256(data).hexdigest(), media_type=INDEX_TYPE)


def put_manifest(store: ObjectStore, entry: Entry, file: BinaryIO) -> int:
    """Write a manifest; return how many bytes it has."""
    size = file.seek(0, io.SEEK_END)
    store.put_file(entry.key, file, sha256=entry.sha256, size=size, media_type=MANIFEST_TYPE)
    return size


@contextmanager
def opened_manifest(store: ObjectStore, entry: Entry) -> Iterator[BinaryIO | None]:
    """Give a manifest as a local file whose hash is right; None where it is damaged or gone."""
    stored = store.head(entry.key)
    with tempfile.TemporaryFile() as file:
        is_whole = stored is not None and (
            fetch(store, entry.key, file, sha256=entry.sha256, size=stored.size) is Fetched.WHOLE
        )
        file.seek(0)
        yield file if is_whole else None


def is_whole(store: ObjectStore, entry: Entry) -> bool:
    """Read a manifest back and tell whether it is there as it was written."""
    stored = store.head(entry.key)
    with Path("/dev/null").open("wb") as nowhere:
        return stored is not None and (
            fetch(store, entry.key, nowhere, sha256=entry.sha256, size=stored.size) is Fetched.WHOLE
        )


def thin_out(store: ObjectStore) -> int:
    """Delete the indexes that are no longer kept, then the manifests that none of the others names; return how many.

    The caller is the only writer. What the newest index names stays in any case.
    """
    keys = index_keys(store)
    kept = _kept(keys)
    for key in keys:
        if key not in kept:
            store.delete(key)
    return delete_unnamed(store, kept)


def delete_unnamed(store: ObjectStore, keys: Iterable[str]) -> int:
    """Delete the manifests that none of these indexes names; return how many."""
    indexes = [index for key in keys if (index := read_index(store, key))]
    if not indexes:
        return 0
    named = {entry.key for index in indexes for entry in index.entries}
    unnamed = [key for key in store.list_keys(FOLDERS) if key not in named]
    for key in unnamed:
        store.delete(key)
    return len(unnamed)


def _kept(keys: list[str]) -> set[str]:
    """Return the newest of all, and the newest of each of the last days, weeks and months that have one."""
    kept = set(keys[:1])
    for period, count in (("%Y-%m-%d", DAILY), ("%G-%V", WEEKLY), ("%Y-%m", MONTHLY)):
        newest: dict[str, str] = {}
        for key in keys:
            moment = index_time(key)
            assert moment is not None
            newest.setdefault(moment.strftime(period), key)
        kept |= set(list(newest.values())[:count])
    return kept
