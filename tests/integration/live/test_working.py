"""What becomes of an item by how its work ended; the works are made up, the inbox is real."""

from __future__ import annotations

from collections.abc import Callable, Iterator

import pytest
import structlog
from live_desk import Desk
from structlog.testing import capture_logs

from ibhelm_pipelines.errors import (
    ConfigurationError,
    ContentChangedError,
    DatabaseUnavailableError,
    ObjectStoreUnavailableError,
    PermanentError,
    ScanBusyError,
    ShareUnavailableError,
    SuspectFileError,
)
from ibhelm_pipelines.live.inbox import Batch, Inbox
from ibhelm_pipelines.live.lanes import Lane, Tools
from ibhelm_pipelines.live.working import Board, Runner
from ibhelm_pipelines.settings import Settings

Work = Callable[[Tools, Inbox, Batch], None]


class Bench:
    """A runner whose work fails for the labels that it is told of."""

    def __init__(self, settings: Settings, inbox: Inbox) -> None:
        self.errors: dict[str, Exception] = {}
        self.tried: list[list[str]] = []
        self.board = Board()
        self._settings, self._inbox = settings, inbox

    def work(self, tools: Tools, inbox: Inbox, batch: Batch) -> None:
        labels = sorted(item.label for item in batch.items)
        self.tried.append(labels)
        for label in labels:
            if label in self.errors:
                raise self.errors[label]

    def step(self, claim: Callable[[Inbox], Batch | None] = Inbox.claim_nas, work: Work | None = None) -> bool:
        lane = Lane(name="test", source="nas", claim=claim, work=work or self.work)
        return Runner(lane, inbox=self._inbox, tools=Tools(self._settings), board=self.board).step()


@pytest.fixture
def bench(settings: Settings) -> Iterator[Bench]:
    inbox = Inbox(settings, owner="test")
    yield Bench(settings, inbox)
    inbox.close()


def state(desk: Desk) -> list[tuple[object, ...]]:
    """Label, attempts, whether given up, error; all that is left is free to be taken."""
    assert desk.rows("select label from ops.inbox where lease_owner is not null") == []
    return desk.rows("select label, attempts, poisoned_at is not null, error from ops.inbox order by label")


def test_what_went_well_is_gone_and_counted(desk: Desk, bench: Bench) -> None:
    desk.paths("a", "b")
    assert bench.step()
    assert state(desk) == []
    assert bench.board.state() == {"done": 2, "failed": 0, "current": {}, "problem": None}
    assert not bench.step()


def test_a_mistake_in_the_code_costs_one_item_and_not_its_batch(desk: Desk, bench: Bench) -> None:
    desk.paths(*(f"{n:02}" for n in range(50)))
    bench.errors["37"] = KeyError("who")
    with capture_logs() as logs:
        bench.step()
    assert state(desk) == [("37", 1, True, "KeyError: 'who'")]
    assert (bench.board.done, bench.board.failed) == (49, 1)
    assert len(bench.tried) <= 13, "found by halving"
    [log] = logs
    assert log["exc_info"] is bench.errors["37"]
    assert (log["log_level"], log["item"]) == ("error", "37")


@pytest.mark.parametrize(
    "error",
    [
        PermanentError("It is no path.", next_step="Tell us."),
        SuspectFileError("It is hostile.", next_step="Look at it."),
    ],
    ids=lambda error: type(error).__name__,
)
def test_what_will_fail_again_is_given_up_at_once_with_its_sentences(
    desk: Desk, bench: Bench, error: Exception
) -> None:
    desk.paths("a", "b", "c")
    bench.errors["b"] = error
    bench.step()
    assert state(desk) == [("b", 1, True, str(error))]
    assert not bench.step()


@pytest.mark.parametrize(
    "error",
    [ContentChangedError("It changes."), OSError(28, "No space left on device"), MemoryError("no memory")],
    ids=lambda error: type(error).__name__,
)
def test_what_may_pass_is_tried_five_times_and_only_the_item_to_blame_is_counted(
    desk: Desk, bench: Bench, error: Exception
) -> None:
    desk.paths("a", "b", "c")
    bench.errors["b"] = error
    bench.step()
    assert [row[:3] for row in state(desk)] == [("b", 1, False)]
    for _ in range(4):
        desk.make_due()
        bench.step()
    assert [row[:3] for row in state(desk)] == [("b", 5, True)]
    assert (bench.board.done, bench.board.failed) == (2, 1)


