"""The bucket alone gives back any day; what is damaged there is passed over and said; what is forgotten is gone."""

from __future__ import annotations

import datetime as dt
import gzip
import json
import os
import re
import subprocess
import sys
import unicodedata
from pathlib import Path
from typing import Any

import psycopg
import pytest
from restored_office import Stored, states, tree

from ibhelm_pipelines.db.question import ask
from ibhelm_pipelines.db.safety_checks import MANIFEST_QUESTIONS
from ibhelm_pipelines.errors import BusyError, ObjectStoreUnavailableError, PermanentError
from ibhelm_pipelines.safety.bucket_restore import restore_from_bucket
from ibhelm_pipelines.safety.manifest_forgetting import forget_manifests
from ibhelm_pipelines.safety.manifest_store import _kept
from ibhelm_pipelines.safety.manifests import only_writer, write_manifests
from ibhelm_pipelines.safety.moments import BERLIN
from ibhelm_pipelines.safety.restore_report import RestoreReport
from ibhelm_pipelines.settings import Settings

FOLDER = "projekte/2301-Kita"
OTHER = "projekte/2302-Rathaus"
DAY = dt.datetime(2026, 11, 1, 4, tzinfo=dt.UTC)
NANO = 1_700_000_000_123_456_789


@pytest.fixture
def stored(settings: Settings, s3_client: Any) -> Stored:
    stored = Stored(settings.model_copy(update={"max_deletion_percent": 100.0}), s3_client)
    for name in (f"{FOLDER}/a.txt", f"{FOLDER}/tief/b.txt", f"{OTHER}/c.txt", "lose.txt", "projekte/auch lose.txt"):
        stored.nas.write(name, f"content of {name}", mtime=1_700_000_000)
    for odd in (b"Rechnung\xfc.pdf", unicodedata.normalize("NFD", "Büro\n.txt").encode(), b"x" * 255):
        path = stored.nas.write(f"{FOLDER}/".encode() + odd, b"odd " + odd)
        os.utime(path, ns=(NANO, NANO))
    return stored


def restore(stored: Stored, target: Path, path: str = "", *, at: dt.datetime | None = None) -> RestoreReport:
    """Nothing but the bucket and its keys."""
    bare = stored.settings.model_copy(update={"database_url": None, "nas_root": None})
    return restore_from_bucket(bare, path, at=at, target=target, pauses=())


def write(stored: Stored, day: int = 0) -> str:
    """Write the manifests of a day; return the key of their index."""
    return write_manifests(stored.settings, now=DAY + dt.timedelta(days=day)).index_key


def manifest_of(stored: Stored, index_key: str, folder: str) -> str:
    """Return the key of a folder's manifest."""
    [key] = [each["key"] for each in json.loads(stored.read(index_key))["folders"] if each["folder"] == folder]
    return str(key)


def test_every_moment_comes_back_from_the_bucket_alone(stored: Stored, tmp_path: Path) -> None:
    nas = stored.nas
    truths = [(stored.keep(), tree(nas.root))]
    nas.write(f"{FOLDER}/a.txt", "second", mtime=1_700_000_100)
    nas.move(f"{FOLDER}/tief/b.txt", f"{OTHER}/moved.txt")
    os.utime(nas.path("lose.txt"), ns=(NANO, NANO))
    nas.path(f"{OTHER}/c.txt").unlink()
    truths.append((stored.keep(), tree(nas.root)))
    write(stored)

    for number, (moment, truth) in enumerate(truths):
        target = tmp_path / str(number)
        report = restore(stored, target, at=moment)
        assert (report.complete, report.warnings) == (True, [])
        assert tree(target) == truth
    newest = tmp_path / "newest"
    assert restore(stored, newest).complete
    assert tree(newest) == truths[-1][1]
    one = tmp_path / "one"
    assert restore(stored, one, f"{FOLDER}/tief/b.txt", at=truths[0][0]).total == 1
    assert restore(stored, one, f"{FOLDER}/tief", at=truths[0][0]).total == 1
    assert restore(stored, one, "projekte/auch lose.txt").total == 1
    assert restore(stored, one, "projekte").total == len([path for path in truths[-1][1] if path != b"lose.txt"])


