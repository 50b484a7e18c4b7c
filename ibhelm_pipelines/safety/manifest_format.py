"""What the manifests in the bucket look like, so that originals are found again with nothing but the bucket.

`manifests/folders/<sha256>.jsonl.gz`: all versions of the files of one folder, one JSON object a line, sorted by the
bytes of the path; the same versions make the same bytes, and the key is their SHA-256.
`manifests/index/<time>-<sha256>.json`: names the manifests of one day; written last, its key holds its own SHA-256.

docs/restore.md shows how to read them without us; who changes them makes a new FORMAT and goes on reading the old one.
"""

from __future__ import annotations

import base64
import datetime as dt
import gzip
import hashlib
import json
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, BinaryIO

from ibhelm_pipelines.nas.names import display
from ibhelm_pipelines.safety.past import PastFile

if TYPE_CHECKING:
    from collections.abc import Iterator

FOLDERS = "manifests/folders/"
INDEXES = "manifests/index/"
FORMAT = "ibhelm manifests 1"

_LEVEL = 6
_STAMP = "%Y-%m-%dT%H%M%S.%fZ"


@dataclass(frozen=True, kw_only=True)
class Version:
    """Where a file was and what it held, from when to when."""

    version_id: int
    file_id: int
    file: PastFile
    valid_from: dt.datetime
    valid_to: dt.datetime | None

    def holds_at(self, moment: dt.datetime) -> bool:
        """Tell whether it was so at a moment."""
        return self.valid_from <= moment and (self.valid_to is None or moment < self.valid_to)

    def as_line(self) -> bytes:
        """Return the line of a manifest."""
        row = {
            **self.file.as_json(),
            "file": self.file_id,
            "version": self.version_id,
            "from": _moment(self.valid_from),
            "to": None if self.valid_to is None else _moment(self.valid_to),
        }
        return json.dumps(row, ensure_ascii=True, separators=(",", ":")).encode() + b"\n"

    @classmethod
    def from_line(cls, line: bytes) -> Version:
        """Read the line of a manifest.

        Raises:
            ValueError, KeyError, TypeError: it is none.
        """
        row = json.loads(line)
        return cls(
            version_id=row["version"],
            file_id=row["file"],
            file=PastFile(
                raw_path=base64.b64decode(row["raw_path"], validate=True),
                sha256=row["sha256"],
                size=row["size"],
                mtime_ns=row["mtime_ns"],
            ),
            valid_from=dt.datetime.fromisoformat(row["from"]),
            valid_to=None if row["to"] is None else dt.datetime.fromisoformat(row["to"]),
        )


def _moment(moment: dt.datetime) -> str:
    """All in UTC and of one length, so that they can be compared as text."""
    return moment.astimezone(dt.UTC).isoformat(timespec="microseconds")


@dataclass(frozen=True, kw_only=True)
class Entry:
    """One folder in an index.

    Attributes:
        raw_folder: below the NAS root; empty for the files above all project folders.
        sha256: of the manifest's bytes, which its key holds, too.
    """

    raw_folder: bytes
    sha256: str
    versions: int

    @property
    def key(self) -> str:
        """Where the manifest lies."""
        return f"{FOLDERS}{self.sha256}.jsonl.gz"

    @property
    def folder(self) -> str:
        """The folder as people read it."""
        return display(self.raw_folder)


@dataclass(frozen=True, kw_only=True)
class Index:
    """The manifests of one day.

    Attributes:
        as_of: until when nothing is missing in them.
    """

    written_at: dt.datetime
    as_of: dt.datetime
    entries: tuple[Entry, ...]

    def to_bytes(self) -> bytes:
        """Return the object."""
        folders = [
            {
                "folder": entry.folder,
                "raw_folder": base64.b64encode(entry.raw_folder).decode(),
                "key": entry.key,
                "sha256": entry.sha256,
                "versions": entry.versions,
            }
            for entry in self.entries
        ]
        body = {
            "format": FORMAT,
            "written_at": _moment(self.written_at),
            "as_of": _moment(self.as_of),
            "folders": folders,
        }
        return json.dumps(body, indent=1, ensure_ascii=True).encode()

    @classmethod
    def from_bytes(cls, data: bytes) -> Index:
        """Read the object.

        Raises:
            ValueError, KeyError, TypeError: it is none.
        """
        body: dict[str, Any] = json.loads(data)
        if body["format"] != FORMAT:
            raise ValueError(f"it is of the format {body['format']!r}")
        entries = (
            Entry(raw_folder=base64.b64decode(each["raw_folder"]), sha256=each["sha256"], versions=each["versions"])
            for each in body["folders"]
        )
        return cls(
            written_at=dt.datetime.fromisoformat(body["written_at"]),
            as_of=dt.datetime.fromisoformat(body["as_of"]),
            entries=tuple(entries),
        )

    @property
    def key(self) -> str:
        """Where it lies: sorted by name, the newest is the last."""
        stamp = self.written_at.astimezone(dt.UTC).strftime(_STAMP)
        return f"{INDEXES}{stamp}-{hashlib.sha256(self.to_bytes()).hexdigest()}.json"


def index_time(key: str) -> dt.datetime | None:
    """Return when an index was written, by its key; None for what is no index."""
    stamp = key.removeprefix(INDEXES).partition("Z-")[0] + "Z"
    try:
        return dt.datetime.strptime(stamp, _STAMP).replace(tzinfo=dt.UTC)
    except ValueError:
        return None


class ManifestFile:
    """A manifest while it is written.

    Args:
        file: open for reading and writing, empty.
    """

    def __init__(self, file: BinaryIO) -> None:
        self._file, self.versions = file, 0
        # Neither name nor time of the file: they would make other bytes of the same versions.
        self._packed = gzip.GzipFile(filename="", mode="wb", compresslevel=_LEVEL, fileobj=file, mtime=0)

    def add(self, version: Version) -> None:
        """Add a line."""
        self._packed.write(version.as_line())
        self.versions += 1

    def finish(self, raw_folder: bytes) -> Entry:
        """End it; the file stays open."""
        self._packed.close()
        self._file.seek(0)
        sha256 = hashlib.file_digest(self._file, "sha256").hexdigest()  # type: ignore[arg-type]  # see typeshed
        return Entry(raw_folder=raw_folder, sha256=sha256, versions=self.versions)


def read_versions(file: BinaryIO) -> Iterator[Version]:
    """Yield the versions of a manifest whose hash was found right."""
    with gzip.GzipFile(fileobj=file, mode="rb") as packed:
        for line in packed:
            yield Version.from_line(line)
