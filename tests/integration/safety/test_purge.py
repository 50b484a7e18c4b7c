"""Retention: what is deleted for long enough goes for good, with all that hangs on it; nothing else ever does."""

from __future__ import annotations

import datetime as dt
from collections.abc import Callable
from typing import Any

import pytest
from mirrored_office import Mirror, call, digest, other
from simulated_time import SimulatedTime

from ibhelm_pipelines.content.steps import run_step
from ibhelm_pipelines.db import connect as connecting
from ibhelm_pipelines.db.connect import connect
from ibhelm_pipelines.db.question import ask
from ibhelm_pipelines.db.safety_checks import RETENTION_QUESTIONS
from ibhelm_pipelines.errors import BusyError, ObjectStoreUnavailableError
from ibhelm_pipelines.nas.locks import SCANNING, lock_folders
from ibhelm_pipelines.objects.disposal import DERIVED, delete_objects
from ibhelm_pipelines.objects.store import ObjectStore
from ibhelm_pipelines.safety import orphans
from ibhelm_pipelines.safety import purge as purging
from ibhelm_pipelines.safety.orphans import delete_orphans
from ibhelm_pipelines.safety.purge import BUSY_SCAN, FILE_ROWS, PurgeReport, purge
from ibhelm_pipelines.safety.single_run import PURGE, single_run
from ibhelm_pipelines.safety.verification import verify_mirror
from ibhelm_pipelines.settings import Settings

DAY = dt.timedelta(days=1)
TEN_YEARS = 3651


def now() -> dt.datetime:
    return dt.datetime.now(dt.UTC)


@pytest.fixture
def mirror(settings: Settings, s3_client: Any) -> Mirror:
    return Mirror(other(settings, max_deletion_percent=100), s3_client)


def delete(mirror: Mirror, *numbers: int, days: int = TEN_YEARS) -> None:
    """Delete files on the NAS, and let the tables say that it was so long ago."""
    for number in numbers:
        mirror.nas.path(f"projekte/A/{number}.txt").unlink()
    mirror.store()
    names = [f"{number}.txt" for number in numbers]
    mirror.rows("update files set deleted_at = now() - make_interval(days => %s) where name = any(%s)", days, names)


def run(mirror: Mirror, **options: Any) -> PurgeReport:
    return purge(mirror.settings, **{"now": now(), "dry_run": False, **options})


def at(moment: str, act: Callable[[], object]) -> Callable[[str], None]:
    """Do something once, when a run says that it comes to this."""
    todo = [act]

    def tell(what: str) -> None:
        if moment in what and todo:
            todo.pop()()

    return tell


def red(mirror: Mirror) -> list[str]:
    with connect(mirror.nas.url, application="test", autocommit=True) as connection:
        return [question.name for question in RETENTION_QUESTIONS if not ask(connection, question).passed]


def test_what_is_deleted_for_ten_years_goes_with_all_that_hangs_on_it_and_nothing_else_does(mirror: Mirror) -> None:
    mirror.nas.write("projekte/A/Abschrift.txt", mirror.text(2))  # carries the same content as 2.txt
    mirror.fill(5)
    run_step("text", mirror.settings)
    mirror.nas.write("projekte/A/1.txt", "eine zweite Fassung")
    mirror.store()
    delete(mirror, 1, 2, 3)
    delete(mirror, 4, days=TEN_YEARS - 2)
    mirror.rows(
        "insert into ops.bit_rot (file_id, path, expected_hash, found_hash) select id, path, content_hash, 'f'"
        " from files where name = '3.txt'"
    )
    mirror.rows(
        "insert into email_attachments (missive_id, name, missive_email_id, content_hash, file_id)"
        " select 'a', 'a', 'm', content_hash, id from files where name = '3.txt'"
    )
    planned = run(mirror, dry_run=True)
    assert planned.paths == ["projekte/A/1.txt", "projekte/A/2.txt", "projekte/A/3.txt"]
    assert (planned.files, planned.versions, planned.contents, planned.texts, planned.objects) == (3, 4, 2, 1, 2)
    assert mirror.rows("select 1 from ops.purges") == []
    report = run(mirror)
    assert {**report.counts(), "orphans_noted": 0} == {**planned.counts(), "orphans_noted": 0}
    left = {path for (path,) in mirror.rows("select path from files")}
    assert left == {"projekte/A/0.txt", "projekte/A/4.txt", "projekte/A/Abschrift.txt"}
    kept = {mirror.key(0), mirror.key(2), mirror.key(3), mirror.key(4)}
    assert set(mirror.objects()) == kept, "the copy's, the mail's, and that of what is not old enough"
    assert mirror.rows("select file_id, content_hash is not null from email_attachments") == [(None, True)]
    assert mirror.rows("select 1 from content_texts where text like 'eine zweite%%'") == []
    mirror.assert_whole()
    [(counts,)] = mirror.rows("select removed from ops.purges where finished_at is not null and refused is null")
    assert (counts["files"], counts["contents"], red(mirror)) == (3, 2, [])
    assert run(mirror).files == 0


