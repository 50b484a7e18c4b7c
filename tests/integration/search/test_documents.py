"""Whatever can be found has a document that says what is so now, and what is gone has none; the frequencies of words
are exact; what has not changed is neither read nor written.
"""

from __future__ import annotations

import random
from typing import TYPE_CHECKING, get_args

import psycopg
import pytest
from documents_desk import KITA, DocumentsDesk, Things

from ibhelm_pipelines.search.composing import BODY_CHARACTERS, text_key
from ibhelm_pipelines.search.results import DocumentKind

if TYPE_CHECKING:
    from collections.abc import Callable

    from ibhelm_pipelines.settings import Settings


@pytest.fixture
def desk(settings: Settings, owner_database_url: str) -> DocumentsDesk:
    return DocumentsDesk(settings, owner_database_url)


@pytest.fixture
def things(desk: DocumentsDesk) -> Things:
    things = desk.fill()
    desk.index()
    return things


def everything(things: Things) -> set[tuple[str, int]]:
    return {
        ("file", things.file), ("file", things.copy), ("file", things.other_file), ("email", things.email),
        ("email", things.untitled_email), ("email_comment", things.email_comment), ("task", things.task),
        ("task", things.other_task), ("task_comment", things.task_comment),
    }  # fmt: skip


def test_everything_that_lives_has_a_document_and_is_found_by_what_it_says_and_belongs_to(
    desk: DocumentsDesk, things: Things
) -> None:
    mails = {("email", things.email), ("email", things.untitled_email)}
    tasks = {("task", things.task), ("task", things.other_task)}
    of_kita = mails | tasks | {
        ("file", things.file), ("email_comment", things.email_comment), ("task_comment", things.task_comment)
    }  # fmt: skip
    assert desk.items() == everything(things)
    assert desk.found("Brandschutz Klappe") == {("file", things.file), ("file", things.copy)}
    assert desk.found("Kita Lindenhof") == of_kita  # whose names lack it, but whose project has it
    assert desk.found("Stadt Musterstadt") == of_kita
    of_434 = {("file", things.file), ("task", things.task), ("task_comment", things.task_comment)}
    assert desk.found("Kälteanlagen", labels="B") == of_434
    assert desk.found("Verdichter") == {("email", things.email)}  # by the name of what is attached
    assert desk.found("Kranz", labels="B") == mails
    assert desk.found("Wärmepumpe", labels="A") == {
        ("email", things.untitled_email),
        ("email_comment", things.email_comment),
    }
    assert desk.found("Ventil", labels="A") == {("task", things.task), ("task_comment", things.task_comment)}


def test_a_document_carries_what_is_filtered_by(desk: DocumentsDesk, things: Things) -> None:
    otto, eva = desk.person("Otto Kranz"), desk.person("Eva Amsel")
    assert desk.one("file", things.file, "array[project_ids, cost_groups]") == [[things.kita], [434]]
    assert desk.one("file", things.file, "context || '|' || extension") == f"{KITA}/KGR 434 Kälte|pdf"
    assert desk.one("email", things.email, "person_ids") == sorted([otto, eva])
    assert desk.one("email", things.email, "context") == "Otto Kranz → Eva Amsel"
    assert desk.one("email", things.untitled_email, "title") == "Wärmepumpe"
    assert desk.one("email_comment", things.email_comment, "person_ids") == [eva]
    assert desk.one("task", things.task, "context") == "2301 Kita Lindenhof"
    assert desk.one("task_comment", things.task_comment, "cost_groups") == [434]
    company = desk.run("select company_id from projects where id = %s", things.kita)[0][0]
    assert desk.one("task", things.task, "company_ids") == [company]
    assert desk.one("file", things.file, "names") == f"plan 7.pdf {KITA.lower()}/kgr 434 kaelte/plan 7.pdf" + (
        " 2301 kita lindenhof stadt musterstadt"
    )


