"""What files, tasks and conversations belong to follows from what is written on them, whatever came first; what people
decide stays.
"""

from __future__ import annotations

import psycopg
import pytest
from pydantic import SecretStr
from register_desk import Desk

from ibhelm_pipelines.errors import ConfigurationError
from ibhelm_pipelines.register.linking import link_items
from ibhelm_pipelines.settings import Settings

KITA = "projekte/2301-Kita Lindenhof-MK"
RATHAUS = "projekte/2302-Rathaus-HS"


@pytest.fixture
def desk(settings: Settings, owner_database_url: str) -> Desk:
    return Desk(settings, owner_database_url)


@pytest.fixture
def kita(desk: Desk) -> int:
    return desk.project("2301 Kita Lindenhof")


def test_a_file_belongs_to_the_project_of_its_folder_and_says_why(desk: Desk, kita: int) -> None:
    inside, loose = desk.file(f"{KITA}/04_Protokolle/a.pdf"), desk.file("Telefonliste.xlsx")
    report = desk.link()
    assert desk.of_file(inside, "project_id") == kita
    assert desk.of_file(inside, "project_rule") == "Projektordner"
    assert desk.of_file(loose, "project_id") is None
    assert desk.run("select number, nas_folder from projects") == [("2301", KITA)]
    assert (report.looked_at["file"], report.unmatched_folders) == (2, 0)


def test_a_folder_of_no_project_says_why_and_a_mapping_mends_it(desk: Desk, kita: int) -> None:
    lost = desk.file("projekte/Lindenhof alt/a.pdf")
    assert desk.link().unmatched_folders == 1
    assert desk.run("select project_id, reason from project_folders") == [(None, "Kein Projekt hat diesen Namen")]
    with desk.as_office() as office:
        office.execute("insert into folder_mappings (folder, project_id) values ('projekte/Lindenhof alt', %s)", [kita])
    desk.link()
    assert desk.of_file(lost, "project_id") == kita
    assert desk.of_file(lost, "project_rule") == "Zuordnung"
    desk.run("delete from folder_mappings")
    desk.link()
    assert desk.of_file(lost, "project_id") is None


def test_a_mapping_of_a_folder_within_a_project_wins_for_what_is_below_it(desk: Desk, kita: int) -> None:
    rathaus = desk.project("2302 Rathaus")
    above, below = desk.file(f"{KITA}/a.pdf"), desk.file(f"{KITA}/Rathaus/Pläne/b.pdf")
    with desk.as_office() as office:
        office.execute("insert into folder_mappings (folder, project_id) values (%s, %s)", [f"{KITA}/Rathaus", rathaus])
    desk.link()
    assert (desk.of_file(above, "project_id"), desk.of_file(below, "project_id")) == (kita, rathaus)


@pytest.mark.usefixtures("kita")
def test_cost_groups_come_from_folders_names_and_texts_and_the_narrower_one_stays(desk: Desk) -> None:
    files = {
        f"{KITA}/03_Planung/KGR 434 Kälte/Schema.pdf": [434],
        f"{KITA}/03_Planung/434_Kälte/Schema.pdf": [434],
        f"{KITA}/03_Planung/KGR 430 Lüftung/KGR 434 Rückkühler.pdf": [434],
        f"{KITA}/KGR 410 Sanitär/LV KGR 420.pdf": [410, 420],
        f"{KITA}/KGR 4401/a.pdf": [],
        f"{KITA}/07_Berechnungen/Kostenberechnung DIN 276 2301.xlsx": [],
    }
    numbers = {path: desk.file(path) for path in files}
    told = desk.file(f"{KITA}/01_Verträge/AR 3.pdf", text="Projekt 2301, KGR 440 Elektrische Anlagen")
    overruled = desk.file(f"{KITA}/KGR 480/b.pdf", text="Kostengruppe 440 nach DIN 276")
    desk.link()
    assert {path: desk.cost_groups("file", number) for path, number in numbers.items()} == files
    assert desk.cost_groups("file", told) == [440]
    assert desk.cost_groups("file", overruled) == [480]