def test_a_file_that_came_back_between_plan_and_deletion_stays(mirror: Mirror) -> None:
    mirror.fill(3)
    delete(mirror, 0, 1)

    def bring_back() -> None:
        mirror.nas.write("projekte/A/1.txt", mirror.text(1))
        mirror.store()

    report = run(mirror, on_progress=at("of 2 files", bring_back))
    assert report.files == 1
    assert mirror.rows("select path from files where deleted_at is null order by 1") == [
        ("projekte/A/1.txt",),
        ("projekte/A/2.txt",),
    ]
    mirror.assert_whole()


def test_a_content_that_comes_back_before_its_object_went_keeps_it(mirror: Mirror) -> None:
    mirror.fill(3)
    delete(mirror, 0, 1)
    again = at("Deleting objects", lambda: (mirror.nas.write("projekte/A/neu.txt", mirror.text(1)), mirror.store()))
    report = run(mirror, on_progress=again)
    assert (report.contents, report.objects) == (2, 1)
    assert mirror.key(1) in mirror.objects()
    mirror.assert_whole()


def test_nothing_goes_while_a_scan_is_at_work_or_when_it_is_never_to_go(mirror: Mirror, monkeypatch: Any) -> None:
    mirror.fill(2)
    delete(mirror, 0)
    monkeypatch.setattr(purging, "SCAN_WAIT", "50ms")
    with connect(mirror.nas.url, application="test", autocommit=True) as connection:
        lock_folders(connection, SCANNING, ["projekte/B"], wait="1s")
        report = run(mirror)
    assert (report.files, report.postponed, report.refused) == (0, BUSY_SCAN, "")
    never = other(mirror.settings, retention_days=0)
    assert purge(never, now=now(), dry_run=False, confirmed=True).files == 0
    assert purge(never, now=now(), dry_run=True).files == 0
    said = call(mirror.settings, "retention", "--dry-run")
    assert said.exit_code == 3, "5 % is the default"
    assert "projekte/A/0.txt" in said.output
    assert run(mirror).files == 1


def test_much_at_once_is_left_to_an_operator(mirror: Mirror) -> None:
    mirror.fill(25)
    delete(mirror, *range(22))
    assert call(mirror.settings, "retention").exit_code == 3
    assert red(mirror) == ["retention_refused"]
    assert mirror.rows("select count(*)::int from files") == [(25,)]
    planned = call(mirror.settings, "retention", "--dry-run")
    assert "and 2 more" in planned.output
    said = call(mirror.settings, "retention", "--confirm")
    assert (said.exit_code, "22 went" in said.output) == (0, True), said.output
    assert mirror.rows("select count(*)::int from files") == [(3,)]
    assert red(mirror) == []


def test_a_clock_that_cannot_be_right_purges_nothing(mirror: Mirror) -> None:
    mirror.fill(3)
    delete(mirror, 0, days=10)
    leapt = run(mirror, now=now() + TEN_YEARS * DAY, confirmed=True)
    assert (leapt.files, leapt.refused.endswith("set the clocks.")) == (0, True)
    assert red(mirror) == ["retention_refused"]

    delete(mirror, 1)
    mirror.rows("update ops.scans set started_at = now() + interval '1 hour'")
    assert "was said by a wrong clock" in run(mirror).refused
    mirror.rows("update ops.scans set started_at = now() - interval '40 days'")
    assert "or the clock leapt." in run(mirror).refused
    assert "or the clock leapt." in run(mirror).refused, "a run that was refused is no word for the clock"
    assert mirror.rows("select count(*)::int from files") == [(3,)]
    assert run(mirror, confirmed=True).files == 1
    assert run(mirror).refused == ""
    mirror.rows("delete from ops.purges")
    mirror.rows("update ops.folders set last_scan_id = null")
    mirror.rows("delete from ops.scans")
    assert run(mirror).refused == "", "an office that has just begun"