def test_only_what_changed_is_written_and_what_was_damaged_is_mended(stored: Stored) -> None:
    stored.keep()
    first = write_manifests(stored.settings, now=DAY)
    assert (first.folders, first.written, first.versions) == (3, 3, 8)
    again = write_manifests(stored.settings, now=DAY + dt.timedelta(days=1))
    assert (again.folders, again.written, again.index_key != first.index_key) == (3, 0, True)
    stored.nas.write(f"{OTHER}/neu.txt", "new")
    stored.keep()
    assert write_manifests(stored.settings, now=DAY + dt.timedelta(days=2)).written == 1

    key = manifest_of(stored, first.index_key, FOLDER)
    stored.change(key, stored.read(key)[:-10])
    mended = write_manifests(stored.settings, now=DAY + dt.timedelta(days=3))
    assert (mended.written, mended.written_bytes) == (1, len(stored.read(key)))


def test_a_manifest_says_what_was_where_to_whoever_can_unpack_it(stored: Stored) -> None:
    moment = stored.keep()
    key = manifest_of(stored, write(stored), FOLDER)
    rows = [json.loads(line) for line in gzip.decompress(stored.read(key)).splitlines()]
    [row] = [row for row in rows if row["path"] == f"{FOLDER}/a.txt"]
    assert row["mtime_ns"] == 1_700_000_000_000_000_000
    assert (row["size"], row["to"], row["from"] < moment.isoformat(timespec="microseconds")) == (35, None, True)
    assert [row["path"] for row in rows if "Rechnung" in row["path"]] == [f"{FOLDER}/Rechnung\\xfc.pdf"]


