"""The watcher end to end: real files, the real kernel, a real inbox."""

from __future__ import annotations

import os
import shutil
import threading

import pytest
from disturbed_tree import rules
from watch_desk import SCANNED, WatchDesk, watching

from ibhelm_pipelines.errors import ShareUnavailableError
from ibhelm_pipelines.live.polling import PollTree
from ibhelm_pipelines.live.watcher import Watcher
from ibhelm_pipelines.settings import Settings
from ibhelm_pipelines.share import Share


@pytest.fixture
def desk(settings: Settings) -> WatchDesk:
    return WatchDesk(settings)


def make(desk: WatchDesk, *names: str) -> None:
    for name in names:
        path = desk.root / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(name)


def test_what_is_made_edited_renamed_and_deleted_is_in_the_inbox(desk: WatchDesk) -> None:
    make(desk, "projekte/A/edited.txt", "projekte/A/old name.txt", "projekte/A/deleted.txt", "projekte/A/untouched.txt")
    with watching(desk.settings):
        make(desk, "projekte/A/new.txt")
        with (desk.root / "projekte/A/edited.txt").open("a") as file:
            file.write("more")
        (desk.root / "projekte/A/old name.txt").rename(desk.root / "projekte/A/new name.txt")
        (desk.root / "projekte/A/deleted.txt").unlink()
        names = ("new.txt", "edited.txt", "old name.txt", "new name.txt", "deleted.txt")
        desk.wait_for_paths(*(f"projekte/A/{name}" for name in names))
    assert len(desk.items()) == len(names), "and nothing else"
    assert desk.rows("select distinct folder, source, poisoned_at from ops.inbox") == [("projekte/A", "nas", None)]


def test_an_item_weighs_what_its_file_weighs(desk: WatchDesk) -> None:
    make(desk, "projekte/A/x")
    with watching(desk.settings):
        (desk.root / "projekte/A/large").write_bytes(bytes(123_456))
        (desk.root / "projekte/A/x").unlink()
        desk.wait_for_paths("projekte/A/large", "projekte/A/x")
    weights = desk.rows("select label, weight from ops.inbox order by 1")
    assert weights == [("projekte/A/large", 123_456), ("projekte/A/x", 0)]


def test_names_that_are_no_utf8_arrive_byte_by_byte(desk: WatchDesk) -> None:
    make(desk, "projekte/A/x")
    raw = b"projekte/A/L\xfcftung \xff\xfe \n.txt"
    with watching(desk.settings):
        with open(os.fsencode(desk.root) + b"/" + raw, "w"):
            pass
        desk.wait_for_paths(raw)
    assert desk.rows("select label from ops.inbox") == [("projekte/A/L\\xfcftung \\xff\\xfe \n.txt",)]


def test_what_a_scan_leaves_out_never_reaches_the_inbox(desk: WatchDesk) -> None:
    make(desk, "projekte/A/x", "projekte/A/@eaDir/thumb")
    with watching(desk.settings):
        make(desk, "projekte/A/@eaDir/other", "projekte/A/~$open.docx", "projekte/A/Thumbs.db", "projekte/A/.hidden")
        make(desk, "projekte/A/#recycle/deep/gone.txt", "projekte/A/.git/config")
        make(desk, "projekte/A/last")
        desk.wait_for_paths("projekte/A/last")
    assert desk.items() == {("path", b"projekte/A/last")}


def test_a_file_is_passed_on_when_it_was_closed_and_not_while_it_is_written(desk: WatchDesk) -> None:
    make(desk, "projekte/A/x")
    with watching(desk.settings):
        with (desk.root / "projekte/A/long.txt").open("w") as file:
            for number in range(6):
                file.write("line\n")
                file.flush()
                make(desk, f"projekte/A/{number}")
                desk.wait_for_paths(f"projekte/A/{number}")
                assert b"projekte/A/long.txt" not in desk.paths()
        desk.wait_for_paths("projekte/A/long.txt")


