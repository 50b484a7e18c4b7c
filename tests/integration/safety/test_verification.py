"""The mirror in S3 is read again: what is missing or damaged is found, healed and reported; nothing else is touched."""

from __future__ import annotations

import datetime as dt
import os
import random
import re
from collections.abc import Iterator
from typing import Any

import pytest
from killed_child import run_in_child
from mirrored_office import Mirror, call, digest, other
from s3_between import Between, between

from ibhelm_pipelines.content import originals
from ibhelm_pipelines.content.steps import run_step
from ibhelm_pipelines.db.connect import connect
from ibhelm_pipelines.db.question import ask
from ibhelm_pipelines.db.safety_checks import MIRROR_QUESTIONS
from ibhelm_pipelines.errors import BusyError, ConfigurationError, ObjectStoreUnavailableError
from ibhelm_pipelines.objects import multipart, store
from ibhelm_pipelines.objects.store import ObjectStore, original_key, thumbnail_key
from ibhelm_pipelines.safety import verification
from ibhelm_pipelines.safety.healing import FROM_NAS, FROM_VERSION, NO_FILE
from ibhelm_pipelines.safety.single_run import VERIFICATION, single_run
from ibhelm_pipelines.safety.verification import VerificationReport, verify_mirror
from ibhelm_pipelines.settings import Settings

DAY = dt.timedelta(days=1)
HOWS = "select how from ops.object_problems order by id"
MIB = 1024 * 1024


def now() -> dt.datetime:
    return dt.datetime.now(dt.UTC)


@pytest.fixture
def mirror(settings: Settings, s3_client: Any) -> Mirror:
    return Mirror(settings, s3_client)


@pytest.fixture
def way(settings: Settings) -> Iterator[Between]:
    with between(settings.require_s3_endpoint()) as found:
        yield found


def verify(mirror: Mirror, **options: Any) -> VerificationReport:
    return verify_mirror(mirror.settings, **{"now": now(), "everything": True, **options})


def red(mirror: Mirror) -> list[str]:
    with connect(mirror.nas.url, application="test", autocommit=True) as connection:
        return [question.name for question in MIRROR_QUESTIONS if not ask(connection, question).passed]


def test_what_is_flipped_missing_or_cut_off_is_found_at_once_and_healed_from_the_nas(mirror: Mirror) -> None:
    mirror.fill(12)
    mirror.spoil(mirror.key(7))
    mirror.remove(mirror.key(2))
    mirror.spoil(mirror.key(3), mirror.text(3).encode()[:5])
    report = verify(mirror)
    assert (report.listed, report.objects, report.open, report.refused) == (12, 9, 0, "")
    assert (report.missing, report.damaged, report.healed) == (2, 1, 3)
    kinds = {(mirror.key(2), "missing", True), (mirror.key(3), "wrong_size", True), (mirror.key(7), "rotten", True)}
    assert set(mirror.problems()) == kinds
    assert set(mirror.rows(HOWS)) == {(FROM_NAS,)}
    mirror.assert_whole()
    again = verify(mirror)
    assert (again.objects, again.missing + again.damaged, red(mirror)) == (12, 0, [])
    assert len(mirror.problems()) == 3


def test_a_flipped_bit_is_found_within_thirty_days_and_no_day_reads_much_more_than_its_share(mirror: Mirror) -> None:
    mirror.fill(24)
    mirror.spoil(mirror.key(11))
    start, found_on, read, times = now() + DAY, None, [], {}
    for number in range(31):
        if number in (9, 10):
            continue  # the machine was off
        today = start + number * DAY
        report = verify_mirror(mirror.settings, now=today)
        read.append(report.objects)
        found_on = number if report.damaged else found_on
        for (key,) in mirror.rows("select key from ops.stored_objects where verified_at = %s", today):
            times.setdefault(key, []).append(number)
    assert found_on is not None
    assert set(times) == {mirror.key(number) for number in range(24)}, "each was read once in 30 days"
    assert max(read) <= 4
    read_today = set(mirror.rows("select key from ops.stored_objects where verified_at = %s", today))
    hour_later = today + dt.timedelta(hours=1)
    verify_mirror(mirror.settings, now=hour_later)
    assert not read_today & set(mirror.rows("select key from ops.stored_objects where verified_at = %s", hour_later))