@pytest.mark.parametrize(
    "error",
    [
        ShareUnavailableError("The share is away."),
        DatabaseUnavailableError("Postgres is away."),
        ObjectStoreUnavailableError("S3 is away."),
        ConfigurationError("No S3 server is known.", next_step="Set one."),
    ],
    ids=lambda error: type(error).__name__,
)
def test_a_world_that_is_not_ready_blames_nobody_and_is_shown_until_it_is_ready(
    desk: Desk, bench: Bench, error: Exception
) -> None:
    desk.paths("a", "b", "c")
    bench.errors["b"] = error
    for _ in range(10):
        bench.step()
        desk.make_due()
    assert state(desk) == [(label, 0, False, str(error)) for label in "abc"]
    assert bench.board.state()["problem"] == str(error)
    bench.errors.clear()
    bench.step()
    assert state(desk) == []
    assert bench.board.state()["problem"] is None


def test_a_world_that_is_lost_while_a_culprit_is_looked_for_blames_nobody_either(desk: Desk, bench: Bench) -> None:
    desk.paths("a", "b", "c", "d")
    bench.errors |= {"a": KeyError("bug"), "d": ShareUnavailableError("The share is away.")}
    for _ in range(5):
        bench.step()
        desk.make_due()
    assert [row[0] for row in state(desk) if row[2]] in ([], ["a"])
    assert "d" in {row[0] for row in state(desk) if not row[2] and row[1] == 0}


def test_another_scan_at_work_is_no_failure_and_no_trouble(desk: Desk, bench: Bench) -> None:
    desk.paths("a")
    bench.errors["a"] = ScanBusyError("Another scan is at work.")
    for _ in range(10):
        bench.step()
        desk.make_due()
    assert state(desk) == [("a", 0, False, None)]
    assert bench.board.state()["problem"] is None


def test_a_scan_that_fails_is_to_blame_itself_and_what_it_took_along_goes_its_own_way(desk: Desk, bench: Bench) -> None:
    desk.paths("projekte/A/1", "projekte/A/2")
    desk.folder("projekte/A")
    bench.errors["projekte/A"] = PermanentError("It cannot be scanned.")
    bench.step()
    assert [row[:3] for row in state(desk)] == [
        ("projekte/A", 1, True), ("projekte/A/1", 0, False), ("projekte/A/2", 0, False),
    ]  # fmt: skip
    bench.step()
    assert [row[:3] for row in state(desk)] == [("projekte/A", 1, True)]


def test_the_lines_of_a_log_say_which_folder_they_are_about(desk: Desk, bench: Bench) -> None:
    seen: list[object] = []
    desk.paths("a", folder="projekte/A")
    bench.step(work=lambda tools, inbox, batch: seen.append(structlog.contextvars.get_contextvars().get("folder")))
    assert seen == ["projekte/A"]


def test_what_is_being_done_is_on_the_board_and_its_leases_can_be_renewed(desk: Desk, bench: Bench) -> None:
    seen: list[object] = []
    desk.paths("projekte/A/1", "projekte/A/2")
    ids = {row_id for (row_id,) in desk.rows("select id from ops.inbox")}
    bench.step(work=lambda tools, inbox, batch: seen.append((bench.board.state(), set(bench.board.leased()))))
    assert seen == [
        ({"done": 0, "failed": 0, "current": {"test": "path projekte/A/1 and 1 more"}, "problem": None}, ids)
    ]
    assert bench.board.leased() == []


def test_an_interrupted_worker_settles_nothing(desk: Desk, bench: Bench) -> None:
    desk.paths("a")

    def work(tools: Tools, inbox: Inbox, batch: Batch) -> None:
        raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        bench.step(work=work)
    assert desk.rows("select label, error, lease_owner from ops.inbox") == [("a", None, "test")]
