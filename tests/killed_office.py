"""An office with all of its sources, put back to how it was as often as one likes: for a drill that kills everything.

What must come out the same is every row but for ids and times that this platform gave, every object, and the truth of
each source.
"""

from __future__ import annotations

import hashlib
import shutil
from collections import Counter
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import missive_mirror
import missive_office
import tables
import teamwork_mirror
import teamwork_office
from changing_office import restored_in, truth_of
from nas_tree import Nas

from ibhelm_pipelines.demo.missive.server import MissiveSimulator
from ibhelm_pipelines.demo.teamwork.server import TeamworkSimulator
from ibhelm_pipelines.safety.backup_list import list_backups
from ibhelm_pipelines.safety.backup_manifest import PREFIX

if TYPE_CHECKING:
    from pathlib import Path

    from database_snapshot import Snapshot
    from simulated_time import SimulatedTime

    from ibhelm_pipelines.settings import Settings

BOOKKEEPING = {
    "ops.scans", "ops.request_budgets", "ops.sync_cursors", "ops.conversation_reads", "ops.sweep_gaps", "ops.folders",
    "ops.schema_migrations", "ops.backups", "ops.manifest_writes",
    "ops.verifications", "ops.purges", "ops.orphan_objects",
}  # fmt: skip
"""Tables that tell of our work and not of the office."""

COLUMNS = """
select c.table_schema || '.' || c.table_name, c.column_name
from information_schema.columns c join information_schema.tables t using (table_schema, table_name)
where t.table_type = 'BASE TABLE' and c.table_schema in ('public', 'ops')
  and c.data_type <> 'timestamp with time zone'
  and not (c.data_type in ('bigint', 'integer') and (c.column_name = 'id' or c.column_name ~ '^(?!teamwork).*_id$'))
  and (c.table_name, c.column_name) <> ('raw_records', 'body')  -- the vendor signs links anew; the mirrors look inside
  and c.column_name not in ('took_ms', 'inode', 'birth_ns', 'attempts')
order by 1, 2
"""
"""Without what differs between two runs that did the same."""

OF_LIVE_CONTENTS = "exists (select from files f where f.content_hash = t.content_hash and f.deleted_at is null)"
"""What was tried of a content between a killed scan and the next stays written down, though the content is gone."""


class Bucket:
    """What a bucket held."""

    def __init__(self, client: Any, name: str) -> None:
        self._client, self._name = client, name
        self._kept = {key: client.get_object(Bucket=name, Key=key) for key in self.list()}
        self._kept = {key: (got["Body"].read(), got["Metadata"], got["ContentType"]) for key, got in self._kept.items()}

    def list(self) -> list[str]:
        pages = self._client.get_paginator("list_objects_v2").paginate(Bucket=self._name)
        return sorted(entry["Key"] for page in pages for entry in page.get("Contents", []))

    def read(self) -> dict[str, bytes]:
        """Return what it holds now."""
        return {key: self._client.get_object(Bucket=self._name, Key=key)["Body"].read() for key in self.list()}

    def restore(self) -> None:
        """Make it hold what it held."""
        now = self.read()
        for key in now.keys() - self._kept.keys():
            self._client.delete_object(Bucket=self._name, Key=key)
        for key, (body, metadata, kind) in self._kept.items():
            if now.get(key) != body:
                self._client.put_object(Bucket=self._name, Key=key, Body=body, Metadata=metadata, ContentType=kind)


@dataclass
class Sources:
    """The vendors of an office."""

    teamwork: TeamworkSimulator
    missive: MissiveSimulator

    def connected(self, settings: Settings) -> Settings:
        """Return settings with which both are read."""
        return missive_office.connected(teamwork_office.connected(settings, self.teamwork), self.missive)

    def change(self, seed: int) -> None:
        """Their people work."""
        self.teamwork.mutate(seed=seed, count=15)
        self.missive.mutate(seed=seed, count=15)

    def differences(self, settings: Settings) -> list[str]:
        """Return where the tables say anything else than they do."""
        found = teamwork_mirror.differences(settings, self.teamwork.truth())
        return found + missive_mirror.differences(settings, self.missive.truth())