def test_what_is_overdue_is_caught_up_with_at_three_times_the_pace(mirror: Mirror) -> None:
    mirror.fill(24)
    mirror.rows("update ops.stored_objects set stored_at = now() - interval '90 days', size_bytes = 10")
    sizes = "select sum(size_bytes)::int from ops.stored_objects"
    assert mirror.rows(sizes) == [(240,)]
    with connect(mirror.nas.url, application="test", autocommit=True) as connection:
        for name in ("create_worklist", "create_treated"):
            connection.execute(verification.load_queries("mirror")[name])
        connection.execute(verification.load_queries("mirror")["due"], {"now": now()})
        assert connection.execute("select count(*) from worklist").fetchone() == (3,)
    assert red(mirror) == ["verification_behind"]


def test_another_bucket_is_not_taken_for_a_lost_one_and_a_lost_one_is_filled_again(mirror: Mirror) -> None:
    mirror.fill(5)
    run_step("thumbnail", mirror.settings)
    [(thumbnails,)] = mirror.rows("select count(*) from ops.stored_objects where kind = 'thumbnail'")
    assert thumbnails == 5
    mirror.remove(*mirror.objects())
    refused = call(mirror.settings, "verify")
    assert refused.exit_code == 3
    assert f"ibhelm verify --rebuild {mirror.bucket}" in " ".join(refused.output.split())
    assert (mirror.objects(), mirror.problems(), red(mirror)) == ({}, [], ["verification_refused"])
    assert mirror.rows("select 1 from ops.stored_objects where verified_at is not null") == []

    wrong = call(mirror.settings, "verify", "--rebuild", "another")
    assert (wrong.exit_code, mirror.objects()) == (1, {})
    rebuilt = call(mirror.settings, "verify", "--everything", "--rebuild", mirror.bucket)
    assert rebuilt.exit_code == 0, rebuilt.output
    assert "10 missing, 0 damaged, 10 of them healed" in rebuilt.output
    assert set(mirror.objects()) == {mirror.key(number) for number in range(5)}
    run_step("thumbnail", mirror.settings)
    assert len(mirror.objects()) == 10
    mirror.assert_whole()
    assert red(mirror) == []


def test_more_than_may_be_missing_at_once_is_left_to_an_operator(mirror: Mirror) -> None:
    mirror.fill(14)
    gone = [mirror.key(number) for number in range(11)]
    mirror.remove(*gone)
    assert verify(mirror).refused == "11 of 14 objects are missing at once."
    assert mirror.problems() == []
    for number in range(11):
        mirror.put(mirror.key(number), b"rotten")
    report = verify(mirror)
    assert (report.refused, mirror.problems()) == ("11 of 14 objects are missing at once.", [])
    for number in range(11):
        data = mirror.text(number).encode()
        mirror.put(mirror.key(number), b"\1" + data[1:])
    report = verify(mirror)
    assert report.refused == "11 objects are damaged at once."
    assert (mirror.problems(), red(mirror)) == ([], ["verification_refused"])
    assert verify(mirror, rebuild=True).healed == 11
    mirror.assert_whole()


def test_a_listing_that_breaks_off_or_ends_early_makes_nothing_missing(mirror: Mirror, way: Between) -> None:
    mirror.fill(9)
    settings = other(mirror.settings, s3_endpoint=way.url)
    way.page = 4
    way.instead = lambda _, target: (503, "SlowDown") if "continuation-token" in target else None
    with pytest.raises(ObjectStoreUnavailableError):
        verify_mirror(settings, now=now(), everything=True)
    assert (mirror.problems(), mirror.rows("select 1 from ops.verifications where finished_at is not null")) == ([], [])

    way.instead = lambda *_: None
    way.afterwards = lambda target, body: _as_if_ended(body) if "list-type=2" in target else body
    report = verify_mirror(settings, now=now(), everything=True)
    assert (report.listed, report.missing, report.refused, mirror.problems()) == (9, 0, "", [])