def test_what_a_mail_quotes_and_its_signature_are_words_of_the_last_rank_and_no_text_of_it(
    desk: DocumentsDesk, things: Things
) -> None:
    assert desk.found("Pumpensumpf") == desk.found("Vertrieb") == {("email", things.email)}
    assert desk.found("Pumpensumpf", labels="ABC") | desk.found("Vertrieb", labels="ABC") == set()
    assert desk.one("email", things.email, "body") == "Anbei unser Angebot."


def test_copies_share_the_key_of_their_text_and_names_of_cameras_have_none(desk: DocumentsDesk, things: Things) -> None:
    copy = desk.file("projekte/2301-Kita Lindenhof-MK/Alt/Plan 7.pdf")
    desk.run("update files set content_hash = (select content_hash from files where id = %s) where id = %s",
             things.file, copy)  # fmt: skip
    desk.index()
    assert desk.one("file", copy, "text_key") == desk.one("file", things.file, "text_key") is not None
    assert desk.one("file", things.copy, "text_key") != desk.one("file", copy, "text_key")
    for name in ("IMG_1234.jpeg", "DSC0001.jpg", "Scan_2024-01-01.docx", "20240101.xlsx"):
        assert text_key(name, "") is None, name
    assert text_key("Lüftungszentrale Dach.jpg", "") is not None
    assert text_key("IMG_1234.jpeg", "Typenschild") is not None


# What changes, and whose documents say so; all others are not even read.
CHANGES: dict[str, tuple[Callable[[DocumentsDesk, Things], object], tuple[str, ...]]] = {
    "nothing": (lambda _desk, _things: None, ()),
    "a file is renamed": (
        lambda desk, things: desk.move(things.file, f"{KITA}/KGR 434 Kälte/Plan 8.pdf"), ("file",)
    ),
    "a content has a new text, and so have its copies": (
        lambda desk, things: desk.run(
            "update content_texts set text = text || ' Neu.' where content_hash ="
            " (select content_hash from files where id = %s)", things.file),
        ("file", "copy"),
    ),
    "a text was read again": (
        lambda desk, things: desk.run(
            "insert into ops.step_results (content_hash, step, tool_version, state, took_ms)"
            " select content_hash, 'text', '2', 'ok', 1 from files where id = %s", things.other_file),
        ("other_file",),
    ),
    "a file loses its cost group": (
        lambda desk, things: desk.run("delete from file_cost_groups where file_id = %s", things.file), ("file",)
    ),
    "a task loses a tag": (lambda desk, things: desk.untag(things.task, "KGR 434"), ("task",)),
    "a task is renamed": (
        lambda desk, things: desk.run("update tasks set name = 'Ventil' where id = %s", things.task),
        ("task", "task_comment"),
    ),
    "a conversation has another subject": (
        lambda desk, things: desk.run("update conversations set subject = 'Heizung'"),
        ("untitled_email", "email_comment"),
    ),
    "a mail has another quote": (
        lambda desk, things: desk.run("update email_bodies set quoted_text = 'Anderes'"), ("email",)
    ),
    "a project is called otherwise": (
        lambda desk, things: desk.run("update projects set name = '2301 Kita am Park'"),
        ("file", "email", "untitled_email", "email_comment", "task", "other_task", "task_comment"),
    ),
    "a label is called otherwise": (
        lambda desk, things: desk.run("update labels set name = 'Wichtig'"), ("email", "untitled_email")
    ),
    "a person is called otherwise": (
        lambda desk, things: desk.run("update persons set name = 'Eva Meise' where name = 'Eva Amsel'"),
        ("email", "email_comment"),
    ),
    "two people are one": (
        lambda desk, things: desk.run("update persons set merged_into_id = %s where name = 'Eva Meise'",
                                      desk.person("Otto Kranz")),
        ("email", "email_comment"),
    ),
    "a file belongs to another project": (
        lambda desk, things: desk.run("update files set project_id = %s where id = %s",
                                      desk.project("2302 Rathaus"), things.file),
        ("file",),
    ),
    "a conversation is of no project any more": (
        lambda desk, things: desk.run("delete from conversation_projects"),
        ("email", "untitled_email", "email_comment"),
    ),
}  # fmt: skip


