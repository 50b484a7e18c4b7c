"""Who takes part in which project: from tasks, time, mails and files; and what people write about that stays."""

from __future__ import annotations

import pytest
from people_desk import Desk

from ibhelm_pipelines.settings import Settings


@pytest.fixture
def desk(settings: Settings, owner_database_url: str) -> Desk:
    return Desk(settings, owner_database_url)


def test_everybody_who_has_to_do_with_a_project_is_listed_with_part_counts_and_contact(desk: Desk) -> None:
    own, client = desk.company("Helm", own=True), desk.company("Stadt Berlin", website="berlin.example")
    lena = desk.teamwork("Lena Kraft", "lena@helm.de", company=own)
    martin = desk.teamwork("Martin Köhler", "mkoehler@helm.de", company=own)
    desk.user("Lena Kraft", "lena@helm.de")
    project, other = desk.project("2301 Kita", company=client, owner=lena), desk.project("2302 Schule")
    task = desk.task(project, martin, creator=lena, at="2026-01-01 08:00+00")
    desk.rows("insert into task_comments (teamwork_id, task_id, author_id, created_at)"
              " values (1, %s, %s, '2026-03-01')", task, martin)  # fmt: skip
    desk.rows("insert into time_entries (teamwork_id, minutes, task_id, project_id, person_id, spent_at)"
              " values (1, 90, %s, %s, %s, '2026-02-01'), (2, 30, null, %s, %s, '2026-02-02')",
              task, project, martin, project, martin)  # fmt: skip
    both = desk.conversation(project, other)
    desk.contact("Bea Bauherr", "bea@berlin.example", "bea@privat.de")
    desk.mail("Bea@Berlin.example", "lena@helm.de", "bea@privat.de", conversation=both, at="2026-04-01")
    desk.mail("lena@helm.de", "bea@privat.de", "info@firma.de", conversation=both, at="2026-04-02")
    desk.rows("insert into email_comments (missive_id, conversation_id, author_id, author_email, created_at)"
              " select 'k', %s, id, email, '2026-05-01' from missive_users", both)  # fmt: skip
    desk.file("mkoehler", project, at="2025-12-01")
    desk.file("mkoehler", project, at="2099-01-01")
    desk.merge()
    found = desk.rows(
        "select label, roles, mails, tasks, comments, minutes, files, first_contact_at::date::text,"
        " last_contact_at::date::text from project_participants where project_id = %s order by label", project,
    )  # fmt: skip
    today = desk.one("select current_date::text")
    assert found == [
        ("Bea Bauherr", "Bauherr, Mail", 2, 0, 0, 0, 0, "2026-04-01", "2026-04-02"),
        ("Lena Kraft", "Projektleitung, Aufgabenstellung, Kommentar, Mail", 2, 1, 1, 0, 0, "2026-01-01", "2026-05-01"),
        ("Martin Köhler", "Bearbeitung, Zeiterfassung, Kommentar, Dateien", 0, 1, 1, 120, 2, "2025-12-01", today),
        ("info@firma.de", "Mail, Sammeladresse", 1, 0, 0, 0, 0, "2026-04-02", "2026-04-02"),
    ]
    assert desk.participants(other) == {
        "Bea Bauherr": "Mail", "Lena Kraft": "Kommentar, Mail", "info@firma.de": "Mail, Sammeladresse",
    }  # fmt: skip


def test_what_is_deleted_or_taken_away_takes_no_part_any_more(desk: Desk) -> None:
    lena = desk.teamwork("Lena Kraft", "lena@helm.de")
    project, gone = desk.project("2301"), desk.project("2302", owner=lena)
    task, file = desk.task(project, lena), desk.file("max", project)
    kept, deleted = desk.conversation(project), desk.conversation(project)
    for conversation, sender in ((kept, "a@firma.de"), (deleted, "b@firma.de")):
        desk.mail(sender, conversation=conversation)
    desk.rows("update projects set deleted_at = now() where id = %s", gone)
    desk.merge()
    assert desk.participants(project).keys() == {"Lena Kraft", "max", "a@firma.de", "b@firma.de"}
    assert desk.participants(gone) == {}
    desk.rows("update tasks set state = 'deleted' where id = %s", task)
    desk.rows("update files set deleted_at = now() where id = %s", file)
    desk.rows("update conversations set deleted_at = now() where id = %s", deleted)
    desk.merge()
    assert desk.participants(project) == {"a@firma.de": "Mail"}
    desk.rows("delete from conversation_projects where conversation_id = %s", kept)
    desk.merge()
    assert desk.participants(project) == {}


def test_a_role_or_note_that_a_person_wrote_keeps_its_row_whatever_becomes_of_mails_and_tasks(desk: Desk) -> None:
    project = desk.project("2301")
    conversation = desk.conversation(project)
    desk.mail("a@firma.de", "b@firma.de", "c@firma.de", conversation=conversation)
    desk.merge()
    a, b, c = (desk.person(f"{each}@firma.de") for each in "abc")
    desk.by_hand("update project_participants set role = 'Architekt' where person_id = %s", a)
    desk.by_hand("update project_participants set note = 'Urlaub im Mai' where person_id = %s", b)
    desk.by_hand("insert into persons (name) values ('Nur am Telefon')")
    known = desk.one("select id from persons where name = 'Nur am Telefon'")
    desk.by_hand("insert into project_participants (project_id, person_id) values (%s, %s)", project, known)
    desk.by_hand("update persons set name = 'Telefonnummer 4' where id = %s", known)
    desk.rows("delete from conversation_projects")
    desk.merge()
    rows = "select label, role, note, roles, mails, last_contact_at from project_participants order by label"
    assert desk.rows(rows) == [
        ("Telefonnummer 4", None, None, "", 0, None), ("a@firma.de", "Architekt", None, "", 0, None),
        ("b@firma.de", None, "Urlaub im Mai", "", 0, None),
    ]  # fmt: skip
    desk.rows("insert into conversation_projects (conversation_id, project_id) values (%s, %s)", conversation, project)
    desk.merge()
    assert ("a@firma.de", "Architekt", None, "Mail", 1) in [row[:5] for row in desk.rows(rows)]
    assert desk.by_hand("delete from project_participants where person_id = %s", known) == 1
    desk.merge()
    assert desk.participants(project).keys() == {f"{each}@firma.de" for each in "abc"}
    assert c == desk.person("c@firma.de")
