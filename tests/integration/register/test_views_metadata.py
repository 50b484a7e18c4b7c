"""What lacks what: live things only, each with what it lacks in words; folders and projects that have not found each
other, with what resembles them."""

from __future__ import annotations

import pytest
from register_desk import Desk

from ibhelm_pipelines.settings import Settings

KITA = "projekte/2301 Kita Lindenhof"


@pytest.fixture
def desk(settings: Settings, owner_database_url: str) -> Desk:
    return Desk(settings, owner_database_url)


@pytest.fixture
def kita(desk: Desk) -> int:
    return desk.project("2301 Kita Lindenhof")


def fulfil(desk: Desk, item: str, number: int) -> None:
    """What a person does in NocoDB who links a thing with a cost group and a place."""
    with desk.as_office() as office:
        office.execute(
            f"insert into {item}_cost_groups ({item}_id, cost_group_id) select %s, min(id) from cost_groups".encode(),
            [number],
        )
        office.execute(
            f"insert into {item}_locations ({item}_id, location_id) select %s, min(id) from locations".encode(),
            [number],
        )


@pytest.fixture
def place(desk: Desk, kita: int) -> None:
    desk.run("insert into locations (project_id, building) values (%s, 'Haus A')", kita)


@pytest.mark.usefixtures("place")
def test_a_file_is_listed_with_what_it_lacks_until_it_lacks_nothing(desk: Desk, kita: int) -> None:
    bare, linked = desk.file("lose.xyz"), desk.file(f"{KITA}/a.xyz")
    desk.link()
    query = "select file_id, name, project_id, project, missing from files_missing_metadata order by file_id"
    assert desk.run(query) == [
        (bare, "lose.xyz", None, None, "Projekt, Kostengruppe, Ort, Dokumentart"),
        (linked, "a.xyz", kita, "2301 Kita Lindenhof", "Kostengruppe, Ort, Dokumentart"),
    ]
    fulfil(desk, "file", linked)
    flags = "select lacks_project, lacks_cost_group, lacks_place, lacks_document_type from files_missing_metadata"
    assert desk.run(f"{flags} where file_id = %s", linked) == [(False, False, False, True)]
    with desk.as_office() as office:
        office.execute("update files set document_type_id = (select min(id) from document_types)")
    assert desk.run(query) == [(bare, "lose.xyz", None, None, "Projekt, Kostengruppe, Ort")]


@pytest.mark.usefixtures("place")
def test_tasks_and_conversations_are_listed_likewise(desk: Desk, kita: int) -> None:
    task, conversation = desk.task(kita), desk.conversation("Frage")
    assert desk.run("select task_id, project, missing from tasks_missing_metadata") == [
        (task, "2301 Kita Lindenhof", "Kostengruppe, Ort")
    ]
    assert desk.run("select conversation_id, projects, missing from conversations_missing_metadata") == [
        (conversation, None, "Projekt, Kostengruppe, Ort")
    ]
    with desk.as_office() as office:
        office.execute("insert into conversation_projects values (%s, %s)", [conversation, kita])
    fulfil(desk, "task", task)
    assert desk.run("select * from tasks_missing_metadata") == []
    assert desk.run("select projects, missing from conversations_missing_metadata") == [
        ("2301 Kita Lindenhof", "Kostengruppe, Ort")
    ]
    fulfil(desk, "conversation", conversation)
    assert desk.run("select * from conversations_missing_metadata") == []


LIVE = {
    "files_missing_metadata": (("update files set deleted_at = now()",), ()),
    "tasks_missing_metadata": (
        ("update tasks set state = 'deleted'", "update tasks set state = 'archived'"),
        ("update tasks set state = 'completed'",),
    ),
    "conversations_missing_metadata": (
        (
            "update conversations set deleted_at = now()",
            "update conversations set state = 'trashed'",
            "update conversations set state = 'junked'",
        ),
        ("update conversations set state = 'closed'",),
    ),
}
"""By view: what makes a thing one that nobody needs to see to, and what does not."""


@pytest.mark.parametrize("view", LIVE)
def test_only_what_is_live_lacks_anything(desk: Desk, kita: int, view: str) -> None:
    desk.file("lose.txt")
    desk.task(kita)
    desk.conversation("Frage")
    deadly, harmless = LIVE[view]
    for change in harmless:
        desk.run(change)
        assert len(desk.run(f"select * from {view}")) == 1, change
    for change in deadly:
        desk.run(change)
        assert desk.run(f"select * from {view}") == [], change


def test_a_folder_without_a_project_stands_there_with_what_resembles_it(desk: Desk, kita: int) -> None:
    desk.project("2302 Rathaus")
    desk.file("projekte/Kita Lindenhöf/a.pdf")
    desk.file("projekte/Kita Lindenhöf/b.pdf")
    desk.file("projekte/Vorlagen/c.pdf")
    desk.link()
    query = "select folder, files, suggestions, best_project_id from unmatched_folders order by folder"
    [similar, unlike] = desk.run(query)
    assert similar[:2] == ("projekte/Kita Lindenhöf", 2)
    assert str(similar[2]).startswith("2301 Kita Lindenhof (")
    assert similar[3] == kita
    assert unlike == ("projekte/Vorlagen", 1, None, None)
    [other, lone] = desk.run("select name, suggestions from projects_without_folder order by name")
    assert other[0] == "2301 Kita Lindenhof"
    assert str(other[1]).startswith("projekte/Kita Lindenhöf (")
    assert lone == ("2302 Rathaus", None)
    with desk.as_office() as office:
        office.execute(
            "insert into folder_mappings (folder, project_id) values ('projekte/Kita Lindenhöf', %s)", [kita]
        )
    desk.link()
    assert [folder for folder, *_ in desk.run(query)] == ["projekte/Vorlagen"]
    assert desk.run("select name from projects_without_folder") == [("2302 Rathaus",)]


@pytest.mark.parametrize("change", ["deleted_at = now()", "archived_at = now()"])
def test_a_project_that_is_over_needs_no_folder(desk: Desk, kita: int, change: str) -> None:
    assert desk.run("select project_id from projects_without_folder") == [(kita,)]
    desk.run(f"update projects set {change}")
    assert desk.run("select * from projects_without_folder") == []