@pytest.mark.usefixtures("kita")
def test_places_come_from_folders_and_a_building_that_is_known_is_found_in_names(desk: Desk) -> None:
    photo = desk.file(f"{KITA}/05_Fotos/O-Haus A/1. OG/Raum 1.04/IMG_1.jpg")
    plan = desk.file(f"{KITA}/03_Planung/2301-434-GR-123 Grundriss Haus A EG Index a.pdf")
    other = desk.file(f"{KITA}/03_Planung/Grundriss Haus B EG.pdf")
    desk.link()
    assert desk.places("file", photo) == ["2301 Kita Lindenhof: Haus A / 1. OG / 1.04"]
    assert desk.places("file", plan) == ["2301 Kita Lindenhof: Haus A / EG"]
    assert desk.places("file", other) == []
    labels = [label for (label,) in desk.run("select label from locations order by label")]
    assert labels == ["Haus A", "Haus A / 1. OG", "Haus A / 1. OG / 1.04", "Haus A / EG"]
    assert desk.run("select count(*) from locations where parent_id is null") == [(1,)]


def test_two_projects_with_the_same_room_have_a_room_each(desk: Desk, kita: int) -> None:
    rathaus = desk.project("2302 Rathaus")
    tasks = [desk.task(project, "O-Haus A / EG") for project in (kita, rathaus)]
    desk.link()
    assert [desk.places("task", task) for task in tasks] == [
        ["2301 Kita Lindenhof: Haus A / EG"],
        ["2302 Rathaus: Haus A / EG"],
    ]


def test_taking_off_a_tag_takes_its_link_and_no_other(desk: Desk, kita: int) -> None:
    task = desk.task(kita, "KGR 434", "KG 410", "O-Haus A", "dringend", "KGR 4401 (alt)")
    desk.link()
    assert desk.cost_groups("task", task) == [410, 434]
    desk.untag(task, "dringend")
    desk.untag(task, "KGR 434")
    desk.link()
    assert desk.cost_groups("task", task) == [410]
    assert desk.places("task", task) == ["2301 Kita Lindenhof: Haus A"]
    desk.untag(task, "KG 410")
    desk.untag(task, "O-Haus A")
    desk.link()
    assert desk.cost_groups("task", task) == []
    assert desk.places("task", task) == []
    assert desk.run("select count(*) from locations") == [(0,)]


def test_a_moved_file_changes_its_project_its_places_and_its_cost_group(desk: Desk, kita: int) -> None:
    rathaus = desk.project("2302 Rathaus")
    file = desk.file(f"{KITA}/KGR 410 Sanitär/O-Haus A/a.pdf")
    desk.link()
    assert (desk.of_file(file, "project_id"), desk.cost_groups("file", file)) == (kita, [410])
    desk.move(file, f"{RATHAUS}/KGR 434 Kälte/O-Altbau/a.pdf")
    desk.link()
    assert (desk.of_file(file, "project_id"), desk.cost_groups("file", file)) == (rathaus, [434])
    assert desk.places("file", file) == ["2302 Rathaus: Altbau"]


def test_a_conversation_belongs_to_all_projects_that_its_labels_name(desk: Desk, kita: int) -> None:
    rathaus = desk.project("2302 Rathaus")
    by_label = desk.conversation("Angebot", labels=["2301 Kita Lindenhof", "KGR 430 Lüftung", "O-Haus A / EG"])
    both = desk.conversation("AW: Termine", labels=["2301-Kita Lindenhof-MK", "2302 Rathaus"])
    by_subject = desk.conversation("2302 Lüftung - Rückfrage")
    by_name = desk.conversation("BV Kita Lindenhof: Terminverschiebung")
    none = desk.conversation("Ihre Bestellung 45002301", labels=["Dringend"])
    below = desk.conversation("Foto")
    desk.label(below, "Abnahme", below="2301 Kita Lindenhof")
    desk.file(f"{KITA}/a.pdf")
    desk.link()
    found = [desk.projects_of(each) for each in (by_label, both, by_subject, by_name, none, below)]
    assert found == [[kita], [kita, rathaus], [rathaus], [kita], [], [kita]]
    assert desk.cost_groups("conversation", by_label) == [430]
    assert desk.places("conversation", by_label) == ["2301 Kita Lindenhof: Haus A / EG"]