def test_a_program_that_never_closes_its_file_does_not_hide_it(desk: WatchDesk) -> None:
    make(desk, "projekte/A/x")
    with watching(desk.settings), (desk.root / "projekte/A/open.txt").open("w") as file:
        file.write("kept open")
        file.flush()
        desk.wait_for_paths("projekte/A/open.txt")


def test_what_is_never_opened_is_passed_on_too(desk: WatchDesk) -> None:
    make(desk, "projekte/A/x")
    with watching(desk.settings):
        os.link(desk.root / "projekte/A/x", desk.root / "projekte/A/hard link")
        os.mkfifo(desk.root / "projekte/A/pipe")
        os.utime(desk.root / "projekte/A/x", (1, 1))
        desk.wait_for_paths("projekte/A/hard link", "projekte/A/pipe", "projekte/A/x")


def test_a_file_changed_deep_inside_a_renamed_folder_carries_its_new_path(desk: WatchDesk) -> None:
    make(desk, "projekte/A/KGR 420/Pläne/EG/plan.txt")
    with watching(desk.settings):
        (desk.root / "projekte/A").rename(desk.root / "projekte/B")
        desk.wait_for_paths("projekte/A", "projekte/B")
        desk.empty()
        make(desk, "projekte/B/KGR 420/Pläne/EG/plan.txt")
        desk.wait_for_paths("projekte/B/KGR 420/Pläne/EG/plan.txt")
    assert desk.rows("select folder from ops.inbox") == [("projekte/B",)]


def test_a_folder_moved_in_is_reported_and_watched_to_its_bottom(desk: WatchDesk, tmp_path) -> None:
    make(desk, "projekte/A/x")
    outside = tmp_path / "outside"
    (outside / "deep/deeper").mkdir(parents=True)
    with watching(desk.settings):
        outside.rename(desk.root / "projekte/A/moved in")
        desk.wait_for_paths("projekte/A/moved in")
        make(desk, "projekte/A/moved in/deep/deeper/new.txt")
        desk.wait_for_paths("projekte/A/moved in/deep/deeper/new.txt")


def test_a_folder_moved_out_is_reported_and_no_longer_watched(desk: WatchDesk, tmp_path) -> None:
    make(desk, "projekte/A/sub/deep/x", "projekte/B/x")
    with watching(desk.settings):
        before = desk.state()["directories"]
        shutil.move(desk.root / "projekte/A/sub", tmp_path / "outside")
        desk.wait_for_paths("projekte/A/sub")
        (tmp_path / "outside/deep/x").write_text("not ours any more")
        make(desk, "projekte/B/x")
        desk.wait_for_paths("projekte/B/x")
        assert desk.paths() == {b"projekte/A/sub", b"projekte/B/x"}
        (desk.root / "projekte/C").mkdir()
        desk.wait_for_paths("projekte/C")
    assert before == 6


def test_a_storm_in_one_folder_becomes_that_folder_and_spares_the_others(desk: WatchDesk) -> None:
    make(desk, "projekte/A/x", "projekte/B/x")
    with watching(desk.settings):
        make(desk, "projekte/B/note.txt", *(f"projekte/A/KGR/{number}.txt" for number in range(2_000)))
        desk.wait_for(("folder", b"projekte/A"), ("path", b"projekte/B/note.txt"))
    assert len(desk.items()) < 500
    assert ("share", b"share") not in desk.items()


def test_a_start_asks_for_a_scan_of_the_share(desk: WatchDesk) -> None:
    desk.rows(SCANNED)
    with watching(desk.settings):
        desk.wait_for(("share", b"share"))


def test_before_the_first_scan_of_the_share_a_start_asks_for_none(desk: WatchDesk) -> None:
    desk.rows("insert into ops.scans (deep, state, folders) values (false, 'complete', '{projekte/A}')")
    desk.rows("insert into ops.scans (deep, state, paths) values (false, 'complete', 3)")
    desk.rows("insert into ops.scans (deep, state) values (true, 'failed'), (true, 'running')")
    make(desk, "projekte/A/x")
    with watching(desk.settings):
        make(desk, "projekte/A/new")
        desk.wait_for_paths("projekte/A/new")
    assert desk.items() == {("path", b"projekte/A/new")}


