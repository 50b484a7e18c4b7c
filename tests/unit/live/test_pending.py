"""What changed waits until it is quiet, travels together where it belongs together, and stays within its bounds."""

from __future__ import annotations

import random

import pytest

from ibhelm_pipelines.db.live import InboxItem
from ibhelm_pipelines.live.pending import MAX_PATHS, MAX_PATHS_OF_A_FOLDER, Change, Pending


@pytest.fixture
def pending() -> Pending:
    return Pending(folder_depth=2, quiet_seconds=0.5, hold_seconds=5, size_of=len)


def keys(items: list[InboxItem]) -> set[tuple[str, bytes]]:
    return {(item.kind, item.key) for item in items}


def test_a_path_is_due_when_it_was_quiet(pending: Pending) -> None:
    pending.note([Change(b"p/A/x")], 0)
    pending.note([Change(b"p/A/x")], 0.4)
    assert pending.take(0.8) == []
    [item] = pending.take(0.9)
    assert (item.key, item.folder, item.events, item.weight) == (b"p/A/x", "p/A", 2, len(b"p/A/x"))
    assert pending.take(100) == []


def test_a_path_that_is_never_quiet_is_due_in_the_end(pending: Pending) -> None:
    for tenth in range(50):
        pending.note([Change(b"p/A/x")], tenth / 10)
        assert pending.take(tenth / 10) == []
    pending.note([Change(b"p/A/x")], 5)
    assert keys(pending.take(5)) == {("path", b"p/A/x")}


def test_a_file_that_is_written_is_held_until_it_is_closed(pending: Pending) -> None:
    for second in range(30):
        pending.note([Change(b"p/A/x", writing=True)], second)
        assert pending.take(second + 0.9) == []
    pending.note([Change(b"p/A/x", writing=False)], 30)
    assert keys(pending.take(30.5)) == {("path", b"p/A/x")}


def test_a_file_that_is_not_closed_is_due_when_it_was_not_written_for_two_seconds(pending: Pending) -> None:
    pending.note([Change(b"p/A/x", writing=True)], 0)
    assert pending.take(1.9) == []
    assert keys(pending.take(2)) == {("path", b"p/A/x")}


def test_a_file_that_is_written_without_end_is_due_after_a_minute(pending: Pending) -> None:
    for second in range(60):
        pending.note([Change(b"p/A/x", writing=True)], second)
        assert pending.take(second) == []
    pending.note([Change(b"p/A/x", writing=True)], 60)
    assert keys(pending.take(60)) == {("path", b"p/A/x")}


def test_new_rights_do_not_end_a_writing(pending: Pending) -> None:
    pending.note([Change(b"p/A/x", writing=True), Change(b"p/A/x", writing=None)], 0)
    assert pending.take(1) == []


def test_both_ends_of_a_rename_travel_together(pending: Pending) -> None:
    pending.note([Change(b"p/A/old"), Change(b"p/B/new", moved_from=b"p/A/old")], 0)
    pending.note([Change(b"p/B/new", writing=True)], 0.4)
    assert keys(pending.take(0.5)) == {("path", b"p/A/old"), ("path", b"p/B/new")}


def test_a_chain_of_renames_travels_together(pending: Pending) -> None:
    changes = [Change(b"p/A/1")] + [Change(b"p/A/%d" % (n + 1), moved_from=b"p/A/%d" % n) for n in range(1, 5)]
    pending.note(changes, 0)
    pending.note([Change(b"p/A/3", writing=True)], 0.4)
    assert len(pending.take(0.5)) == 5


def test_two_files_that_change_names_travel_together_and_end(pending: Pending) -> None:
    pending.note([Change(b"p/A/1"), Change(b"p/A/2", moved_from=b"p/A/1"), Change(b"p/A/1", moved_from=b"p/A/2")], 0)
    assert len(pending.take(0.5)) == 2


def test_too_many_paths_of_a_folder_become_the_folder(pending: Pending) -> None:
    pending.note([Change(b"p/A/%d" % n) for n in range(MAX_PATHS_OF_A_FOLDER + 1)], 0)
    pending.note([Change(b"p/A/later"), Change(b"p/B/x")], 0.4)
    assert keys(pending.take(0.8)) == set()
    [folder, other] = sorted(pending.take(0.9), key=lambda item: item.kind)
    assert (folder.kind, folder.key, folder.folder, folder.events) == ("folder", b"p/A", "p/A", 202)
    assert (other.kind, other.key) == ("path", b"p/B/x")


