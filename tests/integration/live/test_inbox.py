"""Leases: who takes what, what becomes of it, and what happens when nobody hears of its owner any more."""

from __future__ import annotations

import threading
import time
from collections.abc import Iterator

import pytest
from live_desk import Desk, item
from pydantic import SecretStr

from ibhelm_pipelines.db.connect import connect
from ibhelm_pipelines.db.live import InboxItem, enqueue
from ibhelm_pipelines.errors import DatabaseUnavailableError
from ibhelm_pipelines.live import inbox as module
from ibhelm_pipelines.live.inbox import Batch, Inbox
from ibhelm_pipelines.settings import Settings


@pytest.fixture
def first(settings: Settings) -> Iterator[Inbox]:
    inbox = Inbox(settings, owner="first")
    yield inbox
    inbox.close()


@pytest.fixture
def second(settings: Settings) -> Iterator[Inbox]:
    inbox = Inbox(settings, owner="second")
    yield inbox
    inbox.close()


@pytest.fixture
def forgetful(settings: Settings) -> Iterator[Inbox]:
    """Its leases are over as soon as they are taken."""
    inbox = Inbox(settings, owner="forgetful", lease_seconds=0)
    yield inbox
    inbox.close()


def taken(batch: Batch | None) -> set[str]:
    return {each.label for each in batch.items} if batch is not None else set()


def sure(batch: Batch | None) -> Batch:
    assert batch is not None
    return batch


