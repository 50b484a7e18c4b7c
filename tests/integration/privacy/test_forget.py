"""What `ibhelm forget` promises: all of one person goes, nothing else does, and it stays away."""

from __future__ import annotations

import json
import os
from pathlib import Path
from typing import Any

import psycopg
import pytest
from click.testing import CliRunner, Result
from missive_person import (
    INBOX,
    LENA,
    MAX,
    MAX_NAME,
    MOVED_TO,
    OTTO,
    PEOPLES,
    PHRASES,
    PLACED,
    PROJECT,
    TEMPORARY,
    Office,
    digest,
)

from ibhelm_pipelines.cli import main
from ibhelm_pipelines.db.connect import connect
from ibhelm_pipelines.db.forgotten import Forgotten, note
from ibhelm_pipelines.db.queries import load_queries
from ibhelm_pipelines.errors import BusyError, ConfigurationError, ScanBusyError, ShareUnavailableError
from ibhelm_pipelines.nas.scan import scan
from ibhelm_pipelines.objects.disposal import delete_objects
from ibhelm_pipelines.objects.store import original_key
from ibhelm_pipelines.privacy.forget import forget, plan
from ibhelm_pipelines.search.documents import index_documents
from ibhelm_pipelines.settings import Settings
from ibhelm_pipelines.vendors.missive.attachment_ledger import Ledger

GONE_WORDS = [f"WORT-{each}" for each in ("m4", "m5", "m6", "k2", "a-own", "a-comment", "halb")]
FOUND_BY = "select lexeme from search.lexemes where lexeme like 'wortm4%%' union select word from search.vocabulary"
FOUND_BY += " where word = 'halb'"
ASIDE = {"ops.forgotten", "ops.forgotten_messages", "ops.forget_runs", "ops.objects_to_delete"}


@pytest.fixture
def office(settings: Settings) -> Office:
    office = Office(settings)
    office.build()
    return office


@pytest.fixture
def derived(office: Office) -> Office:
    """With originals in S3, and texts."""
    office.derive()
    return office


def keys(rows: set[str], *names: str) -> set[Any]:
    return {tuple(json.loads(row)[name] for name in names) for row in rows}


def test_nothing_of_the_person_is_left_in_any_table_any_object_or_any_file(derived: Office, settings: Settings) -> None:
    index_documents(settings)
    for needle in (MAX, MAX_NAME, *GONE_WORDS[:5]):
        assert "search.documents" in derived.holding(needle), f"{needle} must have been there"
    assert derived.rows(FOUND_BY)
    forget(settings, [MAX])
    for needle in (MAX, *GONE_WORDS):
        assert derived.holding(needle) == [], needle
    # The two files that stay where they were put carry the name of their folder; nothing else does.
    for needle in (MAX_NAME, "WORT-m1"):
        tables = ["ops.disk_entries", "public.file_versions", "public.files", "search.documents"]
        assert derived.holding(needle) == tables
    assert derived.rows(FOUND_BY) == []
    named = derived.rows("select distinct path from files where path like %s", f"%{MAX_NAME}%")
    assert {path for (path,) in named} == {PLACED["a-shared"], PLACED["a-edited"]}
    assert original_key(digest(PHRASES["a-own"])) not in derived.objects()