@contextmanager
def sources(seed: int) -> Iterator[Sources]:
    """Run both vendors."""
    with (
        TeamworkSimulator(seed=seed, projects=2, tasks=6, rate_limit=teamwork_office.PLENTY) as teamwork,
        MissiveSimulator(seed=seed, projects=2, conversations=3, rate_limit=False) as missive,
    ):
        yield Sources(teamwork, missive)


class KilledOffice:
    """The office as it was before the chain, and what is asked of it after a kill and at the end."""

    def __init__(
        self,
        settings: Settings,
        sources: Sources,
        database: Snapshot,
        clock: SimulatedTime,
        client: Any,
        target: Path,
    ) -> None:
        self.settings, self.sources, self._database, self.clock = settings, sources, database, clock
        self.target, self.runs = target, 0
        self.bucket, self.nas = Bucket(client, settings.s3_bucket), Nas(settings)

    def restore(self) -> None:
        """Put everything back that the chain writes."""
        tables.close()
        self._database.restore()
        self.clock.install()  # which search path a database has is not copied with it
        self.bucket.restore()
        shutil.rmtree(self.target, ignore_errors=True)

    def assert_sound(self) -> None:
        """What holds at every moment: history agrees with itself, no row names an object that is not there."""
        self.nas.assert_sound()
        assert {key for (key,) in self.nas.rows("select key from ops.stored_objects")} <= set(self.bucket.list())

    def assert_nothing_lost(self, attempt: int) -> None:
        """What holds at the end: the tables, and what this attempt restored, say what each source says; every object
        has its row."""
        self.nas.assert_equals_disk()
        wrong = self.sources.differences(self.settings)
        assert wrong == [], wrong
        derived = {key for key in self.bucket.list() if key.startswith(("originals/", "thumbnails/"))}
        assert derived == {key for (key,) in self.nas.rows("select key from ops.stored_objects")}
        self._assert_backups_whole()
        for target in (self.target / str(attempt)).iterdir():
            assert restored_in(target) == truth_of(self.nas.root), target
        self._assert_backups_whole()

    def _assert_backups_whole(self) -> None:
        """Every dump has its manifest, and nothing else lies there."""
        backups = list_backups(self.settings)
        assert [backup.problem for backup in backups if backup.problem] == []
        known = {key for backup in backups for key in (backup.key, backup.manifest_key)}
        assert {key for key in self.bucket.list() if key.startswith(PREFIX)} == known

    def essence(self) -> dict[str, Any]:
        """Return every row and object, but for ids and times of ours."""
        columns: dict[str, list[str]] = {}
        for table, column in self.nas.rows(COLUMNS):
            columns.setdefault(table, []).append(f't."{column}"')
        rows = {table: self._rows(table, columns[table]) for table in columns.keys() - BOOKKEEPING}
        objects = [(key, hashlib.sha256(body).hexdigest()) for key, body in self._compared()]
        return {"objects": objects, **rows}

    def _compared(self) -> list[tuple[str, bytes]]:
        """Return the objects whose names tell nothing of the hour."""
        return [each for each in self.bucket.read().items() if each[0].startswith(("originals/", "thumbnails/"))]

    def _rows(self, table: str, columns: list[str]) -> list[str]:
        row = f"row({', '.join(columns)})::text"
        where = OF_LIVE_CONTENTS if table == "ops.step_results" else "true"
        return sorted(text for (text,) in self.nas.rows(f"select {row} from {table} t where {where}"))


def assert_same(found: dict[str, Any], expected: dict[str, Any], where: str) -> None:
    """Compare table by table, so that a difference can be read."""
    for table in expected.keys() | found.keys():
        mine, wanted = (Counter(each.get(table, ())) for each in (found, expected))
        assert mine == wanted, f"{table}, {where}: {mine - wanted} instead of {wanted - mine}"
