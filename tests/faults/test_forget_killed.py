"""kill -9 and a dying S3 server while a person is forgotten: no mail is half gone, nothing is orphaned, and the same
command run again ends where an undisturbed one does.
"""

from __future__ import annotations

import os
import random
import signal
from collections.abc import Callable, Iterator
from typing import Any

import psutil
import pytest
from database_snapshot import Snapshot, snapshot
from killed_child import run_in_child
from missive_person import MAX, PHRASES, PLACED, Office, digest

from ibhelm_pipelines.errors import ObjectStoreUnavailableError
from ibhelm_pipelines.local.postgres import EmbeddedPostgres
from ibhelm_pipelines.local.s3 import EmbeddedS3
from ibhelm_pipelines.objects.store import ObjectStore, original_key
from ibhelm_pipelines.privacy import removal
from ibhelm_pipelines.privacy.forget import forget
from ibhelm_pipelines.settings import Settings

POINTS_IN_CI = 8
SEED = 20_261_123

NOT_COMPARED = {"ops.forgotten", "ops.forget_runs"}


class Before:
    """The office as it was, as often as it is wanted back."""

    def __init__(self, office: Office, database: Snapshot) -> None:
        self._office, self._database, self._disk = office, database, office.disk()

    def restore(self) -> None:
        self._database.restore()
        for path, (data, mtime) in self._disk.items():
            whole = self._office.nas.root / path
            if not whole.exists():
                whole.parent.mkdir(parents=True, exist_ok=True)
                whole.write_bytes(data)
                os.utime(whole, ns=(mtime, mtime))
        with ObjectStore(self._office.settings) as store:
            for data in PHRASES.values():
                if self._office.rows("select key from ops.stored_objects where content_hash = %s", digest(data)):
                    key = original_key(digest(data))
                    store.put_bytes(key, data, sha256=digest(data), media_type="text/plain")


@pytest.fixture
def office(settings: Settings) -> Office:
    office = Office(settings)
    office.build()
    office.derive()
    return office


@pytest.fixture
def before(office: Office, postgres: EmbeddedPostgres) -> Iterator[Before]:
    with snapshot(postgres, office.url) as database:
        yield Before(office, database)


def essence(office: Office) -> dict[str, Any]:
    rows = {table: rows for table, rows in office.contents().items() if table not in NOT_COMPARED}
    return {
        "rows": rows,
        "objects": office.objects(),
        "disk": {path: what for path, (what, _) in office.disk().items()},
    }


def assert_no_mail_is_half_gone(office: Office) -> None:
    assert office.missing_messages() == []
    for kind, table in (("emails", "emails"), ("email_comments", "email_comments")):
        bodies = {number for (number,) in office.rows("select vendor_id from ops.raw_records where kind = %s", kind)}
        assert bodies == {number for (number,) in office.rows(f"select missive_id from {table}")}
    assert (
        office.rows("""select a.missive_id from email_attachments a
        where not exists (select from emails e where e.missive_id = a.missive_email_id)
          and not exists (select from email_comments c where c.missive_id = a.missive_comment_id)""")
        == []
    )
    stored = {key for (key,) in office.rows("select key from ops.stored_objects")}
    noted = {key for (key,) in office.rows("select key from ops.objects_to_delete")}
    assert stored <= office.objects() <= stored | noted, "an object has its row, or is noted to be deleted"


def check_kills(office: Office, before: Before, points: list[int]) -> None:
    forget(office.settings, [MAX])
    expected = essence(office)
    for point in points:
        before.restore()
        killed = run_in_child(lambda: forget(office.settings, [MAX]), die_at=point)
        assert killed is None, f"it was over before statement {point}"
        assert_no_mail_is_half_gone(office)
        forget(office.settings, [MAX])
        assert essence(office) == expected, f"killed before statement {point}"


def statements(office: Office, before: Before) -> int:
    sent = run_in_child(lambda: forget(office.settings, [MAX]), die_at=None)
    before.restore()
    assert sent is not None
    return len(sent)


def test_a_run_killed_at_any_statement_is_finished_by_the_next_one(office: Office, before: Before) -> None:
    count = statements(office, before)
    check_kills(office, before, random.Random(SEED).sample(range(1, count + 1), POINTS_IN_CI))


@pytest.mark.soak
@pytest.mark.timeout(3600)
def test_a_run_killed_at_every_statement_is_finished_by_the_next_one(office: Office, before: Before) -> None:
    check_kills(office, before, list(range(1, statements(office, before) + 1)))


def dying(done: Callable[..., Any], at: int) -> Callable[..., Any]:
    """Do it `at` times, and die right after the last of them."""
    calls = [0]

    def call(*args: Any) -> Any:
        found = done(*args)
        calls[0] += 1
        if calls[0] == at:
            os.kill(os.getpid(), signal.SIGKILL)
        return found

    return call


@pytest.mark.parametrize("at", [2, 3])  # the first is only absent: it was moved
def test_a_run_killed_after_it_removed_a_file_and_before_it_committed_is_finished_by_the_next_one(
    office: Office, before: Before, monkeypatch: pytest.MonkeyPatch, at: int
) -> None:
    forget(office.settings, [MAX])
    expected = essence(office)
    before.restore()
    monkeypatch.setattr(removal, "remove", dying(removal.remove, at))
    assert run_in_child(lambda: forget(office.settings, [MAX]), die_at=None) is None
    monkeypatch.undo()
    assert sum(office.nas.path(PLACED[name]).exists() for name in ("a-own", "a-waiting")) == 3 - at
    assert office.rows("select 1 from emails where missive_id = 'm1'"), "the mail is whole"
    forget(office.settings, [MAX])
    assert essence(office) == expected


def kill(server: EmbeddedS3) -> None:
    port = int(server.endpoint.rsplit(":", 1)[1])
    pids = {c.pid for c in psutil.net_connections("tcp") if c.status == psutil.CONN_LISTEN and c.laddr.port == port}
    for pid in pids - {None}:
        os.kill(pid, signal.SIGKILL)
    assert pids, "the server must have been running"


def test_a_store_that_dies_in_the_middle_leaves_no_object_behind(
    settings: Settings, private_s3: EmbeddedS3, monkeypatch: pytest.MonkeyPatch
) -> None:
    settings = Settings.model_validate(
        {**settings.model_dump(), "s3_endpoint": private_s3.endpoint, "s3_bucket": private_s3.bucket}
    )
    office = Office(settings)
    office.build()
    office.derive()
    deleted = ObjectStore.delete

    def delete_and_die(self: ObjectStore, key: str) -> None:
        deleted(self, key)
        kill(private_s3)

    monkeypatch.setattr(ObjectStore, "delete", delete_and_die)
    with pytest.raises(ObjectStoreUnavailableError):
        forget(settings, [MAX])
    monkeypatch.undo()
    assert office.holding(MAX) == [], "the rows are gone already"
    assert office.rows("select 1 from ops.objects_to_delete")
    assert office.rows("select 1 from ops.forget_runs where finished_at is not null") == []

    private_s3.start()
    left = {original_key(digest(PHRASES[name])) for name in ("a-own", "a-waiting")} & office.objects()
    assert len(left) == 1, "one of two was deleted"
    forget(settings, [MAX])
    assert office.objects() == {key for (key,) in office.rows("select key from ops.stored_objects")}
    assert office.rows("select 1 from ops.objects_to_delete") == []
    assert office.one("select count(*)::int from ops.forgotten where completed_at is not null") == 1