def test_the_end_passes_on_what_is_still_being_written(desk: WatchDesk) -> None:
    make(desk, "projekte/A/x")
    with (desk.root / "projekte/A/open.txt").open("w") as file, watching(desk.settings):
        file.write("in the middle of it")
        file.flush()
    assert desk.paths() == {b"projekte/A/open.txt"}
    assert desk.rows("select stopped_at is not null from ops.heartbeats") == [(True,)]


def test_the_heartbeat_says_how_and_why_it_watches(desk: WatchDesk) -> None:
    make(desk, "projekte/A/x")
    with watching(desk.settings):
        state = desk.state()
    assert state["mode"] == "inotify"
    assert "local" in state["why"]
    assert state["directories"] == 3
    assert (state["overflows"], state["problem"]) == (0, None)


def test_a_share_that_is_not_there_yet_is_waited_for(desk: WatchDesk) -> None:
    away = desk.root.with_name("away")
    desk.root.rename(away)
    with watching(desk.settings, mode=None):
        desk.wait_for_problem("cannot be read")
        away.rename(desk.root)
        desk.wait_for_no_problem()
        desk.wait_until_watching()
        make(desk, "new.txt")
        desk.wait_for_paths("new.txt")


@pytest.mark.parametrize(
    "how",
    [
        "marker removed",
        *(pytest.param(how, marks=pytest.mark.soak) for how in ("root renamed", "another folder in its place")),
    ],
)
def test_a_share_that_goes_away_is_a_problem_and_its_return_a_scan(desk: WatchDesk, how: str) -> None:
    make(desk, "projekte/A/x")
    away, marker = desk.root.with_name("away"), desk.root / desk.settings.share_marker
    with watching(desk.settings):
        if how == "marker removed":
            marker.unlink()
        else:
            desk.root.rename(away)
        if how == "another folder in its place":
            desk.root.mkdir()
            shutil.copy(away / marker.name, marker)
            desk.wait_for(("share", b"share"))  # it has a marker: it is the share now
            shutil.rmtree(desk.root)
            desk.empty()
        desk.wait_for_problem("Mount the share")
        assert desk.items() == set(), "nothing was concluded"
        if how == "marker removed":
            marker.touch()
        else:
            away.rename(desk.root)
        desk.wait_for(("share", b"share"))
        desk.wait_for_no_problem()
        desk.empty()
        make(desk, "projekte/A/after")
        desk.wait_for_paths("projekte/A/after")


def test_polling_finds_what_was_made_renamed_and_deleted(desk: WatchDesk) -> None:
    make(desk, "projekte/A/x", "projekte/A/gone/x", "projekte/A/renamed/deep/x")
    settings = desk.settings.model_copy(update={"watch_mode": "poll", "watch_poll_seconds": 0.2})
    with watching(settings, "poll"):
        make(desk, "projekte/A/new.txt", "projekte/B/sub/new.txt")
        shutil.rmtree(desk.root / "projekte/A/gone")
        (desk.root / "projekte/A/renamed").rename(desk.root / "projekte/A/other")
        desk.wait_for(("directory", b"projekte/A"), *(("path", f"projekte/{p}".encode()) for p in ("A/gone", "B")))
        desk.wait_for_paths("projekte/A/renamed", "projekte/A/other")
        desk.empty()
        make(desk, "projekte/A/other/deep/new.txt")
        desk.wait_for(("directory", b"projekte/A/other/deep"))


def test_what_vanishes_with_the_share_while_it_is_looked_at_is_not_told(desk: WatchDesk) -> None:
    make(desk, "projekte/A/x")
    watcher = Watcher(desk.settings, threading.Event())
    share = Share.open(desk.settings)
    with PollTree(desk.settings.root, rules(), threads=1) as tree:
        for path in desk.root.iterdir():  # as an empty mount point looks
            path.rename(desk.root.parent / path.name)
        with pytest.raises(ShareUnavailableError, match="marker"):
            watcher._look(tree, share)
    assert len(watcher._pending) == 0