def test_what_a_person_links_or_unlinks_stays_until_the_decision_is_deleted(desk: Desk, kita: int) -> None:
    task = desk.task(kita, "KGR 434")
    desk.link()
    with desk.as_office() as office:
        office.execute("delete from task_cost_groups where task_id = %s", [task])
        office.execute("insert into task_cost_groups (task_id, cost_group_id)"
                       " select %s, id from cost_groups where number = 480", [task])  # fmt: skip
    desk.link()
    assert desk.cost_groups("task", task) == [480]
    assert desk.run("select rule, confidence::text from task_cost_groups") == [(None, "1.00")]
    desk.tag(task, "KGR 420")
    desk.link()
    assert desk.cost_groups("task", task) == [420, 480]
    with desk.as_office() as office:
        office.execute("delete from link_decisions")
    desk.link()
    assert desk.cost_groups("task", task) == [420, 434]


def test_a_project_that_a_person_gives_a_file_stays_until_it_is_emptied(desk: Desk, kita: int) -> None:
    rathaus = desk.project("2302 Rathaus")
    file = desk.file(f"{KITA}/O-Altbau/a.pdf")
    desk.link()
    with desk.as_office() as office:
        office.execute("update files set project_id = %s where id = %s", [rathaus, file])
    desk.link()
    assert (desk.of_file(file, "project_id"), desk.of_file(file, "project_source")) == (rathaus, "person")
    assert desk.places("file", file) == ["2302 Rathaus: Altbau"]
    with desk.as_office() as office:
        office.execute("update files set project_id = null where id = %s", [file])
    desk.link()
    assert (desk.of_file(file, "project_id"), desk.of_file(file, "project_source")) == (kita, "rule")


def test_the_links_of_what_a_purge_deletes_are_nobodys_decision(desk: Desk, kita: int) -> None:
    desk.task(kita, "KGR 434")
    desk.link()
    desk.run("delete from tasks")
    assert desk.run("select count(*) from task_cost_groups") == [(0,)]
    assert desk.run("select count(*) from link_decisions") == [(0,)]


@pytest.mark.usefixtures("kita")
def test_a_rule_of_the_office_decides_and_takes_its_links_back_when_it_is_switched_off(desk: Desk) -> None:
    file = desk.file(f"{KITA}/01_Verträge/Angebot Brandt.pdf")
    group = desk.run("select id from cost_groups where number = 420")[0][0]
    rule = desk.rule("cost_group", "name", "Brandt", cost_group_id=group)
    desk.link()
    assert desk.cost_groups("file", file) == [420]
    assert desk.run("select rule from file_cost_groups") == [("cost_group name Brandt",)]
    with desk.as_office() as office:
        office.execute("update link_rules set is_enabled = false where id = %s", [rule])
    desk.link()
    assert desk.cost_groups("file", file) == []


@pytest.mark.usefixtures("kita")
def test_the_kind_of_a_document_is_decided_by_the_rule_with_the_highest_priority(desk: Desk) -> None:
    paths = {
        f"{KITA}/01_Verträge/Rechnungen/230401_2. AR Brandt.pdf": "Rechnung",
        f"{KITA}/04_Protokolle/Jour fixe/2023-04-01 Protokoll Jour fixe Nr. 02.pdf": "Protokoll",
        f"{KITA}/08_Abnahme/Prüfprotokoll Druckprüfung.pdf": "Prüfprotokoll",
        f"{KITA}/05_Fotos/IMG_1.jpg": "Foto",
        f"{KITA}/03_Planung/2301-434-GR-1.dxf": "Plan",
    }
    numbers = {path: desk.file(path) for path in paths}
    desk.link()
    assert {path: desk.document_type(number) for path, number in numbers.items()} == paths


