"""`public.activity`: what happened, by the sources' own times; reading again adds nothing, what is gone is not told."""

from __future__ import annotations

import datetime as dt
from typing import TYPE_CHECKING, Any

import pytest
from missive_office import connected as with_missive
from nas_tree import Nas
from register_desk import Desk
from teamwork_office import PLENTY, in_haste
from teamwork_office import connected as with_teamwork

from ibhelm_pipelines.db.connect import connect
from ibhelm_pipelines.demo.missive.server import MissiveSimulator
from ibhelm_pipelines.demo.teamwork.server import TeamworkSimulator
from ibhelm_pipelines.nas.scan import scan
from ibhelm_pipelines.register.activity import ActivityChange, keep_activity, refresh_activity
from ibhelm_pipelines.vendors.missive.sync import sync as sync_missive
from ibhelm_pipelines.vendors.teamwork.sync import sync as sync_teamwork

if TYPE_CHECKING:
    from ibhelm_pipelines.settings import Settings

KITA = "projekte/2301-Kita"
LONG_AGO = dt.datetime(2019, 5, 6, 7, 8, tzinfo=dt.UTC)
EVERYTHING = (
    "select at, kind, label, item, item_id, project_id, project, who, source, url from activity order by 1, 2, 5"
)


@pytest.fixture
def desk(settings: Settings, owner_database_url: str) -> Desk:
    return Desk(settings, owner_database_url)


@pytest.fixture
def nas(settings: Settings) -> Nas:
    return Nas(settings)


def refresh(settings: Settings, since: dt.datetime | None = None) -> ActivityChange:
    with connect(settings.require_database_url(), application="test", autocommit=True) as connection:
        return refresh_activity(connection, since=since)


def told(desk: Desk) -> list[tuple[Any, ...]]:
    return desk.run("select kind, label from activity where kind <> 'file_found' order by at, kind, label")


def test_what_stood_on_the_share_before_us_is_told_at_its_own_time(settings: Settings, nas: Nas, desk: Desk) -> None:
    nas.write(f"{KITA}/alt.pdf", "alt", mtime=int(LONG_AGO.timestamp()))
    scan(settings)
    refresh(settings)
    query = "select at, label, item, item_id, source from activity"
    assert desk.run(query) == [(LONG_AGO, "Datei im Bestand: alt.pdf", "file", nas.file_id(f"{KITA}/alt.pdf"), "NAS")]
    nas.write(f"{KITA}/alt.pdf", "alt, aber neu")
    scan(settings)
    refresh(settings)
    assert desk.run("select kind from activity") == [("file_changed",)]


def test_every_change_of_a_file_is_told_once_and_a_scan_again_tells_nothing(
    settings: Settings, nas: Nas, desk: Desk
) -> None:
    settings = settings.model_copy(update={"max_deletion_percent": 100})
    for name in ("ändern", "umbenennen", "verschieben", "löschen", "wiederkommen", "bleiben"):
        nas.write(f"{KITA}/{name}.pdf", name)
    scan(settings)
    nas.write(f"{KITA}/neu.pdf", "neu")
    scan(settings)
    nas.write(f"{KITA}/ändern.pdf", "geändert")
    scan(settings)
    nas.move(f"{KITA}/umbenennen.pdf", f"{KITA}/umbenannt.pdf")
    scan(settings)
    nas.move(f"{KITA}/verschieben.pdf", f"{KITA}/Pläne/verschieben.pdf")
    scan(settings)
    nas.path(f"{KITA}/löschen.pdf").unlink()
    scan(settings)
    nas.path(f"{KITA}/wiederkommen.pdf").unlink()
    scan(settings)
    nas.write(f"{KITA}/wiederkommen.pdf", "wiederkommen")
    scan(settings)

    refresh(settings)

    assert told(desk) == [
        ("file_new", "Datei neu: neu.pdf"),
        ("file_changed", "Datei geändert: ändern.pdf"),
        ("file_renamed", "Datei umbenannt: umbenennen.pdf → umbenannt.pdf"),
        ("file_moved", f"Datei verschoben: {KITA}/verschieben.pdf → {KITA}/Pläne/verschieben.pdf"),
        ("file_deleted", f"Datei gelöscht: {KITA}/löschen.pdf"),
        ("file_deleted", f"Datei gelöscht: {KITA}/wiederkommen.pdf"),
        ("file_restored", "Datei wieder da: wiederkommen.pdf"),
    ]
    before = desk.run(EVERYTHING)
    scan(settings, deep=True)
    assert refresh(settings) == ActivityChange(added=0, removed=0)
    assert desk.run(EVERYTHING) == before