KIND_OF = {"copy": "file", "other_file": "file", "untitled_email": "email", "other_task": "task"}


def _named(things: Things, names: tuple[str, ...]) -> set[tuple[str, int]]:
    return {(KIND_OF.get(name, name), getattr(things, name)) for name in names}


def test_a_change_makes_exactly_the_documents_anew_that_say_it(
    desk: DocumentsDesk, things: Things, subtests: pytest.Subtests
) -> None:
    for change, (make, names) in CHANGES.items():
        with subtests.test(change):
            make(desk, things)
            assert desk.written_by_a_run() == _named(things, names)
            assert desk.written_by_a_run() == set()
            desk.assert_counts_are_exact()


GOING = (
    # (what happens, to what, and what comes back before the next one)
    ("update files set deleted_at = now() where id = {file}", ("file",), ""),
    ("update tasks set state = 'deleted' where id = {task}", ("task", "task_comment"),
     "update tasks set state = 'completed' where id = {task}"),
    ("update task_comments set deleted_at = now()", ("task_comment",), ""),
    ("update tasks set deleted_at = now() where id = {task}", ("task",), ""),
    ("update conversations set state = 'trashed'", ("email", "untitled_email", "email_comment"),
     "update conversations set state = 'closed'"),
    ("with bin as (insert into conversations (missive_id, state) values ('x', 'trashed') returning id)"
     " update emails set conversation_id = bin.id from bin where emails.id = {untitled_email}",
     ("untitled_email",), ""),
    ("with gone as (delete from email_attachments) delete from emails where id = {email}", ("email",), ""),
    ("update conversations set deleted_at = now()", ("email_comment",), ""),
)  # fmt: skip


def test_what_goes_leaves_at_once_and_its_words_with_the_next_run(desk: DocumentsDesk, things: Things) -> None:
    for statement, names, back in GOING:
        there, gone = desk.items(), _named(things, names)
        assert gone <= there
        desk.run(statement.format(**vars(things)))
        assert desk.items() == there - gone, statement
        assert desk.index().changed == 0
        desk.assert_counts_are_exact()
        if back:
            desk.run(back.format(**vars(things)))
            desk.index()


def test_what_comes_back_is_found_again(desk: DocumentsDesk, things: Things) -> None:
    before = desk.documents()
    desk.run("update files set deleted_at = now()")
    desk.run("update conversations set state = 'junked'")
    desk.run("update files set deleted_at = null")
    desk.run("update conversations set state = 'open'")
    assert {kind for kind, _ in desk.items()} == {"task", "task_comment"}
    desk.index()
    assert desk.documents() == before
    desk.assert_counts_are_exact()


def test_a_document_that_slipped_by_leaves_with_the_next_run(desk: DocumentsDesk, things: Things) -> None:
    desk.run_as_owner(
        "set session_replication_role = replica", f"update public.files set deleted_at = now() where id = {things.file}"
    )
    assert ("file", things.file) in desk.items()
    assert desk.index().removed == 1
    assert desk.items() == everything(things) - {("file", things.file)}
    desk.assert_counts_are_exact()


def test_the_order_in_which_things_come_changes_nothing(desk: DocumentsDesk) -> None:
    things = desk.fill()
    items = sorted(everything(things))
    random.Random(3).shuffle(items)
    kinds = get_args(DocumentKind)
    for kind, number in items[:6]:
        assert kind in kinds
        desk.index_some(kind, [number])  # type: ignore[arg-type]
    desk.assert_counts_are_exact()
    desk.run("update content_texts set text = 'Ganz anders' where text like 'Durchwahl%%'")
    desk.index()
    in_pieces = desk.documents()
    desk.assert_counts_are_exact()
    desk.run_as_owner("truncate search.documents")
    assert desk.run("select 1 from search.lexemes union all select 1 from search.vocabulary") == []
    desk.index()
    assert desk.documents() == in_pieces
    desk.assert_counts_are_exact()


