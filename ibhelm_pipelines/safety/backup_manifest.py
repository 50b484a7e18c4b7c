"""What is written beside each dump, last: what it is, and what the database held when it was made.

A dump without a whole manifest is no backup. The manifest carries a checksum of itself, for a flipped digit in it would
refuse a good dump, or let a bad one pass.
"""

from __future__ import annotations

import datetime as dt
import hashlib
import json
from dataclasses import asdict, dataclass, field
from typing import TYPE_CHECKING, Any

from ibhelm_pipelines.errors import BackupDamagedError
from ibhelm_pipelines.safety.table_counts import TableCount

if TYPE_CHECKING:
    from collections.abc import Mapping

FORMAT = 1
MOST_BYTES = 16 * 1024 * 1024
PREFIX = "backups/database/"
SUFFIX = ".json"
DATABASE = "ibhelm"
"""How our own database is called in backups, whatever its name on the server."""

_STAMP = "%Y%m%dT%H%M%SZ"


@dataclass(frozen=True, kw_only=True)
class Manifest:
    """One backup of one database.

    Attributes:
        database: which: `ibhelm`, `dagster` or `nocodb`.
        key: the dump in the bucket.
        taken_at: by the clock of whoever made it.
        finished_at: when the dump was stored.
        size_bytes: of the object.
        sha256: of the object, as it is stored.
        recipients: for which public keys of age it is encrypted; empty when it is not.
        server_version: of the Postgres server.
        tool_version: of pg_dump.
        database_bytes: how much the database took on the server.
        migrations: those that had run.
        seed: by which the rows were drawn.
        tables: what the tables held in the very snapshot that was dumped.
        grants: how many rights each role had.
        newest: times of the newest rows.
    """

    database: str
    key: str
    taken_at: dt.datetime
    finished_at: dt.datetime
    size_bytes: int
    sha256: str
    recipients: tuple[str, ...]
    server_version: str
    tool_version: str
    database_bytes: int
    migrations: tuple[str, ...]
    seed: str
    tables: Mapping[str, TableCount]
    grants: Mapping[str, int]
    newest: Mapping[str, dt.datetime | None] = field(default_factory=dict)

    @property
    def rows(self) -> int:
        return sum(table.rows for table in self.tables.values())

    @property
    def newest_row_at(self) -> dt.datetime | None:
        return max((moment for moment in self.newest.values() if moment is not None), default=None)

    def to_bytes(self) -> bytes:
        """Return it as it is stored."""
        content = {"format": FORMAT, **asdict(self)}
        return json.dumps({"sha256": _checksum(content), "backup": _plain(content)}, indent=1).encode()

    @classmethod
    def from_bytes(cls, data: bytes, *, key: str) -> Manifest:
        """Read what was stored.

        Args:
            data: the bytes.
            key: under which they lie.

        Raises:
            BackupDamagedError: they are not what was written.
        """
        try:
            document = json.loads(data)
            content = document["backup"]
            if document["sha256"] != _checksum(content) or content.pop("format") != FORMAT:
                raise _damaged(key, "its checksum is another one")
            return cls(**_typed(content))
        except (ValueError, TypeError, KeyError, AttributeError) as error:
            raise _damaged(key, "it cannot be read") from error


def dump_key(database: str, taken_at: dt.datetime, *, encrypted: bool) -> str:
    """Return the key of a dump."""
    part = "" if database == DATABASE else f".{database}"
    return f"{PREFIX}{taken_at.astimezone(dt.UTC):{_STAMP}}{part}.dump{'.age' if encrypted else ''}"


def manifest_key(key: str) -> str:
    """Return the key of the manifest of a dump."""
    return f"{key.removesuffix('.age').removesuffix('.dump')}{SUFFIX}"


def _damaged(key: str, why: str) -> BackupDamagedError:
    return BackupDamagedError(
        f"The manifest {key} is damaged: {why}.", next_step="Take another backup: `ibhelm backups` lists them."
    )


def _checksum(content: Any) -> str:
    return hashlib.sha256(json.dumps(_plain(content), sort_keys=True, separators=(",", ":")).encode()).hexdigest()


def _plain(content: Any) -> Any:
    return json.loads(json.dumps(content, default=_written))


def _written(value: object) -> str:
    assert isinstance(value, dt.datetime)
    return value.astimezone(dt.UTC).isoformat()


def _typed(content: dict[str, Any]) -> dict[str, Any]:
    moments = {name: dt.datetime.fromisoformat(content[name]) for name in ("taken_at", "finished_at")}
    newest = {name: dt.datetime.fromisoformat(text) if text else None for name, text in content["newest"].items()}
    tables = {name: TableCount(**values) for name, values in content["tables"].items()}
    lists = {name: tuple(content[name]) for name in ("recipients", "migrations")}
    return {**content, **moments, **lists, "newest": newest, "tables": tables}
