"""Takes paths that must be forgotten out of every manifest in the bucket, new and old.

Whatever kills it leaves readable manifests: new ones are written first, then the index that names them, then the old
index goes, then the old manifests. Run again, it finds what is left.
"""

from __future__ import annotations

import tempfile
from dataclasses import replace
from typing import TYPE_CHECKING

from ibhelm_pipelines.objects.store import ObjectStore
from ibhelm_pipelines.safety.manifest_format import ManifestFile, read_versions
from ibhelm_pipelines.safety.manifest_store import (
    delete_unnamed,
    index_keys,
    opened_manifest,
    put_index,
    put_manifest,
    read_index,
)
from ibhelm_pipelines.safety.manifests import only_writer

if TYPE_CHECKING:
    from collections.abc import Collection

    from ibhelm_pipelines.safety.manifest_format import Entry
    from ibhelm_pipelines.settings import Settings


def forget_manifests(settings: Settings, raw_paths: Collection[bytes]) -> int:
    """Take paths, and all below them, out of every manifest; return how many manifests were rewritten or dropped.

    Args:
        settings: of this process.
        raw_paths: files and folders below the NAS root, as bytes.

    Raises:
        BusyError: somebody writes manifests now.
        DatabaseUnavailableError, ObjectStoreUnavailableError, ConfigurationError: run it again.
    """
    if not raw_paths:
        return 0
    with only_writer(settings), ObjectStore(settings) as store:
        forgetting = _Forgetting(store, raw_paths)
        for key in index_keys(store):
            forgetting.clean(key)
        delete_unnamed(store, index_keys(store))
    return forgetting.rewritten


class _Forgetting:
    """One run; each manifest is looked at once, however many indexes name it."""

    def __init__(self, store: ObjectStore, raw_paths: Collection[bytes]) -> None:
        self._store, self._exact = store, frozenset(raw_paths)
        self._below = tuple(path + b"/" for path in raw_paths)
        self._cleaned: dict[str, Entry | None] = {}
        self.rewritten = 0

    def clean(self, key: str) -> None:
        """Write an index anew that names what must go. A damaged one goes: nobody can say what it names."""
        index = read_index(self._store, key)
        if index is None:
            self._store.delete(key)
            return
        cleaned = tuple(entry for each in index.entries if (entry := self._entry(each)) is not None)
        if cleaned != index.entries:
            put_index(self._store, replace(index, entries=cleaned))
            self._store.delete(key)

    def _entry(self, entry: Entry) -> Entry | None:
        """Return the manifest without these paths; None where nothing is left.

        A damaged one goes, because nobody can say what it holds; the index still names it, so that a restore takes an
        older one instead of believing that there was nothing, and the next writing mends it.
        """
        if entry.key not in self._cleaned:
            self._cleaned[entry.key] = self._rewrite(entry)
            self.rewritten += self._cleaned[entry.key] != entry
        found = self._cleaned[entry.key]
        return None if found is None else replace(found, raw_folder=entry.raw_folder)

    def _rewrite(self, entry: Entry) -> Entry | None:
        with opened_manifest(self._store, entry) as old, tempfile.TemporaryFile() as new:
            if old is None:
                self._store.delete(entry.key)
                return entry
            manifest = ManifestFile(new)
            for version in read_versions(old):
                if not self._must_go(version.file.raw_path):
                    manifest.add(version)
            cleaned = manifest.finish(entry.raw_folder)
            if cleaned.versions == entry.versions:
                return entry
            if not cleaned.versions:
                return None
            put_manifest(self._store, cleaned, new)
        return cleaned

    def _must_go(self, raw_path: bytes) -> bool:
        return raw_path in self._exact or raw_path.startswith(self._below)