def test_all_of_them_anew_writes_only_what_somebody_changed_behind_our_back(
    desk: DocumentsDesk, things: Things
) -> None:
    good = desk.documents()
    desk.run("update search.documents set body = 'Unfug', project_ids = '{4711}' where kind = 'task'")
    assert desk.index().changed == 0
    report = desk.index(everything=True)
    assert (report.looked_at.total(), report.changed) == (len(good), 2)
    assert desk.documents() == good


def test_what_is_deleted_between_reading_and_writing_gets_no_document(
    desk: DocumentsDesk, things: Things, settings: Settings
) -> None:
    new = desk.file(f"{KITA}/Neu.pdf", text="Ganz neu")
    with psycopg.connect(settings.require_database_url()) as somebody:
        somebody.execute("update files set deleted_at = now() where id = %s", [new])
        assert desk.index().waiting == 1  # nobody waits for whoever is changing it, and it is not written
        assert ("file", new) not in desk.items()
        somebody.rollback()
    assert desk.index_some("file", [new]).changed == 1
    assert ("file", new) in desk.items()


def test_nobody_waits_for_whoever_is_deleting(desk: DocumentsDesk, things: Things, settings: Settings) -> None:
    desk.run("update emails set body_text = body_text || ' Neu.'")
    desk.run("update email_comments set body = 'Anders'")
    with psycopg.connect(settings.require_database_url()) as somebody:
        somebody.execute("update conversations set state = 'trashed'")
        report = desk.index()
        assert (report.waiting, report.changed) == (3, 0)
    desk.index()
    assert {kind for kind, _ in desk.items()} == {"file", "task", "task_comment"}
    desk.assert_counts_are_exact()


def test_a_text_is_kept_up_to_its_bound(desk: DocumentsDesk) -> None:
    long = desk.file("Lang.txt", text="Wort " * (BODY_CHARACTERS // 5) + "Ende")
    desk.index()
    assert desk.one("file", long, "length(body)") == BODY_CHARACTERS
    assert ("file", long) not in desk.found("Ende")


def test_what_cannot_be_indexed_keeps_nothing_else_from_being_found_and_is_tried_again_when_it_changes(
    desk: DocumentsDesk,
) -> None:
    desk.run_as_owner(
        "create function refuse() returns trigger language plpgsql as $$ begin"
        " raise exception 'too long for tsvector: geheim' using errcode = 'program_limit_exceeded'; end $$",
        "create trigger refuse before insert on search.documents for each row when (new.title = 'Gift.pdf')"
        " execute function refuse()",
    )
    good, poison = [desk.file(f"Brief {number}.pdf", text="Brief") for number in range(4)], desk.file("Gift.pdf")
    assert desk.index().failed == 1
    assert desk.items() == {("file", number) for number in good}
    assert desk.run("select kind, item_id, error from ops.failed_documents") == [
        ("file", poison, "ProgramLimitExceeded")
    ]
    assert desk.index().looked_at.total() == 0
    desk.run("update files set name = 'Gut.pdf' where id = %s", poison)
    assert desk.index().changed == 1
    assert desk.run("select 1 from ops.failed_documents") == []


def test_the_status_says_how_much_can_be_found(desk: DocumentsDesk, things: Things) -> None:
    [(state, number, detail)] = desk.run("select state, number, detail from ops.health where subject = 'search'")
    [(words,)] = desk.run("select count(*) from search.vocabulary")
    assert (state, number, detail) == ("ok", len(everything(things)), f"{words} words; 0 behind")
    desk.run("update ops.search_runs set finished_at = now() - interval '61 minutes'")
    assert desk.run("select state from ops.health where subject = 'search'") == [("error",)]