def test_two_spellings_of_a_folder_are_one_folder(pending: Pending) -> None:
    spellings = ["p/Büro".encode(), "p/Bu\u0308ro".encode()]
    pending.note([Change(spellings[n % 2] + b"/%d" % n) for n in range(MAX_PATHS_OF_A_FOLDER + 1)], 0)
    assert keys(pending.take(1)) == {("folder", "p/Büro".encode())}


def test_too_many_loose_files_become_the_folder_of_loose_files(pending: Pending) -> None:
    pending.note([Change(b"p/%d.txt" % n) for n in range(MAX_PATHS_OF_A_FOLDER + 1)], 0)
    assert keys(pending.take(1)) == {("folder", b"_loose")}


def test_many_project_folders_at_once_stay_their_own(pending: Pending) -> None:
    pending.note([Change(b"p/%d" % n, is_directory=True) for n in range(1_000)], 0)
    assert {item.folder for item in pending.take(1)} == {f"p/{n}" for n in range(1_000)}


def test_too_many_directories_above_the_project_folders_become_the_share(pending: Pending) -> None:
    pending.note([Change(b"%d" % n, is_directory=True) for n in range(MAX_PATHS_OF_A_FOLDER + 1)], 0)
    assert keys(pending.take(1)) == {("share", b"share")}


def test_a_file_that_became_a_folder_is_hidden_by_no_scan_of_one_folder(pending: Pending) -> None:
    pending.note([Change(b"p/A"), Change(b"p/A", is_directory=True)], 0)
    pending.note([Change(b"p/A/%d" % n) for n in range(MAX_PATHS_OF_A_FOLDER + 1)], 0)
    pending.note([Change(b"p/%d" % n) for n in range(MAX_PATHS_OF_A_FOLDER + 1)], 0)
    assert keys(pending.take(1)) == {("folder", b"p/A"), ("folder", b"_loose"), ("path", b"p/A")}


def test_too_much_altogether_becomes_the_share_and_counts_on(pending: Pending) -> None:
    pending.note([Change(b"p/%d/x" % n) for n in range(MAX_PATHS + 1)], 0)
    assert len(pending) == 1
    pending.note([Change(b"p/1/y")], 0)
    [item] = pending.take(1)
    assert (item.kind, item.events) == ("share", MAX_PATHS + 3)


def test_everything_swallows_what_waits(pending: Pending) -> None:
    pending.note([Change(b"p/A/x")], 0)
    pending.note_everything(0)
    assert keys(pending.take(1)) == {("share", b"share")}
    assert len(pending) == 0


def test_a_directory_of_a_polled_share_counts_to_its_own_folder(pending: Pending) -> None:
    polled = [Change(b"p/A", kind="directory", is_directory=True), Change(b"", kind="directory", is_directory=True)]
    pending.note(polled, 0)
    found = {(item.kind, item.key, item.folder, item.label) for item in pending.take(1)}
    assert found == {("directory", b"p/A", "p/A", "p/A"), ("directory", b"", "_loose", "/")}


def test_whatever_comes_it_stays_small_and_all_of_it_comes_out(pending: Pending) -> None:
    chance = random.Random(7)
    now, told, taken = 0.0, 0, 0
    for _ in range(60_000):
        path = b"p/%d/%d" % (chance.randrange(400), chance.randrange(300))
        change = Change(path, is_directory=chance.random() < 0.1, writing=chance.choice([True, False, None]))
        pending.note([change._replace(moved_from=b"p/1/1" if chance.random() < 0.2 else None)], now)
        told += 1
        now += 0.0003
        assert len(pending) <= MAX_PATHS + 401
        if chance.random() < 0.001:
            taken += sum(item.events for item in pending.take(now))
    taken += sum(item.events for item in pending.take(now, everything=True))
    assert taken >= told
    assert len(pending) == 0
    assert (pending._paths, pending._by_folder, pending._folders, pending._share) == ({}, {}, {}, None)