def test_what_could_not_be_read_for_a_while_has_not_changed(settings: Settings, nas: Nas, desk: Desk) -> None:
    nas.write(f"{KITA}/a.pdf", "a")
    scan(settings)
    file = nas.file_id(f"{KITA}/a.pdf")
    hashed = desk.of_file(file, "content_hash")
    for content in (None, hashed):
        desk.run("update file_versions set valid_to = clock_timestamp() where file_id = %s and valid_to is null", file)
        desk.run(
            "insert into file_versions (file_id, path, raw_path, content_hash, size_bytes, valid_from)"
            " select file_id, path, raw_path, %s, size_bytes, valid_to from file_versions where file_id = %s"
            " order by valid_to desc limit 1",
            content,
            file,
        )
    refresh(settings)
    assert told(desk) == []


def test_reading_the_vendors_again_adds_nothing_and_moves_no_time(
    settings: Settings, desk: Desk, monkeypatch: pytest.MonkeyPatch
) -> None:
    in_haste(monkeypatch)
    with (
        TeamworkSimulator(projects=3, tasks=30, rate_limit=PLENTY) as teamwork,
        MissiveSimulator(projects=3, conversations=20, rate_limit=False) as missive,
    ):
        here = with_missive(with_teamwork(settings, teamwork), missive)
        sync_teamwork(here)
        sync_missive(here)
        refresh(settings)
        before = desk.run(EVERYTHING)
        sync_teamwork(here, full=True)
        sync_missive(here, full=True)
        assert refresh(settings) == ActivityChange(added=0, removed=0)
    desk.run("delete from ops.activity_entries")
    refresh(settings)
    assert desk.run(EVERYTHING) == before
    own_times = """
        select count(*) from activity a left join tasks t on a.item = 'task' and t.id = a.item_id
        left join emails m on a.item = 'email' and m.id = a.item_id
        where a.at not in (t.created_at, t.completed_at, t.updated_at, t.deleted_at) and a.kind <> 'task_comment'
           or a.at <> coalesce(m.delivered_at, m.created_at)"""
    assert desk.run(own_times) == [(0,)]
    live_mails = """
        select count(*) from emails m join conversations c on c.id = m.conversation_id
        where m.deleted_at is null and c.deleted_at is null and c.state in ('open', 'closed')"""
    mails = "select count(*) from activity where kind in ('email_received', 'email_sent')"
    assert desk.run(mails) == desk.run(live_mails) != [(0,)]
    kinds = {kind for (kind,) in desk.run("select distinct kind from activity")}
    assert kinds >= {"task_created", "task_completed", "task_comment", "time_entry", "email_received", "email_comment"}


def _mail(desk: Desk, conversation: int, subject: str) -> int:
    [(number,)] = desk.run(
        "insert into emails (missive_id, subject, conversation_id, delivered_at, from_address)"
        " values (%s, %s, %s, %s, 'a@kunde.de') returning id", subject, subject, conversation, LONG_AGO)  # fmt: skip
    return int(str(number))


def test_a_mail_of_two_projects_stands_under_both(settings: Settings, desk: Desk) -> None:
    projects = [desk.project("2301 Kita"), desk.project("2302 Rathaus")]
    conversation = desk.conversation()
    for project in projects:
        desk.run(
            "insert into conversation_projects (conversation_id, project_id, rule) values (%s, %s, 'x')",
            conversation,
            project,
        )
    _mail(desk, conversation, "Beides")
    refresh(settings)
    rows = desk.run("select project_id, project, label, who, source from activity order by 1")
    assert rows == [
        (projects[0], "2301 Kita", "Mail erhalten: Beides", "a@kunde.de", "Missive"),
        (projects[1], "2302 Rathaus", "Mail erhalten: Beides", "a@kunde.de", "Missive"),
    ]
    desk.run("delete from conversation_projects where project_id = %s", projects[0])
    assert refresh(settings) == ActivityChange(added=0, removed=1)


