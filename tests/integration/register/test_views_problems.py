"""Copies, problems, and what the register's checks and `ops.health` say of it."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest
from nas_tree import Nas
from register_desk import Desk

from ibhelm_pipelines.db.checks import QUESTIONS, REGISTER_QUESTIONS
from ibhelm_pipelines.db.connect import connect
from ibhelm_pipelines.db.question import ask
from ibhelm_pipelines.nas.scan import scan
from ibhelm_pipelines.register.counting import count_links

if TYPE_CHECKING:
    from ibhelm_pipelines.settings import Settings

KITA = "projekte/2301 Kita Lindenhof"


@pytest.fixture
def desk(settings: Settings, owner_database_url: str) -> Desk:
    return Desk(settings, owner_database_url)


def failing(settings: Settings) -> dict[str, str]:
    """What the register's checks say is wrong, by name."""
    with connect(settings.require_database_url(), application="test", autocommit=True) as connection:
        answers = [ask(connection, question) for question in REGISTER_QUESTIONS]
    return {each.question.name: f"{each.problem} {each.next_step}" for each in answers if not each.passed}


def health(desk: Desk) -> tuple[object, ...]:
    [row] = desk.run("select state, number, detail from ops.health where subject = 'register'")
    return row


def problems(desk: Desk) -> list[tuple[object, ...]]:
    return desk.run("select kind, what, reason from problems order by kind, what")


def test_the_same_content_in_several_live_places_is_one_row(settings: Settings, desk: Desk) -> None:
    nas = Nas(settings)
    settings = settings.model_copy(update={"max_deletion_percent": 100})
    for place in (*(f"{KITA}/{number:02d}.pdf" for number in range(22)), "lose.pdf"):
        nas.write(place, "same")
    for name in ("leer1.txt", "leer2.txt"):
        nas.write(name, "")
    nas.write(f"{KITA}/einmal.pdf", "once")
    for place in ("a.txt", "b.txt"):
        nas.write(place, "gone")
    scan(settings)
    nas.path("b.txt").unlink()
    scan(settings)
    desk.project("2301 Kita Lindenhof")
    desk.link()
    [(copies, size, wasted, paths, projects)] = desk.run(
        "select copies, size_bytes, wasted_bytes, paths, projects from duplicates"
    )
    assert (copies, size, wasted, projects) == (23, 4, 88, "2301 Kita Lindenhof")
    assert str(paths).splitlines() == ["lose.pdf", *(f"{KITA}/{n:02d}.pdf" for n in range(19)), "… und 3 weitere"]


def test_an_office_in_order_has_no_problem_and_a_healthy_register(settings: Settings, desk: Desk) -> None:
    desk.project("2301 Kita Lindenhof")
    desk.file(f"{KITA}/a.pdf")
    desk.file("projekte/Vorlagen/b.pdf")
    desk.link()
    assert problems(desk) == []
    assert failing(settings) == {}
    assert health(desk)[:2] == ("ok", 1)


def test_what_the_platform_could_not_do_is_told_to_the_office(desk: Desk) -> None:
    file = desk.file(f"{KITA}/kaputt.dwg", text="")
    content = desk.of_file(file, "content_hash")
    desk.run(
        "insert into ops.step_results (content_hash, step, tool_version, state, reason, permanent, took_ms)"
        " values (%s, 'thumbnail', '1', 'failed', 'no such drawing', true, 1)",
        content,
    )
    desk.run(
        "insert into ops.path_problems (raw_path_digest, raw_path, path, folder, kind, reason, first_seen_at)"
        " values ('d', 'x', 'geheim', '_loose', 'unreadable_file', 'Permission denied', '2025-01-01')"
    )
    conversation = desk.conversation("Angebot")
    desk.run("update conversations set missive_id = 'c', url = 'https://m/c'")
    desk.run(
        "insert into ops.conversation_reads (missive_id, due_at, attempts, error) values ('c', now(), 9, 'refused')"
    )
    desk.run(
        "insert into email_attachments (missive_id, name, missive_email_id, email_id)"
        " select 'a', 'Plan.pdf', missive_id, id from emails"
    )
    desk.run(
        "insert into ops.attachment_attempts (attachment_id, reason, permanent)"
        " select id, 'too big', true from email_attachments"
    )
    assert problems(desk) == [
        ("Anhang nicht gespeichert", "Plan.pdf – Angebot", "too big"),
        ("Datei nicht lesbar", "geheim", "Permission denied"),
        ("Unterhaltung nicht gelesen", "c", "refused"),
        ("Vorschau fehlt", f"{KITA}/kaputt.dwg", "no such drawing"),
    ]
    assert desk.run("select url, item_id from problems where kind = 'Unterhaltung nicht gelesen'") == [
        ("https://m/c", conversation)
    ]
    desk.run("update conversations set deleted_at = now()")
    desk.run("update files set deleted_at = now()")
    assert [kind for kind, *_ in problems(desk)] == ["Datei nicht lesbar"]