def test_a_damaged_manifest_gives_way_to_an_older_one_and_that_is_said(stored: Stored, tmp_path: Path) -> None:
    early = stored.keep()
    truth = tree(stored.nas.root)
    old = write(stored)
    stored.nas.write(f"{FOLDER}/neu.txt", "new")
    late = stored.keep()
    new = write(stored, day=1)
    key = manifest_of(stored, new, FOLDER)
    data = stored.read(key)
    for damaged in (data[: len(data) // 2], data[:-1] + b"x", None):
        stored.change(key, damaged, key.rpartition("/")[2].partition(".")[0])
        report = restore(stored, tmp_path / "early", at=early)
        assert report.complete
        assert tree(tmp_path / "early") == truth
        assert report.warnings == [f"The newest manifest of {FOLDER} is damaged; an older one is used instead."]
        later = restore(stored, tmp_path / "late", at=late)
        assert not later.complete
        assert "what changed later is not in them" in later.warnings[-1]

    stored.change(manifest_of(stored, old, FOLDER), b"")
    nothing = restore(stored, tmp_path / "nothing", at=early)
    assert not nothing.complete
    assert f"The manifest of {FOLDER} is damaged, and there is no older one" in nothing.warnings[-1]
    assert set(tree(tmp_path / "nothing")) == {path for path in truth if not path.startswith(FOLDER.encode())}


def test_a_damaged_index_gives_way_to_an_older_one(stored: Stored, tmp_path: Path) -> None:
    early = stored.keep()
    write(stored)
    stored.nas.write(f"{FOLDER}/neu.txt", "new")
    late = stored.keep()
    new = write(stored, day=1)
    stored.change(new, stored.read(new).replace(b"projekte", b"projekTe"))

    assert restore(stored, tmp_path / "early", at=early).complete
    report = restore(stored, tmp_path / "late", at=late)

    assert not report.complete
    assert new in report.warnings[0]
    assert f"{FOLDER}/neu.txt".encode() not in tree(tmp_path / "late")


def test_what_came_after_the_manifests_is_not_claimed_to_be_whole(stored: Stored, tmp_path: Path) -> None:
    stored.keep()
    write(stored)
    stored.nas.write(f"{FOLDER}/neu.txt", "new")
    report = restore(stored, tmp_path / "x", at=stored.keep())
    assert not report.complete
    assert "what changed later is not in them" in report.warnings[0]


def test_an_empty_bucket_and_a_path_of_nothing_are_said(stored: Stored, tmp_path: Path) -> None:
    stored.keep()
    with pytest.raises(PermanentError, match="has no manifests"):
        restore(stored, tmp_path / "x")
    write(stored)
    with pytest.raises(PermanentError, match=f"Similar: {FOLDER}"):
        restore(stored, tmp_path / "x", "projekte/2301-Kitta")


def test_two_versions_that_overlap_because_a_clock_was_set_back_are_one_file(stored: Stored, tmp_path: Path) -> None:
    stored.keep()
    later = stored.now() + dt.timedelta(hours=1)
    rewrite = "update file_versions set valid_to = %s where path = %s"
    stored.nas.rows(rewrite, later, f"{OTHER}/c.txt")  # so the clock said, an hour fast
    stored.nas.rows(
        "insert into file_versions (file_id, path, raw_path, content_hash, size_bytes, mtime_ns, valid_from)"
        " select file_id, %s, %s, content_hash, size_bytes, 5, now() from file_versions where path = %s",
        *(f"{OTHER}/d.txt", f"{OTHER}/d.txt".encode(), f"{OTHER}/c.txt"),
    )
    write(stored)
    at = stored.now()
    expected = {f"{OTHER}/d.txt"}
    assert set(states(restore(stored, tmp_path / "x", OTHER, at=at))) == expected
    assert set(states(stored.restore(OTHER, tmp_path / "y", at=at))) == expected


def test_old_indexes_are_thinned_out_and_their_manifests_with_them(
    stored: Stored, monkeypatch: pytest.MonkeyPatch
) -> None:
    for name in ("DAILY", "WEEKLY", "MONTHLY"):
        monkeypatch.setattr(f"ibhelm_pipelines.safety.manifest_store.{name}", 1)
    for day in range(2):
        stored.nas.write(f"{FOLDER}/{day}.txt", str(day))
        stored.keep()
        newest = write(stored, day=day)

    assert stored.keys("manifests/index/") == [newest]
    assert stored.keys("manifests/folders/") == sorted(e["key"] for e in json.loads(stored.read(newest))["folders"])


def test_the_newest_index_of_each_of_the_last_days_weeks_and_months_is_kept() -> None:
    days = [DAY + dt.timedelta(days=day, hours=hour) for day in range(500) for hour in (0, 9)]
    keys = sorted((f"manifests/index/{day:%Y-%m-%dT%H%M%S.%fZ}-0.json" for day in days), reverse=True)
    kept = _kept(keys)
    assert all(key in kept for key in keys[:14:2])
    assert 7 + 3 + 10 <= len(kept) <= 7 + 5 + 12
    assert _kept(keys[:1]) == {keys[0]}


def test_what_must_be_forgotten_leaves_every_manifest(stored: Stored, tmp_path: Path) -> None:
    stored.nas.write(f"{FOLDER}/Max Muster/Brief.txt", "letter")
    early = stored.keep()
    write(stored)
    stored.nas.move(f"{FOLDER}/Max Muster/Brief.txt", f"{OTHER}/Brief.txt")
    stored.nas.path("lose.txt").unlink()
    stored.keep()
    write(stored, day=1)
    stored.change(manifest_of(stored, write(stored, day=2), OTHER), b"damaged")

    gone = [f"{FOLDER}/Max Muster".encode(), b"lose.txt"]
    assert forget_manifests(stored.settings, gone) == 4

    held = b"".join(gzip.decompress(stored.read(key)) for key in stored.keys("manifests/folders/"))
    assert b"Muster" not in held
    assert b'"lose.txt"' not in held
    assert f"{FOLDER}/a.txt".encode() in held
    assert forget_manifests(stored.settings, gone) == 0
    assert forget_manifests(stored.settings, []) == 0
    assert write_manifests(stored.settings, now=DAY + dt.timedelta(days=3)).written == 3
    forget_manifests(stored.settings, gone)  # the rows are still there, so that these held it again
    report = restore(stored, tmp_path / "x", at=early)
    assert report.complete
    assert not {"Brief.txt", "lose.txt"} & {Path(path).name for path in states(report)}


def test_one_writer_at_a_time(stored: Stored, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("ibhelm_pipelines.safety.manifests.LOCK_WAIT", "10ms")
    with only_writer(stored.settings), pytest.raises(BusyError, match="Another process"):
        write(stored)


def test_a_failure_is_noted_for_the_check(stored: Stored) -> None:
    gone = stored.settings.model_copy(update={"s3_endpoint": "http://127.0.0.1:9"})
    with pytest.raises(ObjectStoreUnavailableError):
        write_manifests(gone, now=DAY)
    [(error, finished)] = stored.nas.rows("select error, finished_at from ops.manifest_writes")
    assert "does not answer" in error
    assert finished == DAY


@pytest.mark.parametrize(
    ("writes", "says"),
    [
        ("(now() - interval '25 hours', now(), null)", None),
        ("(now(), null, null)", None),  # under way, and the first one
        ("(now() - interval '25 hours', now(), null), (now() - interval '1 hour', null, null)", None),
        ("(now() - interval '27 hours', now(), null)", "20"),
        ("(now() - interval '1 hour', now(), null), (now() - interval '3 hours', null, null)", "it was killed"),
        ("(now() + interval '3 days', now(), null), (now() - interval '27 hours', now(), null)", "20"),
    ],
)
def test_the_check_says_when_the_bucket_alone_would_not_do(
    settings: Settings, owner_database_url: str, writes: str, says: str | None
) -> None:
    [question] = MANIFEST_QUESTIONS
    with psycopg.connect(owner_database_url) as connection:
        connection.execute(f"insert into ops.manifest_writes (started_at, finished_at, error) values {writes}")  # type: ignore[arg-type]
        answer = ask(connection, question)
        assert (answer.passed, says is None or says in answer.problem) == (says is None, True)
        connection.execute("delete from ops.manifest_writes")
        assert ask(connection, question).passed
        connection.execute("update ops.migrations set applied_at = now() - interval '27 hours'")
        assert "never" in ask(connection, question).problem


def test_the_script_of_the_docs_restores_with_standard_tools(stored: Stored, tmp_path: Path) -> None:
    moment = stored.keep()
    truth = tree(stored.nas.root, FOLDER)
    stored.nas.write(f"{FOLDER}/a.txt", "later")
    stored.keep()
    write(stored)
    text = (Path(__file__).resolve().parents[3] / "docs" / "restore.md").read_text(encoding="utf-8")
    [script] = re.findall(r"```python\n(.*?)```", text, re.DOTALL)
    settings = stored.settings
    variables = {
        "ENDPOINT": settings.require_s3_endpoint(), "BUCKET": settings.s3_bucket, "TARGET": str(tmp_path / "restored"),
        "ACCESS_KEY": settings.s3_access_key, "SECRET_KEY": settings.s3_secret_key.get_secret_value(),
        "FOLDER": f"{FOLDER}/", "MOMENT": moment.astimezone(BERLIN).isoformat(),
    }  # fmt: skip

    isolated = [sys.executable, "-I", "-X", "utf8", "-c", script]
    subprocess.run(isolated, env=os.environ | variables, check=True)

    assert tree(tmp_path / "restored") == truth