@pytest.mark.usefixtures("kita")
def test_a_second_run_changes_nothing_and_single_files_are_linked_alike(desk: Desk) -> None:
    files = [
        desk.file(f"{KITA}/05_Fotos/O-Haus A/EG/IMG_1.jpg"),
        desk.file(f"{KITA}/03_Planung/KGR 434 Kälte/Haus A EG.pdf", text="KGR 410"),
        desk.file(f"{KITA}/x.pdf", text="Projekt 2301, Haus A, 1. OG, KGR 410"),
    ]
    desk.link()
    again = desk.link()
    assert (again.changed, again.looked_at.total()) == (0, 0)
    assert link_items(desk.settings, everything=True).changed == 0
    linked = [(desk.cost_groups("file", each), desk.places("file", each)) for each in files]
    desk.run("delete from file_cost_groups")
    desk.run("delete from file_locations")
    for each in files:
        desk.link_file(each)
    assert [(desk.cost_groups("file", each), desk.places("file", each)) for each in files] == linked


def test_what_is_deleted_keeps_its_links_and_is_not_counted(desk: Desk, kita: int) -> None:
    file = desk.file(f"{KITA}/KGR 434 Kälte/a.pdf")
    desk.link()
    desk.run("update files set deleted_at = now()")
    report = link_items(desk.settings, everything=True)
    assert report.looked_at["file"] == 0
    assert (desk.of_file(file, "project_id"), desk.cost_groups("file", file)) == (kita, [434])


def test_a_place_that_a_person_made_stays_without_links(desk: Desk, kita: int) -> None:
    with desk.as_office() as office:
        office.execute("insert into locations (project_id, building) values (%s, 'Turnhalle')", [kita])
    plan = desk.file(f"{KITA}/Grundriss Turnhalle EG.pdf")
    desk.link()
    assert desk.places("file", plan) == ["2301 Kita Lindenhof: Turnhalle / EG"]
    desk.run("update files set deleted_at = now()")
    desk.run("delete from file_locations")
    desk.link()
    assert desk.run("select label from locations") == [("Turnhalle",)]


def test_the_office_writes_no_derived_link_and_no_rule_of_one(desk: Desk, kita: int) -> None:
    task = desk.task(kita, "KGR 434")
    desk.link()
    for statement in (
        "update task_cost_groups set rule = 'x'",
        "update project_folders set project_id = null",
        "update files set project_rule = 'x'",
        "update projects set number = '1'",
        "update cost_groups set name = 'x'",
        "delete from cost_groups",
    ):
        with desk.as_office() as office, pytest.raises(psycopg.errors.InsufficientPrivilege):
            office.execute(statement)
    assert desk.cost_groups("task", task) == [434]


def test_what_somebody_broke_behind_our_back_is_mended_by_a_run_over_everything(desk: Desk, kita: int) -> None:
    task = desk.task(kita, "KGR 434")
    desk.link()
    desk.run("delete from task_cost_groups")
    desk.link()
    assert desk.cost_groups("task", task) == []
    link_items(desk.settings, everything=True)
    assert desk.cost_groups("task", task) == [434]


@pytest.mark.usefixtures("kita")
def test_a_building_that_becomes_known_later_is_found_in_names_that_were_there_before(desk: Desk) -> None:
    plan = desk.file(f"{KITA}/Grundriss Haus B EG.pdf")
    desk.link()
    assert desk.places("file", plan) == []
    desk.file(f"{KITA}/05_Fotos/O-Haus B/IMG_1.jpg")
    desk.link()
    assert desk.places("file", plan) == ["2301 Kita Lindenhof: Haus B / EG"]


