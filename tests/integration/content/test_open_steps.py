"""Steps that stay open for the live lane: single contents, the smallest first, from many threads, told at once."""

from __future__ import annotations

import json
import threading
import time
from concurrent.futures import ThreadPoolExecutor
from typing import TYPE_CHECKING, Any

import psutil
import pytest
from hostile_files import laughing_forms

from ibhelm_pipelines.content import ledger
from ibhelm_pipelines.content.source import GONE
from ibhelm_pipelines.content.steps import SMALL_BYTES, StepCounts, Steps, open_steps, run_step
from ibhelm_pipelines.db.migrations import migrate
from ibhelm_pipelines.errors import ShareUnavailableError
from ibhelm_pipelines.settings import Settings

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from ibhelm_pipelines.content.outcome import Step
    from ibhelm_pipelines.local.postgres import EmbeddedPostgres

    Office = Any

STEPS: tuple[Step, ...] = ("store", "thumbnail", "text")
SCHOOL, BATH = "2024/100 Schule", "2024/200 Bad"
TOLD = "select asset, folder, counts from ops.outbox order by id"


@pytest.fixture
def steps(office: Office) -> Iterator[Steps]:
    with open_steps(office.settings) as steps:
        yield steps


def wait_until(condition: Callable[[], Any], *, seconds: float = 60) -> None:
    deadline = time.monotonic() + seconds
    while not condition():
        assert time.monotonic() < deadline, "it did not become true"
        time.sleep(0.02)


def finished(office: Office, *hashes: str) -> int:
    sql = "select count(*) from ops.step_results where content_hash = any(%s)"
    return int(office.query(sql, list(hashes))[0]["count"])


def large_bomb(number: int) -> bytes:
    """It keeps a worker busy until it is killed, and it is no small content."""
    return laughing_forms(padding=b"%d" % number + b" " * SMALL_BYTES)


def test_a_content_is_taken_through_all_steps_and_nothing_else_is(office: Office, steps: Steps) -> None:
    wanted, other = office.add("a.txt", b"Angebot"), office.add("b.txt", b"Anderes")

    reports = steps.derive([wanted])

    assert {step: report.total for step, report in reports.items()} == dict.fromkeys(
        STEPS, StepCounts(done=1, ok=1, bytes=7)
    )
    assert all((report.waiting, report.changed) == (0, 0) for report in reports.values())
    assert set(reports["text"].folders) == {SCHOOL}
    assert office.text(wanted) == "Angebot"
    assert (finished(office, wanted), finished(office, other)) == (3, 0)
    assert {step: report.total.done for step, report in steps.derive([wanted]).items()} == dict.fromkeys(STEPS, 0)


@pytest.mark.parametrize("step", STEPS)
def test_one_step_does_only_the_named_contents(office: Office, steps: Steps, step: Step) -> None:
    hashes = [office.add(f"{number}.txt", b"%d" % number) for number in range(5)]
    assert steps.run(step, hashes=hashes[:2]).total.done == 2
    assert steps.run(step, hashes=[]).total == StepCounts()
    assert (finished(office, *hashes[:2]), finished(office, *hashes)) == (2, 2)


def test_the_smallest_content_is_taken_first(office: Office) -> None:
    sizes = [9000, 10, 500, 70_000, 1, 3000]
    hashes = {size: office.add(f"{size}.txt", b"x" * size) for size in sizes}
    with ledger.open_session(office.settings) as session:
        held = ledger.Ledger(session, office.settings, "text", ledger.Scope(hashes=list(hashes.values())))
        assert [work.hash for work in held.missing()] == [hashes[size] for size in sorted(sizes)]


def test_a_run_is_over_folders_or_over_hashes() -> None:
    with pytest.raises(ValueError, match="not over both"):
        ledger.Scope(folders=["a"], hashes=["b"])


@pytest.mark.timeout(200)
def test_a_small_file_is_finished_while_large_ones_hold_all_workers_that_they_may_have(office: Office) -> None:
    """One bomb more than there are workers: not even a waiting large file takes the place of the small ones."""
    bombs = [office.add(f"{number}.pdf", large_bomb(number)) for number in range(3)]
    note = office.add("notiz.txt", b"Notiz")
    settings = office.settings.model_copy(update={"content_seconds": 120})
    with ThreadPoolExecutor(3) as threads, open_steps(settings) as steps:
        hanging = [threads.submit(steps.run, "thumbnail", hashes=[bomb]) for bomb in bombs]
        locks = "select 1 from pg_locks where locktype = 'advisory'"
        wait_until(lambda: len(office.query(locks)) == 3 and len(reading_processes()) >= 2)

        reports = steps.derive([note])

        assert [report.total.ok for report in reports.values()] == [1, 1, 1]
        assert finished(office, *bombs) == 0
        assert not any(future.done() for future in hanging)


def reading_processes() -> list[psutil.Process]:
    """Grandchildren: the fork server is their parent."""
    return [worker for child in psutil.Process().children() for worker in child.children()]


