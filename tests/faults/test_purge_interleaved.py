"""Files come, go and come back while originals are stored, purged and swept, in any order, and whoever purges may be
killed at any statement: after every step each row of a stored object has its object, and in the end each object a row.
"""

from __future__ import annotations

import datetime as dt
import random
from collections.abc import Callable
from typing import Any

import pytest
import tables
from killed_child import run_in_child
from mirrored_office import Mirror, digest, other

from ibhelm_pipelines.content.steps import run_step
from ibhelm_pipelines.db.connect import connect
from ibhelm_pipelines.objects.store import ObjectStore, original_key
from ibhelm_pipelines.safety.orphans import delete_orphans, list_orphans
from ibhelm_pipelines.safety.purge import purge
from ibhelm_pipelines.settings import Settings
from ibhelm_pipelines.share import signed64

ORDERS_IN_CI, ORDERS = 8, 1000
STEPS = 9
FILES = 3
STATEMENTS = 60
"""About so many does a purge send that has something to do."""


class Office:
    """Three files that the tables get to know and forget, as scans do it, without their cost."""

    def __init__(self, mirror: Mirror, owner_url: str, dice: random.Random) -> None:
        self.mirror, self.settings, self._owner_url, self._dice = mirror, mirror.settings, owner_url, dice
        self.log: list[str] = []

    def begin(self) -> None:
        tables.ask(self._owner_url, "truncate files, contents, ops.purges, ops.objects_to_delete cascade")
        tables.ask(self._owner_url, "truncate ops.orphan_objects")
        self.mirror.remove(*self.mirror.objects())

    def come(self) -> None:
        """A scan sees a file: its content is written in the same transaction."""
        number = self._dice.randrange(FILES)
        path = self.mirror.nas.write(f"projekte/A/{number}.txt", self.mirror.text(number), mtime=1_700_000_000)
        status = path.stat()
        values = {
            "name": path.name,
            "path": f"projekte/A/{path.name}",
            "hash": digest(self.mirror.text(number)),
            "size": status.st_size,
            "mtime": status.st_mtime_ns,
            "inode": signed64(status.st_ino),
        }
        with connect(self.mirror.nas.url, application="scan") as connection, connection.transaction():
            connection.execute(_COME.encode(), values)

    def go(self) -> None:
        """A file is found missing, long ago."""
        name = f"{self._dice.randrange(FILES)}.txt"
        self.mirror.rows("update files set deleted_at = now() - interval '11 years' where name = %s", name)
        self.mirror.rows("update ops.disk_entries set live = false where encode(raw_name, 'escape') = %s", name)

    def store(self) -> None:
        run_step("store", self.settings)

    def purge(self) -> None:
        """Somebody does something in the middle of it; and it may be killed."""
        meanwhile = {self._dice.choice(("files", "objects", "bucket")): self._dice.choice((self.come, self.store))}
        die_at = self._dice.choice((None, self._dice.randrange(1, STATEMENTS)))
        self.log.append(f"    with {meanwhile}, killed at {die_at}")

        def tell(what: str) -> None:
            for moment in [moment for moment in meanwhile if moment in what]:
                meanwhile.pop(moment)()

        now = dt.datetime.now(dt.UTC)
        action: Callable[[], Any] = lambda: purge(self.settings, now=now, dry_run=False, on_progress=tell)  # noqa: E731
        if die_at is None:
            action()
        else:
            run_in_child(action, die_at=die_at)

    def sweep(self) -> None:
        """What no row names is past its grace at once."""
        now = dt.datetime.now(dt.UTC)
        before = now + dt.timedelta(days=1)
        with (
            connect(self.mirror.nas.url, application="sweep", autocommit=True) as connection,
            ObjectStore(self.settings) as store,
        ):
            list_orphans(connection, store, now=now, before=before, write=True)
            delete_orphans(connection, store, before=before, on_deleted=lambda _size: None)

    def stored(self) -> set[str]:
        return {key for (key,) in self.mirror.rows("select key from ops.stored_objects")}

    def check(self) -> None:
        assert self.stored() <= set(self.mirror.objects()), "\n".join(self.log)

    def end(self) -> None:
        purge(self.settings, now=dt.datetime.now(dt.UTC), dry_run=False)
        self.store()
        self.sweep()
        live = self.mirror.rows("select distinct content_hash from files where deleted_at is null")
        assert {original_key(content) for (content,) in live} <= self.stored(), "\n".join(self.log)
        assert self.stored() == set(self.mirror.objects()), "\n".join(self.log)
        assert self.mirror.rows("select 1 from files where deleted_at < now() - interval '10 years'") == []
        self.mirror.assert_whole()


_COME = """
with content as (
    insert into public.contents (hash, size_bytes) values (%(hash)s, %(size)s) on conflict (hash) do nothing
), file as (
    insert into public.files (name, path, raw_path, extension, folder, size_bytes, modified_at, content_hash, nas_url)
    select %(name)s, %(path)s, convert_to(%(path)s, 'UTF8'), 'txt', 'projekte/A', %(size)s, now(), %(hash)s, ''
    where not exists (select from public.files where path = %(path)s and deleted_at is null)
    returning id
), version as (
    insert into public.file_versions (file_id, path, raw_path, content_hash, size_bytes, valid_from)
    select id, %(path)s, convert_to(%(path)s, 'UTF8'), %(hash)s, %(size)s, now() from file
)
insert into ops.disk_entries (file_id, folder, directory_key, raw_directory, raw_name, size_bytes, mtime_ns, inode)
select id, 'projekte/A', 1, 'projekte/A', convert_to(%(name)s, 'UTF8'), %(size)s, %(mtime)s, %(inode)s from file
"""


@pytest.fixture
def mirror(settings: Settings, s3_client: Any) -> Mirror:
    return Mirror(other(settings, max_deletion_percent=100), s3_client)


def check_orders(mirror: Mirror, owner_url: str, seeds: range) -> None:
    for seed in seeds:
        dice = random.Random(seed)
        office = Office(mirror, owner_url, dice)
        office.begin()
        for step in dice.choices(
            (office.come, office.go, office.store, office.purge, office.sweep), (4, 3, 3, 4, 1), k=STEPS
        ):
            office.log.append(f"{seed}: {step.__name__}")
            step()
            office.check()
        office.end()


def test_some_orders_of_coming_going_storing_purging_and_dying(mirror: Mirror, owner_database_url: str) -> None:
    check_orders(mirror, owner_database_url, range(ORDERS_IN_CI))


@pytest.mark.soak
@pytest.mark.timeout(7200)
def test_a_thousand_orders_of_coming_going_storing_purging_and_dying(mirror: Mirror, owner_database_url: str) -> None:
    check_orders(mirror, owner_database_url, range(ORDERS))