def _as_if_ended(page: bytes) -> bytes:
    page = re.sub(rb"<NextContinuationToken>.*</NextContinuationToken>", b"", page)
    return page.replace(b"<IsTruncated>true", b"<IsTruncated>false")


def test_an_object_on_which_the_server_fails_by_itself_is_reported_and_a_failing_server_is_not(
    mirror: Mirror, way: Between
) -> None:
    mirror.fill(9)
    settings, ill = other(mirror.settings, s3_endpoint=way.url), {mirror.key(4)}
    way.instead = lambda method, target: (
        (403, "InvalidObjectState") if method == "GET" and any(key in target for key in ill) else None
    )
    report = verify_mirror(settings, now=now(), everything=True)
    assert (report.damaged, report.open, mirror.problems()) == (1, 1, [(mirror.key(4), "unreadable", False)])
    ill.update(mirror.key(number) for number in range(4))
    with pytest.raises(ObjectStoreUnavailableError, match="fails on"):
        verify_mirror(settings, now=now(), everything=True)
    assert len(mirror.problems()) == 1
    ill.clear()
    assert verify_mirror(settings, now=now()).open == 0
    assert mirror.problems() == [(mirror.key(4), "unreadable", True)]


def test_an_earlier_good_version_is_put_back_where_the_bucket_keeps_versions(mirror: Mirror) -> None:
    mirror.keep_versions()
    mirror.fill(4)
    for number in range(4):
        mirror.nas.path(f"projekte/A/{number}.txt").unlink()  # so that the NAS cannot help
    mirror.spoil(mirror.key(1))
    mirror.remove(mirror.key(2))
    report = verify(mirror)
    assert (report.healed, report.open) == (2, 0)
    assert set(mirror.rows(HOWS)) == {(FROM_VERSION,)}
    mirror.assert_whole()

    mirror.spoil(mirror.key(3))
    off = verify_mirror(other(mirror.settings, s3_versioning="off"), now=now(), everything=True)
    assert (off.damaged, off.healed) == (1, 0)


def test_what_cannot_be_healed_stays_open_with_its_paths_until_the_file_is_back(mirror: Mirror) -> None:
    mirror.fill(4)
    before = mirror.nas.path("projekte/A/1.txt").stat()
    mirror.spoil(mirror.key(1))
    mirror.nas.write("projekte/A/1.txt", mirror.text(1).upper())
    os.utime(mirror.nas.path("projekte/A/1.txt"), ns=(before.st_atime_ns, before.st_mtime_ns))
    assert verify(mirror).open == 1, "a path is not believed whose bytes differ, whatever its times say"
    assert mirror.rows(HOWS) == [(originals.ROTTEN,)]
    assert mirror.read(mirror.key(1)) != mirror.text(1).upper().encode()

    mirror.nas.path("projekte/A/1.txt").unlink()
    mirror.store()
    said = call(mirror.settings, "verify")
    assert said.exit_code == 3
    assert f"Open: projekte/A/1.txt (rotten): {NO_FILE}." in " ".join(said.output.split())
    assert red(mirror) == ["objects_rotten"]

    mirror.nas.write("projekte/A/aus der Sicherung.txt", mirror.text(1))
    mirror.store()
    assert call(mirror.settings, "verify").exit_code == 0
    mirror.assert_whole()
    assert red(mirror) == []
    assert mirror.problems() == [(mirror.key(1), "rotten", True)]


def test_known_trouble_does_not_add_up_to_too_much_at_once(mirror: Mirror) -> None:
    mirror.fill(14)
    for number in range(11):
        mirror.nas.path(f"projekte/A/{number}.txt").unlink()
    for first, last in ((0, 6), (6, 11)):
        mirror.remove(*(mirror.key(number) for number in range(first, last)))
        assert verify(mirror).refused == ""
    assert verify(mirror).open == 11
    assert red(mirror) == ["objects_missing"]