@pytest.mark.timeout(200)
def test_a_small_file_is_committed_while_a_large_one_of_the_same_run_is_still_read(office: Office) -> None:
    bomb, note = office.add("plan.pdf", large_bomb(0)), office.add("notiz.txt", b"Notiz")
    settings = office.settings.model_copy(update={"content_seconds": 120, "content_workers": 1})
    with ThreadPoolExecutor(1) as threads, open_steps(settings) as steps:
        threads.submit(steps.run, "thumbnail", hashes=[bomb, note])
        wait_until(lambda: finished(office, note))
        assert finished(office, bomb) == 0


def test_closing_the_steps_ends_what_still_runs(office: Office) -> None:
    bomb = office.add("plan.pdf", large_bomb(0))
    settings = office.settings.model_copy(update={"content_seconds": 600})
    with ThreadPoolExecutor(1) as threads, open_steps(settings) as steps:
        threads.submit(steps.run, "thumbnail", hashes=[bomb])
        wait_until(reading_processes)
    assert finished(office, bomb) == 0
    assert not office.query("select 1 from pg_locks where locktype = 'advisory'")


def test_a_run_after_a_restart_of_postgres_works(private_postgres: EmbeddedPostgres, office: Office) -> None:
    migrate(private_postgres.url())
    settings = {**office.settings.model_dump(), "database_url": private_postgres.url()}
    office = type(office)(Settings.model_validate(settings))
    with open_steps(office.settings) as steps:
        first = office.add("a.txt", b"a")
        assert steps.derive([first])["text"].total.ok == 1
        private_postgres.stop()
        private_postgres.start()
        second = office.add("b.txt", b"b")
        assert steps.derive([first, second])["text"].total.ok == 1


def test_a_reading_process_that_died_between_two_runs_is_replaced(office: Office, steps: Steps) -> None:
    assert steps.derive([office.add("a.txt", b"a")])["text"].total.ok == 1
    workers = reading_processes()
    assert workers
    for worker in workers:
        worker.kill()
    content_hash = office.add("b.txt", b"b")
    assert [report.total.ok for report in steps.derive([content_hash]).values()] == [1, 1, 1]


def test_a_share_that_is_away_is_no_fault_of_a_file_and_the_steps_stay_usable(office: Office, steps: Steps) -> None:
    content_hash = office.add("a.txt", b"a")
    office.root.rename(office.root.with_name("weg"))
    office.root.mkdir()
    with pytest.raises(ShareUnavailableError):
        steps.derive([content_hash])
    office.root.rmdir()
    office.root.with_name("weg").rename(office.root)
    assert not finished(office, content_hash)
    assert [report.total.ok for report in steps.derive([content_hash]).values()] == [1, 1, 1]


def test_a_renamed_file_and_a_copy_show_the_preview_under_their_own_names(office: Office, steps: Steps) -> None:
    content_hash = office.add("alt.txt", b"Text")
    steps.derive([content_hash])
    office.query("update public.files set name = 'neu.txt'")
    office.add("kopie.txt", b"Text", folder=BATH)

    assert steps.derive([content_hash], tell=True)["thumbnail"].total.done == 0

    rows = office.query("select name, thumbnail from public.files")
    assert {row["name"]: json.loads(row["thumbnail"])[0]["title"] for row in rows} == {
        "neu.txt": "neu.txt.webp",
        "kopie.txt": "kopie.txt.webp",
    }
    assert not office.query(TOLD)


def test_a_file_whose_new_content_has_no_preview_stops_showing_the_old_one_at_once(
    office: Office, steps: Steps
) -> None:
    steps.derive([office.add("a.txt", b"Text")])
    program = office.add("b.exe", b"MZ\x90\0")
    office.query("update public.files set content_hash = %s", program)
    office.query("update ops.disk_entries set mtime_ns = null where raw_name = 'a.txt'")
    steps.derive([program])
    assert [row["thumbnail"] for row in office.query("select thumbnail from public.files")] == [None, None]


def test_threads_that_derive_the_same_content_do_the_work_once(office: Office, steps: Steps) -> None:
    for number in range(5):
        content_hash = office.add(f"{number}.txt", b"Protokoll %d" % number)
        barrier, done = threading.Barrier(3), []

        def derive(content_hash: str = content_hash, barrier: threading.Barrier = barrier, done: Any = done) -> None:
            barrier.wait()
            done.append(sum(report.total.done for report in steps.derive([content_hash], tell=True).values()))

        with ThreadPoolExecutor(3) as threads:
            for future in [threads.submit(derive) for _ in range(3)]:
                future.result()
        assert sum(done) == 3
    (row,) = office.query("select count(*) as results, max(attempts) as attempts from ops.step_results")
    assert (row["results"], row["attempts"]) == (15, 1)
    assert len(office.query(TOLD)) == 15