@pytest.mark.parametrize(
    "gone",
    [
        "update emails set deleted_at = now()",
        "update conversations set deleted_at = now()",
        "update conversations set state = 'junked'",
        "update conversations set state = 'trashed'",
        "delete from emails",
    ],
)
def test_a_mail_that_may_not_be_read_any_more_is_told_by_nobody_at_once(
    settings: Settings, desk: Desk, gone: str
) -> None:
    _mail(desk, desk.conversation(), "Geheim")
    refresh(settings)
    assert desk.run("select label from activity") == [("Mail erhalten: Geheim",)]
    desk.run(gone)
    assert desk.run("select * from activity") == []
    assert refresh(settings) == ActivityChange(added=0, removed=1)


def test_what_was_put_on_the_nas_for_a_mail_is_told_as_its_attachment_at_the_time_of_the_mail(
    settings: Settings, nas: Nas, desk: Desk
) -> None:
    scan(settings)
    mail = _mail(desk, desk.conversation(), "Mit Plan")
    nas.write(f"{KITA}/Plan.pdf", "plan")
    scan(settings)
    desk.run(
        "insert into email_attachments (missive_id, name, missive_email_id, email_id, content_hash, file_id,"
        " inbox_path, raw_inbox_path)"
        " select 'a1', 'Plan.pdf', 'm1', %s, content_hash, id, path, raw_path from files",
        mail,
    )
    refresh(settings)
    assert desk.run("select at, kind, label from activity order by kind") == [
        (LONG_AGO, "attachment", "Anhang auf dem NAS: Plan.pdf"),
        (LONG_AGO, "email_received", "Mail erhalten: Mit Plan"),
    ]


def test_what_a_person_decides_is_told_with_its_project(settings: Settings, desk: Desk) -> None:
    project = desk.project("2301 Kita Lindenhof")
    file = desk.file("projekte/2301 Kita Lindenhof/Schema.pdf")
    conversation = desk.conversation("Anfrage")
    desk.link()
    with desk.as_office() as office:
        office.execute(
            "insert into file_cost_groups (file_id, cost_group_id) select %s, id from cost_groups where number = 434",
            [file],
        )
        office.execute("insert into conversation_projects values (%s, %s)", [conversation, project])
    refresh(settings)
    rows = desk.run("select split_part(label, ' ', 3), item, item_id, project_id, source from activity"
                    " where kind = 'decision' order by item")  # fmt: skip
    assert rows == [
        ("verknüpft:", "conversation", conversation, project, "Büro"),
        ("verknüpft:", "file", file, project, "Büro"),
    ]


def test_a_look_at_the_last_days_leaves_older_entries_alone(settings: Settings, desk: Desk) -> None:
    conversation = desk.conversation()
    _mail(desk, conversation, "alt")
    refresh(settings)
    desk.run("insert into emails (missive_id, subject, conversation_id, delivered_at) values ('n', 'neu', %s, now())",
             conversation)  # fmt: skip
    desk.run("delete from emails where subject = 'alt'")
    yesterday = dt.datetime.now(dt.UTC) - dt.timedelta(days=1)
    assert refresh(settings, yesterday) == ActivityChange(added=1, removed=0)
    assert refresh(settings) == ActivityChange(added=0, removed=1)


def test_the_first_look_is_at_everything_and_so_is_that_of_the_night(settings: Settings, desk: Desk) -> None:
    conversation = desk.conversation()
    _mail(desk, conversation, "alt")
    assert keep_activity(settings, everything=False) == ActivityChange(added=1, removed=0)
    _mail(desk, conversation, "alt, aber heute gelesen")
    assert keep_activity(settings, everything=False) == ActivityChange(added=0, removed=0)
    assert keep_activity(settings, everything=True) == ActivityChange(added=1, removed=0)