def test_objects_without_a_row_go_after_the_grace_and_never_before(mirror: Mirror, owner_database_url: str) -> None:
    mirror.fill(3)
    orphan, mine, thumbnail = f"originals/{'a' * 64}", mirror.key(1), f"thumbnails/{'b' * 64}.webp"
    others = {"manifests/x", "backups/database/y", "privacy/forgotten.json", f"exports/{'a' * 64}"}
    for key in (orphan, thumbnail, *others):
        mirror.put(key, b"left")
    mirror.client.create_multipart_upload(Bucket=mirror.bucket, Key=f"originals/{'c' * 64}")
    mirror.rows("delete from ops.stored_objects where key = %s", mine)  # as a restored database does
    clock = SimulatedTime(owner_database_url, now())

    def on_day(day: int, **options: Any) -> PurgeReport:
        clock.set(now() + day * DAY)
        return run(mirror, now=clock.moment, **options)

    first = on_day(0)
    assert (first.orphans_noted, first.orphans, first.uploads) == (3, 0, 0)
    assert on_day(6).orphans == 0
    mirror.rows("delete from ops.step_results where step = 'store'")
    mirror.store()  # the object has its row again
    mirror.put(thumbnail, b"put there again")
    assert (on_day(8, dry_run=True).orphans, orphan in mirror.objects()) == (2, True)
    second = on_day(8)
    assert (second.orphans, second.orphan_bytes, second.uploads) == (1, 4, 1)
    assert set(mirror.objects()) == {mirror.key(0), mirror.key(1), mirror.key(2), thumbnail, *others}
    assert on_day(16).orphans == 1, "what was put there again began anew"
    mirror.assert_whole()


