"""What the lanes do with contents that somebody else has in his hands: they stay until they are done."""

from __future__ import annotations

from collections.abc import Iterator

import pytest
from live_desk import Desk, item
from nas_tree import Nas

from ibhelm_pipelines.db.connect import connect
from ibhelm_pipelines.db.live import InboxItem
from ibhelm_pipelines.live.inbox import Inbox
from ibhelm_pipelines.live.lanes import LANES, Tools
from ibhelm_pipelines.live.working import BUSY_PAUSE_SECONDS, Board, Runner
from ibhelm_pipelines.nas.scan import scan
from ibhelm_pipelines.settings import Settings

ANOTHER_RUN_IS_AT = "select pg_advisory_lock(hashtextextended('text ' || %s, 0))"


@pytest.fixture
def board() -> Board:
    return Board()


@pytest.fixture
def runner(settings: Settings, board: Board) -> Iterator[Runner]:
    [lane] = [lane for lane in LANES if lane.name == "contents"]
    inbox = Inbox(settings, owner="test")
    with Tools(settings) as tools:
        yield Runner(lane, inbox=inbox, tools=tools, board=board)
    inbox.close()


@pytest.mark.parametrize("kind", ["hash", "folder"])
def test_a_content_that_another_run_has_in_its_hands_waits_until_it_is_done(
    settings: Settings, desk: Desk, nas: Nas, runner: Runner, board: Board, kind: str
) -> None:
    nas.write("projekte/A/frei.txt", "frei")
    nas.write("projekte/A/vergeben.txt", "vergeben")
    scan(settings)
    taken = nas.one("select content_hash from files where name = 'vergeben.txt'")
    hashes = [content_hash for (content_hash,) in nas.rows("select content_hash from files")]
    desk.rows("delete from ops.inbox")
    items: dict[str, list[InboxItem]] = {
        "hash": [item("content", "hash", each) for each in hashes],
        "folder": [item("content", "folder", "projekte/A", folder="projekte/A")],
    }
    desk.put(*items[kind])
    with connect(settings.require_database_url(), application="test", autocommit=True) as another_run:
        another_run.execute(ANOTHER_RUN_IS_AT, (taken,))
        assert runner.step()
    assert nas.rows("select text from content_texts") == [("frei",)]
    left = desk.rows("select attempts, error, due_at - now() < %s * interval '1 s' from ops.inbox", BUSY_PAUSE_SECONDS)
    assert left == [(0, None, True)] * len(items[kind]), "it waits, nothing went wrong"
    assert board.state()["problem"] is None
    desk.make_due()  # the other run was killed: its lock is gone, nothing of it was recorded
    assert runner.step()
    assert sorted(nas.rows("select text from content_texts")) == [("frei",), ("vergeben",)]
    assert desk.is_empty()


def test_a_saved_file_knows_its_project_and_by_its_text_its_cost_group_when_its_content_was_worked_on(
    settings: Settings, desk: Desk, nas: Nas, runner: Runner
) -> None:
    nas.rows("insert into projects (teamwork_id, name) values (1, '2301 Kita Lindenhof')")
    nas.write("projekte/2301-Kita Lindenhof-MK/01_Verträge/Rechnung 7.txt", "Projekt 2301, KGR 434 Kälteanlagen")
    scan(settings)
    desk.rows("delete from ops.inbox")
    desk.put(item("content", "hash", nas.one("select content_hash from files")))
    assert runner.step()
    assert nas.rows(
        "select p.name, g.number, t.name from files f join projects p on p.id = f.project_id"
        " join file_cost_groups b on b.file_id = f.id join cost_groups g on g.id = b.cost_group_id"
        " join document_types t on t.id = f.document_type_id"
    ) == [("2301 Kita Lindenhof", 434, "Rechnung")]
