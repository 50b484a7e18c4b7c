"""Who was forgotten is no person any more, and does not become one again by a merging."""

from __future__ import annotations

from typing import Any

import pytest
from missive_person import MAX, MAX_NAME, Office
from people_desk import Desk

from ibhelm_pipelines.db.connect import connect
from ibhelm_pipelines.db.forgotten import note
from ibhelm_pipelines.privacy.forget import forget, plan
from ibhelm_pipelines.register.people import merge_people
from ibhelm_pipelines.settings import Settings

TABLES = {"public.persons", "public.person_identities", "public.project_participants"}


@pytest.fixture
def desk(settings: Settings, owner_database_url: str) -> Desk:
    return Desk(settings, owner_database_url)


def test_forgetting_removes_the_person_and_what_was_written_about_it_and_merging_brings_nothing_back(
    desk: Desk, settings: Settings
) -> None:
    office = Office(settings)
    office.build()
    project = desk.project("2301 Kita")
    desk.rows(
        "insert into conversation_projects (conversation_id, project_id) select id, %s from conversations", project
    )
    desk.merge()
    person, otto = desk.person(MAX), desk.person("otto@firma.de")
    desk.by_hand("update persons set name = 'Der Max', note = 'NOTIZ-1' where id = %s", person)
    desk.by_hand("update project_participants set role = 'ROLLE-1' where person_id = %s", person)
    desk.mail("max@privat.de")
    desk.merge()
    private = desk.person("max@privat.de")
    desk.by_hand("update persons set merged_into_id = %s where id = %s", person, private)
    desk.merge()
    assert set(office.holding(MAX) + office.holding(MAX_NAME) + office.holding("ROLLE-1")) >= TABLES

    assert plan(settings, [MAX]).removed["people"] == 2
    assert forget(settings, [MAX]).removed["people"] == 2
    for _ in range(2):
        for needle in (MAX, "NOTIZ-1", "ROLLE-1", "Der Max"):
            assert office.holding(needle) == [], needle
        assert not TABLES & set(office.holding(MAX_NAME))
        office.sync()
        merge_people(settings)
    assert desk.person("otto@firma.de") == otto
    assert desk.rows("select name, note from persons where email = 'max@privat.de'") == [("max@privat.de", None)]
    assert plan(settings, [MAX]).removed["people"] == 0


def test_a_row_of_teamwork_and_an_account_with_a_forgotten_address_are_no_person(
    desk: Desk, settings: Settings
) -> None:
    own = desk.company("Helm", own=True)
    max_, lena = (
        desk.teamwork("Max Muster", "max@helm.de", company=own),
        desk.teamwork("Lena", "lena@helm.de", company=own),
    )
    project = desk.project("2301", owner=max_)
    desk.task(project, max_, lena)
    desk.file("max", project)
    desk.merge()
    assert desk.participants(project).keys() == {"Max Muster", "Lena"}
    with connect(desk.url, application="test") as connection:
        note(connection, "max@helm.de")
    report = desk.merge()
    assert (report.removed, report.persons) == (1, 1)
    assert desk.participants(project).keys() == {"Lena"}
    left: Any = desk.rows("select label from person_identities order by 1")
    assert left == [("Lena",), ("lena@helm.de",)]