def test_everything_else_is_as_it_was(derived: Office, settings: Settings) -> None:
    before, objects, disk = derived.contents(), derived.objects(), derived.disk()
    forget(settings, [MAX])
    after = derived.contents()

    gone = {table: before[table] - after[table] for table in before if before[table] != after[table]}
    new = {
        table: after[table] - before[table] for table in before if table not in ASIDE and after[table] - before[table]
    }
    assert keys(gone["public.emails"], "missive_id") == {("m1",), ("m4",), ("m5",), ("m6",)}
    assert keys(gone["public.email_comments"], "missive_id") == {("k2",)}
    assert keys(gone["public.contents"], "hash") == {(digest(PHRASES[n]),) for n in ("a-own", "a-waiting")}
    assert keys(gone["public.content_texts"], "content_hash") == keys(gone["public.contents"], "hash")
    assert keys(gone["public.files"], "path") == {(PLACED["a-own"],), (PLACED["a-waiting"],)}
    assert keys(gone["ops.webhook_deliveries"], "delivery") == {("d-max",)}
    assert keys(gone["public.contacts"], "missive_id") == {("p-max",)}
    # What is other than before, and not just gone: each because it named the person.
    assert set(new) == {
        "ops.raw_records", "public.conversations", "public.conversation_assignees", "public.conversation_users",
        "public.email_comment_mentions", "public.email_comment_task_assignees", "public.email_recipients",
        "public.file_versions",
    }  # fmt: skip
    assert keys(new["ops.raw_records"], "kind", "vendor_id") == {
        ("conversations", "c-mixed"), ("conversations", "c-max"), ("emails", "m2"), ("email_comments", "k1"),
    }  # fmt: skip
    assert keys(new["public.conversations"], "missive_id", "subject") == {
        ("c-mixed", "AW: Antwort von Otto"), ("c-max", None),
    }  # fmt: skip
    assert keys(new["public.email_recipients"], "address", "ordinal") == {("lena@buero.de", 1)}
    assert len(new["public.file_versions"]) == 1

    kept = {
        path: what for path, what in disk.items() if str(path) not in (PLACED["a-own"], PLACED["a-waiting"], TEMPORARY)
    }
    assert derived.disk() == kept
    assert derived.objects() == objects - {original_key(digest(PHRASES[n])) for n in ("a-own", "a-waiting")}


def test_a_plan_says_exactly_what_is_done_and_changes_nothing(derived: Office, settings: Settings) -> None:
    before, objects, disk = derived.contents(), derived.objects(), derived.disk()
    planned = plan(settings, [MAX])
    assert (derived.contents(), derived.objects(), derived.disk()) == (before, objects, disk)
    done = forget(settings, [MAX])
    assert done.removed == planned.removed
    assert planned.removed == {
        "people": 0,
        "mails": 4, "comments": 1, "attachments": 8, "contacts": 1, "colleagues": 1, "recipient_entries": 1,
        "mentions": 4, "webhook_posts": 1, "accesses": 0, "inbox_files": 2, "contents": 2, "texts": 2, "objects": 2,
        "object_bytes": len(PHRASES["a-own"]) + len(PHRASES["a-waiting"]),
    }  # fmt: skip
    assert dict(done.files) == {
        PLACED["a-shared"]: "other mails carry it, too",
        PLACED["a-edited"]: "changed since it was put there",
        PEOPLES: "not put there for these mails, or moved by people",
        MOVED_TO: "not put there for these mails, or moved by people",
    }
    assert done.stays == {"files": 4, "mails_that_may_quote": 1, "people_in_teamwork": 0, "saved_searches": 0}
    assert done.folders == (INBOX,)


def test_the_run_is_on_record_without_saying_whose_data_it_was(office: Office, settings: Settings) -> None:
    done = forget(settings, [MAX])
    [(by, addresses, finished, removed)] = office.rows(
        "select requested_by, addresses, finished_at is not null, removed from ops.forget_runs"
    )
    assert (addresses, finished, removed) == (1, True, done.removed)
    assert "@" in by
    assert office.one("select completed_at is not null from ops.forgotten")


def test_a_sync_afterwards_brings_nothing_back_and_misses_no_message(office: Office, settings: Settings) -> None:
    assert office.missing_messages() == []
    forget(settings, [MAX])
    assert office.missing_messages() == []
    before = office.contents()
    office.sync()
    after = office.contents()
    assert {table for table in before if before[table] != after[table]} == set(), "a sync finds nothing new"
    office.source.messages["c-otto"].append({**office.source.messages["c-max"][0], "id": "m9"})
    office.source.conversations["c-otto"]["messages_count"] = 2
    office.sync()
    assert office.missing_messages() == []
    assert office.holding(MAX) == []
    office.source.messages["c-otto"].pop()
    office.source.conversations["c-otto"]["messages_count"] = 1
    office.sync()
    assert office.missing_messages() == [], "what Missive does not count any more is not counted here either"