def test_a_share_that_is_away_is_said_and_no_file_is_blamed(mirror: Mirror) -> None:
    mirror.fill(3)
    mirror.remove(mirror.key(1))
    mirror.nas.root.rename(mirror.nas.root.with_name("away"))
    assert verify(mirror).open == 1
    [(how,)] = mirror.rows(HOWS)
    assert "cannot be read" in how
    mirror.nas.root.with_name("away").rename(mirror.nas.root)
    assert verify(mirror).open == 0


def test_an_object_of_many_parts_is_replaced_although_it_says_that_it_is_right(
    mirror: Mirror, monkeypatch: pytest.MonkeyPatch
) -> None:
    for module in (multipart, store, originals):
        monkeypatch.setattr(module, "PART_BYTES", 5 * MIB)
    data = random.Random(1).randbytes(6 * MIB)
    mirror.nas.write("projekte/A/gross.bin", data)
    mirror.store()
    mirror.spoil(original_key(digest(data)))
    assert verify(mirror).healed == 1
    mirror.assert_whole()


def test_what_somebody_is_at_is_left_to_the_next_run_and_what_is_no_longer_kept_is_no_trouble(mirror: Mirror) -> None:
    mirror.fill(3)
    mirror.remove(mirror.key(0), mirror.key(1))
    lock = f"select pg_try_advisory_lock(hashtextextended('store {mirror.key(0).partition('/')[2]}', 0))"
    with connect(mirror.nas.url, application="test", autocommit=True) as connection:
        connection.execute(lock.encode())
        report = verify(mirror)
        assert (report.busy, report.healed) == (1, 1)
    mirror.rows("delete from ops.stored_objects where key = %s", mirror.key(0))
    mirror.rows(
        "insert into ops.object_problems (key, content_hash, object_kind, kind, found_at)"
        " values ('originals/x', 'x', 'original', 'missing', now())"
    )
    assert verify(mirror).open == 0
    assert ("originals/x", "missing", True) in mirror.problems()


def test_one_run_at_a_time_and_a_missing_bucket_is_a_setting(mirror: Mirror) -> None:
    with single_run(mirror.settings, VERIFICATION), pytest.raises(BusyError, match="Another verification is under way"):
        verify(mirror)
    with pytest.raises(ConfigurationError):
        verify_mirror(other(mirror.settings, s3_bucket="no-such-bucket"), now=now())


def test_a_run_killed_anywhere_is_finished_by_the_next_one(mirror: Mirror) -> None:
    mirror.fill(6)
    mirror.put(thumbnail_key(digest(mirror.text(0))), b"no picture")
    mirror.rows(
        "insert into ops.stored_objects (key, kind, content_hash, sha256, size_bytes, media_type)"
        " select %s, 'thumbnail', content_hash, content_hash, 10, 'image/webp' from files where name = '0.txt'",
        thumbnail_key(digest(mirror.text(0))),
    )
    sent = run_in_child(lambda: verify(mirror), die_at=None)
    assert sent is not None
    for point in random.Random(20_261_123).sample(range(1, len(sent) + 1), 6):
        mirror.spoil(mirror.key(1), b"rotten")
        mirror.remove(mirror.key(2))
        assert run_in_child(lambda: verify(mirror), die_at=point) is None
        report = verify(mirror)
        assert report.refused == ""
        mirror.assert_whole()
        assert mirror.rows("select 1 from ops.object_problems where healed_at is null") == []


def test_a_store_that_dies_is_an_error_and_no_finding(mirror: Mirror, settings: Settings) -> None:
    mirror.fill(2)
    with pytest.raises(ObjectStoreUnavailableError), ObjectStore(settings):
        verify_mirror(other(settings, s3_endpoint="http://127.0.0.1:9"), now=now())
    assert mirror.problems() == []