def test_refused_deletions_are_told_with_the_command_that_allows_them(settings: Settings, desk: Desk) -> None:
    nas = Nas(settings)
    for number in range(4):
        nas.write(f"{KITA}/{number}.txt", str(number))
    scan(settings)
    for number in range(3):
        nas.path(f"{KITA}/{number}.txt").unlink()
    scan(settings)
    number = nas.one("select max(id) from ops.scans")
    assert desk.run("select kind, what, reason, what_to_do from problems") == [
        (
            "Löschung nicht geglaubt",
            KITA,
            f"3 Dateien fehlen auf einmal, z. B. {KITA}/0.txt",
            f"Ordner verschoben oder nicht verbunden? Sonst: ibhelm scan --confirm-deletions {number}",
        )
    ]
    [question] = [each for each in QUESTIONS if each.name == "mass_deletion_refused"]
    with connect(settings.require_database_url(), application="test", autocommit=True) as connection:
        assert ask(connection, question).rows == [
            {"scan": number, "folder": KITA, "missing_files": 3, "for_example": f"{KITA}/0.txt"}
        ]


def test_a_folder_that_resembles_a_project_without_one_is_named(settings: Settings, desk: Desk) -> None:
    desk.project("2301 Kita Lindenhof")
    desk.file("projekte/Kita Lindenhöf/a.pdf")
    desk.link()
    told = failing(settings)["folder_without_project"]
    assert "projekte/Kita Lindenhöf (1 files): 2301 Kita Lindenhof" in told
    assert "folder_mappings" in told
    assert health(desk)[0] == "warning"
    assert [kind for kind, *_ in problems(desk)] == ["Ordner ohne Projekt"]


def test_a_mapping_that_covers_no_file_or_names_a_deleted_project_is_named(settings: Settings, desk: Desk) -> None:
    kita = desk.project("2301 Kita Lindenhof")
    desk.file(f"{KITA}/Pläne/a.pdf")
    with desk.as_office() as office:
        for folder in (KITA, f"{KITA}/Pläne", "projekte", "projekte/Kita", f"{KITA}/Plän"):
            office.execute("insert into folder_mappings (folder, project_id) values (%s, %s)", [folder, kita])
    assert desk.run("select folder, why from ops.idle_folder_mappings order by folder") == [
        (f"{KITA}/Plän", "no_files"),
        ("projekte/Kita", "no_files"),
    ]
    assert "no file stands there" in failing(settings)["folder_mapping_without_effect"]
    assert len(problems(desk)) == 2
    desk.run("delete from folder_mappings where folder <> 'projekte'")
    assert failing(settings) == {}
    desk.run("update projects set deleted_at = now()")
    assert "the project is deleted" in failing(settings)["folder_mapping_without_effect"]


@pytest.mark.parametrize("reads", ["label", "folder"])
def test_a_rule_that_can_decide_nothing_is_named(settings: Settings, desk: Desk, reads: str) -> None:
    desk.run(
        "insert into link_rules (name, decides, reads, pattern, document_type_id)"
        " select 'Regel', 'document_type', %s, 'Angebot', min(id) from document_types",
        reads,
    )
    told = failing(settings).get("rule_without_effect", "")
    assert ("Regel: only files have a kind of document" in told) == (reads == "label")
    desk.run("update link_rules set is_enabled = false where name = 'Regel'")
    assert failing(settings) == {}


def test_a_rule_for_a_deleted_project_is_named(settings: Settings, desk: Desk) -> None:
    desk.run(
        "insert into link_rules (name, decides, reads, pattern, project_id)"
        " values ('R', 'project', 'label', 'Umbau', %s)",
        desk.project("2301 Kita"),
    )
    assert failing(settings) == {}
    desk.run("update projects set deleted_at = now()")
    assert "its project is deleted" in failing(settings)["rule_without_effect"]


def test_links_that_nobody_computed_for_two_days_are_an_error(settings: Settings, desk: Desk) -> None:
    desk.file(f"{KITA}/a.pdf")
    assert failing(settings) == {}
    desk.run("update ops.folders set first_seen_at = now() - interval '3 days'")
    assert "Links were last computed never" in failing(settings)["links_not_computed"]
    assert health(desk)[0] == "error"
    desk.link()
    assert failing(settings) == {}
    desk.run("update ops.register_runs set finished_at = now() - interval '3 days'")
    assert "links_not_computed" in failing(settings)


def test_health_counts_what_is_live_and_rounds_nothing_up(settings: Settings, desk: Desk) -> None:
    kita = desk.project("2301 Kita Lindenhof")
    for number in range(3):
        desk.file(f"{KITA}/{number}.xyz" if number else "lose.xyz")
    desk.run("update files set deleted_at = now() where name = '2.xyz'")
    desk.task(kita)
    desk.conversation("Frage")
    desk.run("update conversations set state = 'junked'")
    desk.link()
    with connect(settings.require_database_url(), application="test", autocommit=True) as connection:
        count_links(connection)
    assert health(desk)[2] == (
        "files: 50 % with project, 0 % cost group, 0 % place, 0 % kind;"
        " tasks: 100 % with project, 0 % cost group, 0 % place"
    )