def test_a_forgotten_subject_goes_and_stays_away_although_its_conversation_names_no_author(settings: Settings) -> None:
    office = Office(settings)
    for each in office.source.conversations.values():
        each["authors"] = each["external_authors"] = None
    office.sync()
    assert office.holding("WORT-m5") != []
    forget(settings, [MAX])
    assert office.holding("WORT-m5") == []
    assert office.rows("select subject from conversations where missive_id in ('c-mixed', 'c-max') order by 1") == [
        ("AW: Antwort von Otto",),
        (None,),
    ]
    before = office.contents()
    office.sync()
    assert office.contents() == before


def test_a_scan_afterwards_finds_the_tables_in_line_with_the_disk(derived: Office, settings: Settings) -> None:
    forget(settings, [MAX])
    derived.nas.assert_equals_disk()
    before = derived.contents()
    scan(settings)
    after = derived.contents()
    assert {table for table in before if before[table] != after[table]} <= {"ops.scans", "ops.folders"}


def test_history_is_still_refused_to_everybody_else(office: Office, settings: Settings) -> None:
    forget(settings, [MAX])
    with psycopg.connect(office.url) as connection, pytest.raises(psycopg.errors.CheckViolation):
        connection.execute("delete from file_versions")


def test_a_moved_file_keeps_its_history_without_the_folder_that_named_the_sender(
    office: Office, settings: Settings
) -> None:
    forget(settings, [MAX])
    history = """select v.path, v.raw_path from file_versions v join files f on f.id = v.file_id
                 where f.path = %s order by v.id"""
    neutral = f"{PROJECT}/IBH-INBOX/vergessen"
    assert office.rows(history, MOVED_TO) == [(neutral, neutral.encode()), (MOVED_TO, MOVED_TO.encode())]


def test_the_mails_folder_goes_when_nothing_else_is_in_it(office: Office, settings: Settings) -> None:
    for name in ("a-shared", "a-edited"):
        office.nas.move(PLACED[name], f"{PROJECT}/Akte/{name}.txt")
    scan(settings)
    assert forget(settings, [MAX]).folders == ()
    assert not office.nas.path(INBOX).exists()
    assert office.nas.path(INBOX).parent.is_dir()
    assert office.holding(MAX_NAME) == []


def test_a_link_in_the_place_of_a_file_or_folder_leads_to_nothing_being_removed(
    office: Office, settings: Settings, tmp_path: Path
) -> None:
    elsewhere = tmp_path / "elsewhere"
    office.nas.path(INBOX).rename(elsewhere)
    office.nas.path(INBOX).symlink_to(elsewhere)
    planned = plan(settings, [MAX])
    assert planned.removed["inbox_files"] == 0
    assert dict(planned.files)[PLACED["a-own"]] == "changed since it was put there"
    forget(settings, [MAX])
    assert (elsewhere / "a-own.txt").read_bytes() == PHRASES["a-own"]


def test_without_the_share_nothing_is_removed(office: Office, settings: Settings) -> None:
    office.nas.path(".ibhelm-share").unlink()
    before = office.contents()
    with pytest.raises(ShareUnavailableError):
        forget(settings, [MAX])
    after = office.contents()
    assert {table for table in before if before[table] != after[table]} == {"ops.forgotten"}