def test_a_content_in_other_hands_is_waiting(office: Office, steps: Steps) -> None:
    content_hash = office.add("a.txt", b"a")
    with office.connect() as other:
        other.execute("select pg_advisory_lock(hashtextextended('text ' || %s, 0))", [content_hash])
        for report in (steps.run("text", hashes=[content_hash]), steps.run("text", folders=[SCHOOL])):
            assert (report.total.done, report.waiting) == (0, 1)
    report = steps.run("text", hashes=[content_hash])
    assert (report.total.done, report.waiting) == (1, 0)


@pytest.mark.parametrize("by", ["hashes", "folders"])
def test_a_content_that_failed_for_a_passing_reason_is_waiting_until_it_is_given_up(
    office: Office, steps: Steps, by: str
) -> None:
    content_hash = office.add("a.txt", b"a")
    office.query("update ops.disk_entries set mtime_ns = null")  # it could not be read when it was last seen
    office.age()
    scope: dict[str, Any] = {"hashes": [content_hash]} if by == "hashes" else {"folders": [SCHOOL]}
    for attempt in range(1, ledger.MAX_ATTEMPTS + 1):
        report = steps.run("text", **scope)
        assert (report.total.failed, report.changed) == (1, 0)
        assert report.waiting == (attempt < ledger.MAX_ATTEMPTS)
        if attempt == 1 and by == "hashes":
            report = steps.run("text", **scope)
            assert (report.total.done, report.waiting) == (0, 1)  # not due yet, and not forgotten
        office.query("update ops.step_results set next_try_at = now() where next_try_at is not null")


def test_a_file_that_changed_since_the_scan_is_not_waited_for(office: Office, steps: Steps) -> None:
    content_hash = office.add("a.txt", b"a")
    (office.root / SCHOOL / "a.txt").write_bytes(b"anders")
    for report in steps.derive([content_hash]).values():
        assert (report.total.failed, report.waiting, report.changed) == (1, 0, 1)


def test_a_file_that_was_renamed_behind_the_scans_back_is_tried_at_once_when_a_scan_found_it(
    office: Office, steps: Steps
) -> None:
    content_hash = office.add("alt.txt", b"a")
    office.age()
    (office.root / SCHOOL / "alt.txt").rename(office.root / SCHOOL / "neu.txt")
    steps.derive([content_hash])
    assert office.result(content_hash, "text")["reason"] == GONE
    assert steps.derive([content_hash])["text"].total.done == 0
    office.query("delete from ops.disk_entries")
    office.query("delete from public.files")
    office.record(f"{SCHOOL}/neu.txt".encode(), content_hash, folder=SCHOOL)
    assert [report.total.ok for report in steps.derive([content_hash]).values()] == [1, 1, 1]


def test_a_file_that_a_step_missed_while_a_scan_moved_its_row_is_tried_at_once(office: Office, steps: Steps) -> None:
    """`last_seen_at` is when the scan's transaction began: the step failed after that, and before it committed."""
    content_hash = office.add("neu.txt", b"a")
    (office.root / SCHOOL / "neu.txt").rename(office.root / SCHOOL / "alt.txt")
    steps.derive([content_hash])
    (office.root / SCHOOL / "alt.txt").rename(office.root / SCHOOL / "neu.txt")
    office.query("update public.files set last_seen_at = now() - interval '1 minute'")
    assert [report.total.ok for report in steps.derive([content_hash]).values()] == [1, 1, 1]


def test_a_content_without_a_live_file_is_nobodys_work(office: Office, steps: Steps) -> None:
    content_hash = office.add("a.txt", b"a")
    office.query("update public.files set deleted_at = now()")
    for report in steps.derive([content_hash, "f" * 64]).values():
        assert (report.total.done, report.waiting) == (0, 0)
    assert finished(office, content_hash) == 0


def test_what_the_live_lane_does_is_told_by_asset_and_folder(office: Office, steps: Steps) -> None:
    both, program = office.add("a.txt", b"Text"), office.add("b.exe", b"MZ\x90\0")
    office.add("kopie.txt", b"Text", folder=BATH)
    steps.derive([both], tell=True)
    steps.run("text", folders=[SCHOOL], tell=True)
    one = {"done": 1, "ok": 1, "empty": 0, "unsupported": 0, "failed": 0, "bytes": 4}
    size = office.content(program)["size_bytes"]
    assets = ("thumbnails", "extracted_text", "stored_originals")
    told = [(asset, folder, one) for asset in assets for folder in (SCHOOL, BATH)]
    told.append(("extracted_text", SCHOOL, one | {"ok": 0, "unsupported": 1, "bytes": size}))
    assert [(row["asset"], row["folder"], row["counts"]) for row in office.query(TOLD)] == told


def test_runs_of_dagster_tell_nothing_here(office: Office) -> None:
    office.add("a.txt", b"Text")
    assert run_step("text", office.settings).total.ok == 1
    assert not office.query(TOLD)


def test_nothing_stays_open_in_postgres_after_a_run(office: Office, steps: Steps) -> None:
    steps.derive([office.add("a.txt", b"a")], tell=True)
    steps.run("text", folders=[SCHOOL])
    mine = "select 1 from pg_stat_activity where datname = current_database() and pid <> pg_backend_pid()"
    wait_until(lambda: not office.query(mine))