@pytest.mark.usefixtures("kita")
def test_a_text_that_comes_later_tells(desk: Desk) -> None:
    file = desk.file(f"{KITA}/scan.pdf", text="")
    desk.link()
    desk.run("update content_texts set text = 'Kostengruppe 434'")
    desk.run("insert into ops.step_results (content_hash, step, tool_version, state, took_ms)"
             " select content_hash, 'text', '1', 'ok', 1 from content_texts")  # fmt: skip
    desk.link()
    assert desk.cost_groups("file", file) == [434]


def test_a_renamed_project_and_a_renamed_label_change_what_conversations_belong_to(desk: Desk, kita: int) -> None:
    conversation = desk.conversation("Foto", labels=["2301 Kita Lindenhof"])
    desk.link()
    assert desk.projects_of(conversation) == [kita]
    desk.run("update labels set name = 'Dringend'")
    desk.link()
    assert desk.projects_of(conversation) == []
    desk.run("update projects set name = 'Dringend'")
    desk.link()
    assert desk.projects_of(conversation) == [kita]


def test_every_link_says_why_it_is_there(desk: Desk, kita: int) -> None:
    desk.file(f"{KITA}/KGR 434 Kälte/Angebot.pdf")
    task = desk.task(kita, "O-Haus A")
    desk.conversation("2301 Angebot")
    desk.link()
    with desk.as_office() as office:
        office.execute("insert into task_cost_groups (task_id, cost_group_id)"
                       " select %s, id from cost_groups where number = 410", [task])  # fmt: skip
        found = office.execute("select item, target, rule, source, confidence > 0 from item_links").fetchall()
    assert sorted((item, target, source) for item, target, _, source, _ in found) == [
        ("conversation", "project", "subject"),
        ("file", "cost_group", "folder"),
        ("file", "document_type", "name"),
        ("file", "project", "folder"),
        ("task", "cost_group", "person"),
        ("task", "location", "tag"),
    ]
    assert all(rule and sure for _, _, rule, _, sure in found)


def test_lists_show_what_a_project_and_a_kind_of_document_are_called_now(desk: Desk, kita: int) -> None:
    file = desk.file(f"{KITA}/Rechnungen/Rechnung.pdf")
    desk.link()
    assert (desk.of_file(file, "project_name"), desk.of_file(file, "document_type")) == (
        "2301 Kita Lindenhof",
        "Rechnung",
    )
    desk.run("update projects set name = '2301 Kita Süd' where id = %s", kita)
    with desk.as_office() as office:
        office.execute("update document_types set name = 'Rechnungen' where name = 'Rechnung'")
    desk.link()
    assert (desk.of_file(file, "project_name"), desk.of_file(file, "document_type")) == ("2301 Kita Süd", "Rechnungen")


def test_another_role_than_the_pipelines_links_nothing_because_it_would_decide_for_people(
    desk: Desk, kita: int, owner_database_url: str
) -> None:
    desk.task(kita, "KGR 434")
    as_owner = desk.settings.model_copy(update={"database_url": SecretStr(owner_database_url)})
    with pytest.raises(ConfigurationError, match="ibhelm_pipeline"):
        link_items(as_owner)
    assert desk.run("select count(*) from task_cost_groups") == [(0,)]
    assert desk.run("select count(*) from link_decisions") == [(0,)]


def test_a_building_that_is_written_in_several_ways_is_one_and_is_called_as_most_call_it(desk: Desk, kita: int) -> None:
    tasks = [desk.task(kita, "O-Geb. 3"), desk.task(kita, "O-Gebäude 3 / EG")]
    desk.file(f"{KITA}/05_Fotos/O-Geb. 3/a.jpg")
    desk.link()
    assert desk.places("task", tasks[0]) == ["2301 Kita Lindenhof: Geb. 3"]
    assert desk.places("task", tasks[1]) == ["2301 Kita Lindenhof: Geb. 3 / EG"]