def test_a_scan_of_the_folder_keeps_its_files_from_being_removed(
    office: Office, settings: Settings, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("ibhelm_pipelines.privacy.removal.SCAN_WAIT", "100ms")
    with psycopg.connect(office.url) as scanning:
        scanning.execute("select pg_advisory_lock(727001, 0)")
        with pytest.raises(ScanBusyError):
            forget(settings, [MAX])
    assert office.one("select count(*)::int from emails where missive_id = 'm1'") == 1
    forget(settings, [MAX])
    assert office.holding(MAX) == []


def test_what_is_just_being_put_onto_the_nas_is_waited_for(
    office: Office, settings: Settings, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("ibhelm_pipelines.vendors.missive.attachment_ledger.LOCK_WAIT", "100ms")
    saving = connect(office.url, application="test", autocommit=True)
    with saving, Ledger(saving).turn(), pytest.raises(BusyError):
        forget(settings, [MAX])
    assert office.one("select count(*)::int from emails where missive_id = 'm1'") == 1
    forget(settings, [MAX])
    assert office.holding(MAX) == []


def test_one_run_at_a_time(office: Office, settings: Settings) -> None:
    with psycopg.connect(office.url) as other:
        other.execute("select pg_advisory_lock(hashtextextended('ibhelm forget', 0))")
        with pytest.raises(BusyError, match="Another"):
            forget(settings, [MAX])


def test_who_writes_what_missive_says_is_waited_for_and_nothing_is_half_counted(
    office: Office, settings: Settings, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("ibhelm_pipelines.db.connect.SESSION_OPTIONS", "-c timezone=UTC -c lock_timeout=300ms")
    with psycopg.connect(office.url) as writing:

        def hold(_done: int, _all: int) -> None:
            writing.execute(load_queries("vendors")["lock_writing"], {"source": "missive"})

        with pytest.raises(BusyError, match="Somebody else writes"):
            forget(settings, [MAX], on_progress=hold)
    [(removed, finished)] = office.rows("select removed, finished_at from ops.forget_runs")
    assert (removed["mails"] + removed["comments"], finished) == (1, None)
    forget(settings, [MAX])
    assert office.holding(MAX) == []


def test_an_object_whose_content_came_back_is_not_deleted(derived: Office, settings: Settings) -> None:
    key = original_key(digest(PHRASES["a-shared"]))
    derived.rows(
        "insert into ops.objects_to_delete (key, content_hash) values (%s, %s)", key, digest(PHRASES["a-shared"])
    )
    with connect(derived.url, application="test", autocommit=True) as connection:
        assert delete_objects(settings, connection).objects == 0
    assert key in derived.objects()
    assert derived.rows("select key from ops.objects_to_delete") == []


def test_an_object_that_a_killed_run_left_without_its_row_goes_too(derived: Office, settings: Settings) -> None:
    key = original_key(digest(PHRASES["a-own"]))
    derived.rows("delete from ops.stored_objects where key = %s", key)
    forget(settings, [MAX])
    assert key not in derived.objects()


def test_a_file_that_was_never_scanned_goes_too(settings: Settings) -> None:
    office = Office(settings)
    office.sync()
    office.nas.write(PLACED["a-own"], PHRASES["a-own"])
    office.rows(
        "insert into ops.attachment_files (attachment_id, raw_path, hash, size_bytes, placed_at)"
        " select id, %s, %s, 1, now() from email_attachments where missive_id = 'm1-a-own'",
        PLACED["a-own"].encode(),
        digest(PHRASES["a-own"]),
    )
    assert forget(settings, [MAX]).removed["inbox_files"] == 1
    assert not office.nas.path(INBOX).exists()


def test_what_could_not_be_understood_of_the_person_goes_too(office: Office, settings: Settings) -> None:
    body = json.dumps({"id": "odd", "conversation_id": "c-max", "from_field": {"address": "MAX.MUSTER@x.de"}})
    office.rows(
        "insert into ops.raw_records (source, kind, vendor_id, body, read_at, error)"
        " values ('missive', 'emails', 'odd', %s, now(), 'ValueError')",
        body,
    )
    assert forget(settings, [MAX]).removed["mails"] == 5
    assert office.holding(MAX) == []


@pytest.mark.parametrize(
    ("address", "is_hidden"),
    [
        (MAX, True),
        (" Max.Muster@X.DE ", True),
        ("max.muster+shop@x.de", False),
        ("xmax.muster@x.de", False),
        ("max.muster@x.de.example", False),
        (MAX_NAME, False),
        (None, False),
        ("", False),
        (5, False),
    ],
)
def test_an_address_is_hidden_in_any_case_and_no_other_is(database_url: str, address: object, is_hidden: bool) -> None:
    with connect(database_url, application="test", autocommit=True) as connection:
        assert not Forgotten.load(connection).hides([address])
        note(connection, "Max.Muster@x.de")
        assert Forgotten.load(connection).hides(["otto@firma.de", address]) is is_hidden
        [(salt, seen)] = connection.execute("select salt, digest from ops.forgotten").fetchall()
        assert (len(salt), len(seen)) == (32, 32)


def test_the_same_address_noted_elsewhere_has_another_digest(database_url: str) -> None:
    with connect(database_url, application="test", autocommit=True) as connection:
        assert note(connection, MAX).digest != note(connection, MAX).digest


def test_a_body_without_the_person_is_left_as_it_is(database_url: str) -> None:
    body = {"id": "m", "from_field": OTTO, "to_fields": [OTTO, "text", None, 5], "body": f"Gruss an {MAX}",
            "conversation": {"id": "c", "authors": [OTTO], "users": [LENA]}}  # fmt: skip
    with connect(database_url, application="test", autocommit=True) as connection:
        note(connection, MAX)
        assert Forgotten.load(connection).clean("emails", body) == body


def run(environment: dict[str, str], *arguments: str, said: str = "") -> Result:
    kept = {**{name: None for name in os.environ if name.startswith("IBHELM_")}, **environment}
    return CliRunner(env=kept).invoke(main, ["forget", *arguments], input=said)


def test_the_command_shows_asks_and_removes(office: Office, environment: dict[str, str]) -> None:
    before = office.contents()
    shown = run(environment, "--address", MAX, "--dry-run")
    assert (shown.exit_code, "Would be removed" in shown.output, PEOPLES in shown.output) == (0, True, True), (
        shown.output
    )
    refused = run(environment, "--address", MAX, said="n\n")
    assert refused.exit_code == 1
    nobody = run(environment, "--address", MAX)
    assert nobody.exit_code == 1, "nobody answers: nothing is removed"
    assert office.contents() == before
    done = run(environment, "--address", MAX, "--yes")
    assert (done.exit_code, "\nRemoved" in done.output) == (0, True), done.output
    assert office.holding(MAX) == []
    again = run(environment, "--address", MAX, "--yes")
    assert (again.exit_code, "noted as forgotten already" in again.output) == (0, True), again.output


def test_an_unknown_address_is_refused_unless_it_is_meant(office: Office, environment: dict[str, str]) -> None:
    before = office.contents()
    refused = run(environment, "--address", MAX, "--address", "max.mustr@x.de", "--yes")
    assert refused.exit_code == 1
    assert "Nothing is stored of address 2 of 2; nothing was removed" in refused.output
    assert office.contents() == before
    noted = run(environment, "--address", "max.mustr@x.de", "--yes", "--even-if-unknown")
    assert (noted.exit_code, office.one("select count(*)::int from ops.forgotten")) == (0, 1), noted.output


@pytest.mark.parametrize("address", ["", "Max <max@x.de>", "a@x.de, b@x.de", "x" * 400])
def test_what_is_no_address_is_refused(settings: Settings, address: str) -> None:
    with pytest.raises(ConfigurationError, match="Address 1 of 1 is no address"):
        plan(settings, [address])


def test_several_addresses_are_one_run(derived: Office, settings: Settings) -> None:
    report = forget(settings, [MAX, "otto@firma.de", MAX.upper()])
    assert report.removed["mails"] == 6
    assert derived.holding("otto@firma.de") == []
    assert derived.rows("select addresses from ops.forget_runs") == [(2,)]
    assert original_key(digest(PHRASES["a-shared"])) not in derived.objects()
    assert derived.objects() == {key for (key,) in derived.rows("select key from ops.stored_objects")}