def test_an_orphan_that_a_row_names_by_then_stays_and_many_at_once_are_left_to_an_operator(
    mirror: Mirror, owner_database_url: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(orphans, "CHUNK", 4)
    mirror.fill(3)
    clock = SimulatedTime(owner_database_url, now())
    for number in range(21):
        mirror.put(f"originals/{number:064}", b"left")
    run(mirror, now=clock.moment)
    clock.set(now() + 8 * DAY)
    refused = run(other_limits(mirror), now=clock.moment)
    assert (refused.orphans, refused.orphans_refused) == (0, "21 of 24 objects have no row at once.")
    assert red(mirror) == ["retention_refused"]
    mirror.rows(
        "insert into ops.stored_objects (key, kind, content_hash, sha256, size_bytes, media_type)"
        " select %s, 'original', content_hash, content_hash, size_bytes, '' from files where name = '1.txt'",
        f"originals/{7:064}",
    )
    with (
        connect(mirror.nas.url, application="test", autocommit=True) as connection,
        ObjectStore(mirror.settings) as store,
    ):
        delete_orphans(connection, store, before=clock.moment, on_deleted=lambda _size: None)
    left = {mirror.key(0), mirror.key(1), mirror.key(2), f"originals/{7:064}"}
    assert set(mirror.objects()) == left
    assert mirror.rows("select key from ops.orphan_objects") == []


def other_limits(mirror: Mirror) -> Mirror:
    return Mirror(other(mirror.settings, max_deletions=10), mirror.client)


def test_where_versions_are_kept_what_goes_goes_in_all_of_them(mirror: Mirror, owner_database_url: str) -> None:
    mirror.keep_versions()
    mirror.fill(5)
    orphan = f"originals/{'a' * 64}"
    mirror.put(orphan, b"left")
    mirror.remove(orphan)  # only hidden
    mirror.put(mirror.key(1), mirror.text(1).encode())  # stored twice
    mirror.spoil(mirror.key(2))
    mirror.spoil(mirror.key(3))
    mirror.remove(mirror.key(3))
    delete(mirror, 0)
    clock = SimulatedTime(owner_database_url, now())
    mirror.rows("update files set deleted_at = now() - make_interval(days => %s) where name = '0.txt'", TEN_YEARS)
    assert run(mirror, now=clock.moment).objects == 1
    assert versions(mirror, mirror.key(0)) == 0
    clock.set(now() + 3 * DAY)
    mirror.rows("update ops.stored_objects set verified_at = now() where key = %s", mirror.key(1))
    run(mirror, now=clock.moment)
    assert versions(mirror, mirror.key(1)) == 2, "within the grace"
    mirror.rows("update ops.stored_objects set verified_at = null")
    clock.set(now() + 8 * DAY)
    run(mirror, now=clock.moment)
    assert versions(mirror, orphan) == 0
    assert [versions(mirror, mirror.key(number)) for number in (1, 2, 3)] == [2, 2, 3], "not verified yet"
    assert verify_mirror(mirror.settings, now=clock.moment, everything=True).healed == 2
    mirror.assert_whole()
    clock.set(now() + 30 * DAY)
    verify_mirror(mirror.settings, now=clock.moment, everything=True)
    run(mirror, now=clock.moment)
    assert [versions(mirror, mirror.key(number)) for number in (1, 2, 3)] == [1, 1, 1]
    mirror.assert_whole()


def versions(mirror: Mirror, key: str) -> int:
    answer = mirror.client.list_object_versions(Bucket=mirror.bucket, Prefix=key)
    return len(answer.get("Versions", [])) + len(answer.get("DeleteMarkers", []))


def test_what_somebody_works_on_is_left_whole_and_one_run_is_made_at_a_time(
    mirror: Mirror, monkeypatch: pytest.MonkeyPatch
) -> None:
    mirror.fill(2)
    delete(mirror, 0)
    lock = f"select pg_advisory_lock(hashtextextended('text {digest(mirror.text(0))}', 0))"
    monkeypatch.setattr(connecting, "SESSION_OPTIONS", "-c timezone=UTC -c lock_timeout=100ms")
    with connect(mirror.nas.url, application="test", autocommit=True) as connection:
        connection.execute(lock.encode())
        with pytest.raises(BusyError, match="works on what is to be purged"):
            run(mirror)
        assert mirror.rows("select count(*)::int from files") == [(2,)]
        assert mirror.rows("select removed from ops.purges") == [({},)]
    with single_run(mirror.settings, PURGE), pytest.raises(BusyError, match="Another purge is under way"):
        run(mirror)
    assert run(mirror).files == 1


def test_contents_that_lost_their_last_carrier_otherwise_go_too(mirror: Mirror) -> None:
    mirror.fill(2)
    mirror.rows(
        "insert into contents (hash, size_bytes, first_seen_at) values (%s, 1, now() - interval '9 days')", "d" * 64
    )
    mirror.rows(
        "insert into contents (hash, size_bytes, first_seen_at) values (%s, 1, now() - interval '6 days')", "e" * 64
    )
    assert (run(mirror, dry_run=True).contents, run(mirror).contents) == (1, 1)
    assert mirror.rows("select count(*)::int from contents") == [(3,)]


def test_whoever_refers_to_files_or_contents_is_known_here(owner_database_url: str) -> None:
    """A new foreign key must be thought of: whether it keeps a content, or goes with it (purge.sql, contents.sql)."""
    query = """select conrelid::regclass::text from pg_constraint
               where contype = 'f' and confdeltype <> 'c' and confrelid = %s::regclass order by 1"""
    with connect(owner_database_url, application="test") as connection:
        files = [name for (name,) in connection.execute(query, ["public.files"])]
        contents = [name for (name,) in connection.execute(query, ["public.contents"])]
    assert files == ["email_attachments", "file_versions", "ops.bit_rot", "ops.disk_entries", "ops.refused_deletions"]
    keep = ["email_attachments", "file_versions", "files", "ops.bit_rot"]
    assert contents == sorted([*keep, "content_texts", "ops.step_results", "ops.stored_objects"])
    assert len(FILE_ROWS) == 4
    assert {"forget_texts", "forget_results", "forget_objects"} <= set(DERIVED)


def test_a_store_that_is_away_leaves_the_objects_noted_for_the_next_run(mirror: Mirror) -> None:
    mirror.fill(2)
    delete(mirror, 0)
    away = other(mirror.settings, s3_endpoint="http://127.0.0.1:9")
    with pytest.raises(ObjectStoreUnavailableError):
        purge(away, now=now(), dry_run=False)
    assert mirror.rows("select count(*)::int from files") == [(2,)]
    assert run(mirror).objects == 1
    with connect(mirror.nas.url, application="test", autocommit=True) as connection:
        assert delete_objects(mirror.settings, connection).objects == 0