class TestPaths:
    def test_all_that_waits_in_one_folder_is_taken_at_once_and_nothing_of_another(
        self, desk: Desk, first: Inbox
    ) -> None:
        desk.paths("projekte/A/1", "projekte/A/2")
        desk.paths("projekte/A", kind="directory")
        desk.paths("projekte/B/1", folder="projekte/B")
        batch = sure(first.claim_nas())
        assert (batch.work, taken(batch)) == ("paths", {"projekte/A/1", "projekte/A/2", "projekte/A"})

    def test_keys_are_the_exact_bytes_of_the_disk(self, desk: Desk, first: Inbox) -> None:
        raw = b"projekte/A/b\xe4r \x80\n.txt"
        desk.put(InboxItem(source="nas", kind="path", key=raw, label="b?r", folder="projekte/A"))
        assert sure(first.claim_nas()).items[0].key == raw

    def test_at_most_so_many_are_taken_at_once(self, desk: Desk, first: Inbox, monkeypatch: pytest.MonkeyPatch) -> None:
        monkeypatch.setattr(module, "PATHS_AT_ONCE", 3)
        desk.paths(*(f"projekte/A/{n}" for n in range(5)))
        assert len(taken(first.claim_nas())) == 3

    def test_no_two_work_in_one_folder_though_more_comes_for_it(self, desk: Desk, first: Inbox, second: Inbox) -> None:
        desk.paths("projekte/A/1")
        batch = sure(first.claim_nas())
        desk.paths("projekte/A/2")
        desk.folder("projekte/A")
        desk.paths("projekte/B/1", folder="projekte/B")
        assert taken(second.claim_nas()) == {"projekte/B/1"}
        assert second.claim_nas() is None
        first.done(batch.ids)
        assert taken(second.claim_nas()) == {"projekte/A/2", "projekte/A"}

    def test_no_two_come_into_one_folder_though_they_look_for_work_at_the_same_moment(
        self, desk: Desk, settings: Settings, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        monkeypatch.setattr(module, "PATHS_AT_ONCE", 1)
        for n in range(4):
            desk.paths(*(f"projekte/{n}/{m}" for m in range(40)), folder=f"projekte/{n}")
        together: list[object] = []

        def work(owner: str) -> None:
            inbox = Inbox(settings, owner=owner)
            query = "select folder from ops.inbox group by folder having count(distinct lease_owner) > 1"
            while desk.labels():
                if batch := inbox.claim_nas():
                    together.extend(desk.rows(query))
                    inbox.done(batch.ids)
            inbox.close()

        threads = [threading.Thread(target=work, args=[f"worker {n}"]) for n in range(4)]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
        assert together == []

    def test_what_belongs_to_no_folder_is_one_folder(self, desk: Desk, first: Inbox, second: Inbox) -> None:
        desk.paths("a", folder=None)
        desk.paths("b", folder="_loose")
        assert taken(first.claim_nas()) == {"a", "b"}
        desk.paths("c", folder=None)
        assert second.claim_nas() is None

    def test_a_scan_of_the_loose_files_leaves_what_stands_above_the_project_folders(
        self, desk: Desk, first: Inbox
    ) -> None:
        desk.folder("_loose")
        desk.paths("projekte", folder=None)
        desk.paths("projekte/liesmich.txt", folder="_loose")
        batch = sure(first.claim_nas())
        assert (batch.work, taken(batch)) == ("folder", {"_loose", "projekte/liesmich.txt"})
        first.done(batch.ids)
        assert taken(first.claim_nas()) == {"projekte"}

    def test_the_oldest_folder_comes_first_so_that_a_flood_starves_nobody(self, desk: Desk, first: Inbox) -> None:
        desk.paths("projekte/B/note", folder="projekte/B")
        for n in range(3):
            desk.paths(f"projekte/A/{n}")
        desk.age("projekte/A/0", 10)
        batch = sure(first.claim_nas())
        assert "projekte/A/0" in taken(batch)
        first.done(batch.ids)
        desk.paths(*(f"projekte/A/more {n}" for n in range(100)))
        assert taken(first.claim_nas()) == {"projekte/B/note"}

    def test_a_lane_for_small_things_takes_neither_large_files_nor_scans(self, desk: Desk, first: Inbox) -> None:
        desk.paths("projekte/A/large", weight=5)
        desk.folder("projekte/B")
        desk.share()
        assert first.claim_nas(max_weight=4) is None
        desk.paths("projekte/A/small", weight=4)
        assert taken(first.claim_nas(max_weight=4)) == {"projekte/A/small"}


class TestScans:
    def test_a_folder_takes_what_waits_below_it_with_it_due_or_given_up(self, desk: Desk, first: Inbox) -> None:
        desk.paths("projekte/A/later", "projekte/A/given up", "projekte/A/now")
        desk.rows("update ops.inbox set due_at = now() + interval '1 hour' where label = 'projekte/A/later'")
        desk.rows(
            "update ops.inbox set poisoned_at = now(), error = 'x', attempts = 5 where label = 'projekte/A/given up'"
        )
        desk.folder("projekte/A")
        desk.paths("projekte/B/1", folder="projekte/B")
        batch = sure(first.claim_nas())
        assert batch.work == "folder"
        assert batch.items[0].key == b"projekte/A"
        assert {each.label for each in batch.items[1:]} == {
            "projekte/A/later", "projekte/A/given up", "projekte/A/now",
        }  # fmt: skip
        first.done(batch.ids)
        assert desk.labels() == {"projekte/B/1"}

    def test_the_share_takes_everything_and_nobody_begins_anything_meanwhile(
        self, desk: Desk, first: Inbox, second: Inbox
    ) -> None:
        desk.share()
        desk.paths("projekte/A/1")
        desk.folder("projekte/B")
        batch = sure(first.claim_nas())
        assert (batch.work, batch.items[0].kind) == ("share", "share")
        assert taken(batch) == {"share", "projekte/A/1", "projekte/B"}
        desk.paths("projekte/C/1", folder="projekte/C")
        assert second.claim_nas() is None
        first.done(batch.ids)
        assert taken(second.claim_nas()) == {"projekte/C/1"}

    def test_the_share_waits_for_those_at_work_but_not_for_ever(self, desk: Desk, first: Inbox, second: Inbox) -> None:
        desk.paths("projekte/A/1")
        first.claim_nas()
        desk.share()
        assert second.claim_nas() is None
        desk.age("share", 61)
        assert taken(second.claim_nas()) == {"share"}

    def test_a_storm_of_paths_becomes_one_scan_of_the_folder(
        self, desk: Desk, first: Inbox, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        monkeypatch.setattr(module, "STORM", 10)
        first = Inbox(desk.settings, owner="first")
        desk.paths(*(f"projekte/A/{n}" for n in range(11)))
        assert first.claim_nas(max_weight=100) is None, "not for the lane of small things"
        batch = sure(first.claim_nas())
        assert (batch.work, batch.items[0].key, len(batch.items)) == ("folder", b"projekte/A", 12)
        first.close()

    def test_a_storm_in_a_folder_that_could_not_be_scanned_is_worked_off_path_by_path(
        self, desk: Desk, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        monkeypatch.setattr(module, "STORM", 10)
        first = Inbox(desk.settings, owner="first")
        desk.paths(*(f"projekte/A/{n}" for n in range(11)))
        batch = sure(first.claim_nas())
        first.fail(batch.ids[:1], reason="broken", permanent=True)
        first.release(batch.ids[1:])
        assert sure(first.claim_nas()).work == "paths"
        first.close()


class TestContents:
    def test_the_smallest_come_first_in_batches_bounded_by_number_and_bytes(
        self, desk: Desk, first: Inbox, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        monkeypatch.setattr(module, "CONTENTS_AT_ONCE", 3)
        monkeypatch.setattr(module, "BYTES_AT_ONCE", 100)
        desk.hashes({"d": 60, "c": 50, "b": 2, "a": 1, "huge": 1000, "also huge": 999})
        batches = [taken(first.claim_contents()) for _ in range(6)]
        assert batches == [{"a", "b", "c"}, {"d"}, {"also huge"}, {"huge"}, set(), set()]

    def test_a_lane_for_small_contents_takes_no_others(self, desk: Desk, first: Inbox) -> None:
        desk.hashes({"large": 5, "small": 4})
        desk.put(item("content", "folder", "projekte/A", folder="projekte/A"))
        assert taken(first.claim_contents(max_weight=4)) == {"small"}
        assert first.claim_contents(max_weight=4) is None

    def test_a_folder_is_taken_alone_and_after_the_contents(self, desk: Desk, first: Inbox) -> None:
        desk.put(item("content", "folder", "projekte/A", folder="projekte/A"))
        desk.hashes({"large": 1000})
        assert (batch := sure(first.claim_contents())).work == "contents"
        assert taken(batch) == {"large"}
        assert (batch := sure(first.claim_contents())).work == "folder"
        assert taken(batch) == {"projekte/A"}

    def test_what_waited_too_long_comes_before_the_smallest_so_that_a_flood_starves_nothing(
        self, desk: Desk, first: Inbox
    ) -> None:
        desk.hashes({"large": 1 << 30, "small": 1})
        desk.put(item("content", "folder", "projekte/A", folder="projekte/A"))
        desk.age("large", 121)
        desk.age("projekte/A", 200)
        assert taken(first.claim_contents()) == {"projekte/A"}
        assert "large" in taken(first.claim_contents())

    def test_two_never_take_the_same(self, desk: Desk, settings: Settings) -> None:
        desk.hashes({f"{n:04}": n for n in range(200)})
        claimed: list[str] = []

        def take(owner: str) -> None:
            inbox = Inbox(settings, owner=owner)
            while batch := inbox.claim_contents():
                claimed.extend(taken(batch))
            inbox.close()

        threads = [threading.Thread(target=take, args=[f"worker {n}"]) for n in range(4)]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
        assert sorted(claimed) == [f"{n:04}" for n in range(200)]


class TestSettling:
    def test_what_is_done_is_gone(self, desk: Desk, first: Inbox) -> None:
        desk.paths("projekte/A/1", "projekte/A/2")
        batch = sure(first.claim_nas())
        first.done(batch.ids[:1])
        assert desk.labels() == {batch.items[1].label}

    def test_what_changed_while_it_was_worked_on_waits_again_from_now_on(self, desk: Desk, first: Inbox) -> None:
        desk.paths("projekte/A/1", "projekte/A/2")
        desk.age("projekte/A/1", 1000)
        batch = sure(first.claim_nas())
        desk.paths("projekte/A/1")
        first.done(batch.ids)
        [row] = desk.rows(
            "select label, attempts, lease_owner, now() - first_event_at < interval '1 minute' from ops.inbox"
        )
        assert row == ("projekte/A/1", 0, None, True)
        assert taken(first.claim_nas()) == {"projekte/A/1"}

    def test_a_failure_is_tried_again_after_growing_pauses_and_given_up_the_fifth_time(
        self, desk: Desk, first: Inbox
    ) -> None:
        desk.paths("projekte/A/1")
        pauses = []
        for attempt in range(5):
            batch = sure(first.claim_nas())
            assert first.fail(batch.ids, reason=f"failure {attempt}", permanent=False) == (attempt == 4)
            assert first.claim_nas() is None
            pauses.append(round(desk.rows("select extract(epoch from due_at - now()) + 1 from ops.inbox")[0][0]) // 5)
            desk.make_due()
        assert pauses == [1, 4, 16, 64, 180]
        assert desk.rows("select error, poisoned_at is not null, attempts from ops.inbox") == [("failure 4", True, 5)]
        assert first.claim_nas() is None

    def test_a_new_event_revives_what_was_given_up(self, desk: Desk, first: Inbox) -> None:
        desk.paths("projekte/A/1")
        assert first.fail(sure(first.claim_nas()).ids, reason="broken", permanent=True) == 1
        assert first.claim_nas() is None
        desk.paths("projekte/A/1")
        assert taken(first.claim_nas()) == {"projekte/A/1"}

    def test_what_changed_during_its_last_attempt_is_not_given_up(self, desk: Desk, first: Inbox) -> None:
        desk.paths("projekte/A/1")
        batch = sure(first.claim_nas())
        desk.paths("projekte/A/1")
        assert first.fail(batch.ids, reason="broken", permanent=True) == 0
        assert taken(first.claim_nas()) == {"projekte/A/1"}

    def test_a_world_that_is_not_ready_costs_no_attempt_however_often(self, desk: Desk, first: Inbox) -> None:
        desk.paths("projekte/A/1")
        for _ in range(20):
            first.defer(sure(first.claim_nas()).ids, seconds=15, reason="The share is away.")
            assert first.claim_nas() is None
            assert 10 < (first.until_due("nas") or 0) <= 15
            desk.make_due()
        assert desk.rows("select attempts, error from ops.inbox") == [(0, "The share is away.")]

    def test_a_scan_that_is_asked_for_later_comes_later_and_does_not_revive_what_was_given_up(
        self, desk: Desk, first: Inbox
    ) -> None:
        first.scan_later(["projekte/A", "projekte/B"], seconds=30)
        assert first.claim_nas() is None
        desk.make_due()
        batch = sure(first.claim_nas())
        first.scan_later(["projekte/A"], seconds=0)
        first.done(batch.ids)
        assert desk.labels() == {"projekte/A", "projekte/B"}, "asked for again while it ran"
        desk.make_due()
        batch = sure(first.claim_nas())
        first.fail(batch.ids, reason="broken", permanent=True)
        first.scan_later([batch.items[0].label], seconds=0)
        assert desk.labels("poisoned_at is not null") == {batch.items[0].label}


class TestLeases:
    def test_what_a_silent_owner_had_is_taken_over_and_he_can_no_longer_settle_it(
        self, desk: Desk, forgetful: Inbox, second: Inbox
    ) -> None:
        desk.paths("projekte/A/1")
        desk.hashes({"a": 1})
        lost = [sure(forgetful.claim_nas()), sure(forgetful.claim_contents())]
        assert taken(second.claim_nas()) == {"projekte/A/1"}
        assert taken(second.claim_contents()) == {"a"}
        for batch in lost:
            forgetful.done(batch.ids)
            forgetful.fail(batch.ids, reason="late", permanent=True)
            forgetful.defer(batch.ids, seconds=0, reason="late")
            forgetful.renew(batch.ids)
            forgetful.release(batch.ids)
        assert desk.rows("select distinct lease_owner, error from ops.inbox") == [("second", None)]
        assert desk.rows("select min(lease_until) > now() + interval '50 seconds' from ops.inbox") == [(True,)]

    def test_a_renewed_lease_is_not_taken_over(self, desk: Desk, settings: Settings, second: Inbox) -> None:
        first = Inbox(settings, owner="first", lease_seconds=0.5)
        desk.hashes({"a": 1})
        ids = sure(first.claim_contents()).ids
        for _ in range(10):
            time.sleep(0.1)
            first.renew(ids)
            assert second.claim_contents() is None
        first.close()

    def test_who_stops_in_good_order_gives_back_all_that_he_had(self, desk: Desk, first: Inbox, second: Inbox) -> None:
        desk.paths("projekte/A/1")
        desk.hashes({"a": 1})
        first.claim_nas()
        first.claim_contents()
        first.release()
        assert taken(second.claim_nas()) == {"projekte/A/1"}
        assert taken(second.claim_contents()) == {"a"}

    def test_what_one_worker_after_the_other_dies_of_is_given_up_with_a_sentence(
        self, desk: Desk, forgetful: Inbox, first: Inbox, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        monkeypatch.setattr(module, "MAX_DEATHS", 3)
        desk.hashes({"deadly": 1})
        for _ in range(4):
            first.give_up_deadly()
            assert taken(forgetful.claim_contents()) == {"deadly"}
        first.give_up_deadly()
        assert first.claim_contents() is None
        [(error,)] = desk.rows("select error from ops.inbox where poisoned_at is not null")
        assert error.startswith("3 workers died while they worked on it.")


class TestTogether:
    def test_writers_and_workers_that_meet_the_same_rows_wait_and_do_not_deadlock(
        self, desk: Desk, settings: Settings
    ) -> None:
        labels = [f"projekte/A/{n:02}" for n in range(60)]
        over = time.monotonic() + 3
        errors: list[BaseException] = []

        def write() -> None:
            with connect(desk.url, application="test", autocommit=True) as connection:
                while time.monotonic() < over:
                    enqueue(connection, [item("nas", "path", label, folder="projekte/A") for label in labels])

        def work(owner: str) -> None:
            inbox = Inbox(settings, owner=owner)
            while time.monotonic() < over:
                if batch := inbox.claim_nas():
                    ids = batch.ids[::-1]
                    inbox.renew(ids)
                    inbox.done(ids[::2])
                    inbox.defer(ids[1::4], seconds=0, reason="x")
                    inbox.fail(ids[3::4], reason="x", permanent=True)
            inbox.close()

        def guarded(action: object, *args: object) -> None:
            try:
                action(*args)  # type: ignore[operator]
            except BaseException as error:
                errors.append(error)
                raise

        threads = [threading.Thread(target=guarded, args=[write]) for _ in range(2)]
        threads += [threading.Thread(target=guarded, args=[work, f"worker {n}"]) for n in range(2)]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
        assert errors == []

    def test_a_lost_connection_is_our_error_and_the_next_call_has_a_new_one(self, desk: Desk, first: Inbox) -> None:
        desk.hashes({"a": 1})
        batch = sure(first.claim_contents())
        desk.rows("select pg_terminate_backend(pid) from pg_stat_activity where application_name = 'ibhelm worker'")
        with pytest.raises(DatabaseUnavailableError):
            first.done(batch.ids)
        first.done(batch.ids)
        assert desk.labels() == set()

    def test_a_server_that_is_away_is_our_error(self, settings: Settings) -> None:
        nowhere = settings.model_copy(update={"database_url": SecretStr("postgresql://127.0.0.1:1/x")})
        with pytest.raises(DatabaseUnavailableError):
            Inbox(nowhere, owner="first").claim_nas()
