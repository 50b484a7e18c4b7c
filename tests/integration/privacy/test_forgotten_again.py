"""Whom an older backup brings back is forgotten again; the list that knows of it names nobody, and outlives the
database. Besides: what forgetting says of backups, and does to manifests and to the log of accesses.
"""

from __future__ import annotations

import datetime as dt
import gzip
import hashlib
import os

import pytest
from click.testing import CliRunner, Result
from database_snapshot import snapshot
from missive_person import INBOX, MAX, MAX_NAME, MOVED_TO, PLACED, PROJECT, Office

from ibhelm_pipelines.cli import main
from ibhelm_pipelines.db.connect import connect
from ibhelm_pipelines.db.forgotten import Forgotten
from ibhelm_pipelines.errors import PermanentError
from ibhelm_pipelines.local.postgres import EmbeddedPostgres
from ibhelm_pipelines.objects.store import ObjectStore
from ibhelm_pipelines.privacy.again import forget_again
from ibhelm_pipelines.privacy.forget import forget, plan, take_back
from ibhelm_pipelines.privacy.kept_list import KEY, keep_list
from ibhelm_pipelines.safety.backup import back_up
from ibhelm_pipelines.safety.manifests import write_manifests
from ibhelm_pipelines.settings import Settings

NOW = dt.datetime(2026, 11, 23, 12, tzinfo=dt.UTC)


@pytest.fixture
def office(settings: Settings) -> Office:
    office = Office(settings)
    office.build()
    return office


def kept(settings: Settings) -> str:
    return stored(settings, KEY)


def stored(settings: Settings, key: str) -> str:
    with ObjectStore(settings) as store:
        opened = store.open(key)
        assert opened is not None, key
        data = opened.read(opened.stored.size)
        opened.close()
    return (gzip.decompress(data) if data[:2] == b"\x1f\x8b" else data).decode()


def put(settings: Settings, key: str, data: bytes) -> None:
    with ObjectStore(settings) as store:
        store.put_bytes(key, data, sha256=hashlib.sha256(data).hexdigest(), media_type="application/json")


def test_whom_an_older_backup_brings_back_is_forgotten_again(
    office: Office, settings: Settings, postgres: EmbeddedPostgres, environment: dict[str, str]
) -> None:
    with snapshot(postgres, office.url) as backup:
        forget(settings, [MAX])
        expected = office.contents()
        assert forget_again(settings).report is None, "nobody is back"
        backup.restore()
        assert office.holding(MAX) != []
        again = forget_again(settings)
    assert (again.taken_over, again.addresses) == (1, 1)
    assert again.report is not None
    assert again.report.removed["mails"] == 4
    assert office.holding(MAX) == []
    after = office.contents()
    runs = {"ops.forgotten", "ops.forget_runs", "ops.scans", "ops.folders"}
    gone = {table for table in expected if expected[table] != after[table]} - runs
    assert gone <= {"ops.disk_entries", "public.files", "public.file_versions"}, "the disk is as it was left"
    said = run(environment, "--again")
    assert (said.exit_code, "0 forgotten addresses were stored" in said.output) == (0, True), said.output
    nothing = forget_again(settings)
    assert (nothing.taken_over, nothing.addresses, nothing.report) == (0, 0, None)


def test_a_mail_that_nobody_understood_is_found_again_too(office: Office, settings: Settings) -> None:
    forget(settings, ["nur.im.rohtext@x.de"])
    office.rows(
        "insert into ops.raw_records (source, kind, vendor_id, body, read_at, error)"
        """ values ('missive', 'emails', 'odd', '{"id": "odd", "conversation_id": "c-max",
            "from_field": {"address": "Nur.im.Rohtext@x.de"}}', now(), 'ValueError')"""
    )
    assert forget_again(settings).addresses == 1
    assert office.holding("nur.im.rohtext") == []


def test_with_nobody_forgotten_there_is_nothing_to_do(office: Office, settings: Settings) -> None:
    before = office.contents()
    assert forget_again(settings).addresses == 0
    assert office.contents() == before


def test_the_list_names_nobody_and_only_grows(office: Office, settings: Settings) -> None:
    forget(settings, [MAX])
    assert "muster" not in kept(settings).lower()
    first = kept(settings)
    office.rows("delete from ops.forgotten")
    forget(settings, ["otto@firma.de"])
    assert kept(settings).count("digest") == 2
    assert first.split("salt")[1][:70] in kept(settings)
    with connect(office.url, application="test", autocommit=True) as connection:
        assert keep_list(settings, connection) == 2


@pytest.mark.parametrize("said", [b"", b"no JSON", b"[]", b'{"forgotten": [{"salt": 5}]}', b'{"forgotten": [{}]}'])
def test_a_list_that_cannot_be_read_stops_everything(office: Office, settings: Settings, said: bytes) -> None:
    put(settings, KEY, said)
    before = office.contents()
    for does in (lambda: forget(settings, [MAX]), lambda: forget_again(settings), lambda: take_back(settings, [MAX])):
        with pytest.raises(PermanentError, match="cannot be read"):
            does()
    after = office.contents()
    assert {table for table in before if before[table] != after[table]} <= {"ops.forgotten"}
    assert stored(settings, KEY) == said.decode(), "nobody writes over it"


def run(environment: dict[str, str], *arguments: str) -> Result:
    kept = {**{name: None for name in os.environ if name.startswith("IBHELM_")}, **environment}
    return CliRunner(env=kept).invoke(main, ["forget", *arguments])


def test_the_command_wants_an_address_or_again(environment: dict[str, str]) -> None:
    for wrong in ([], ["--again", "--address", MAX]):
        assert run(environment, *wrong).exit_code == 2


def test_a_mistaken_note_can_be_taken_back(office: Office, settings: Settings, environment: dict[str, str]) -> None:
    forget(settings, ["lena.irrtum@buero.de", MAX])
    taken = run(environment, "--address", "Lena.Irrtum@buero.de", "--take-back")
    assert (taken.exit_code, "1 of 1 addresses were noted" in taken.output) == (0, True), taken.output
    with connect(office.url, application="test", autocommit=True) as connection:
        who = Forgotten.load(connection)
        assert who.entry_of("lena.irrtum@buero.de") is None
        assert who.entry_of(MAX) is not None
    assert kept(settings).count("digest") == 1
    assert take_back(settings, ["lena.irrtum@buero.de"]) == 0
    assert forget_again(settings).taken_over == 0


def test_no_manifest_names_what_went(office: Office, settings: Settings) -> None:
    write_manifests(settings, now=NOW)
    named = manifests(settings)
    assert PLACED["a-own"] in named
    assert PLACED["a-moved"] in named, "where it lay before somebody moved it"
    forget(settings, [MAX])
    left = manifests(settings)
    assert PLACED["a-own"] not in left
    assert PLACED["a-moved"] not in left
    for stays in (MOVED_TO, f"{PROJECT}/Akte/anderes.txt", PLACED["a-edited"]):
        assert stays in left
    assert office.rows("select * from ops.paths_to_forget") == []
    write_manifests(settings, now=NOW + dt.timedelta(days=1))
    assert PLACED["a-own"] not in manifests(settings)


def manifests(settings: Settings) -> str:
    with ObjectStore(settings) as store:
        keys = list(store.list_keys("manifests/"))
    return "\n".join(stored(settings, key) for key in keys)


def test_who_read_something_is_no_longer_named(office: Office, settings: Settings) -> None:
    for who in (MAX, MAX.upper(), f"{MAX} (4711)", "otto@firma.de", f"x{MAX}", None):
        office.rows(
            "insert into ops.access_log (id, at, way, who, action, items, outcome, status)"
            " values (gen_random_uuid(), now(), 'page', %s, 'read', '{file:1}', 'allowed', 200)",
            who,
        )
    assert plan(settings, [MAX]).removed["accesses"] == 3
    assert forget(settings, [MAX]).removed["accesses"] == 3
    names = {who for (who,) in office.rows("select who from ops.access_log")}
    assert names == {None, "otto@firma.de", f"x{MAX}"}
    assert office.one("select count(*)::int from ops.access_log where items = '{file:1}'") == 6


def test_what_problems_events_and_alerts_say_of_a_file_goes_with_it(office: Office, settings: Settings) -> None:
    path = PLACED["a-own"]
    office.rows("insert into ops.alerts (key, severity, title, body) values ('a', 'error', 't', %s)", f"bad: {path}!")
    office.rows("insert into ops.alerts (key, severity, title, body) values ('b', 'error', 't', 'another path')")
    office.rows("insert into ops.inbox (source, kind, key, label) values ('content', 'hash', 'f', %s)", path)
    forget(settings, [MAX])
    assert office.rows("select key from ops.alerts") == [("b",)]
    assert office.rows("select label from ops.inbox where key = 'f'") == [("vergessen",)]


def test_saved_searches_and_folders_that_may_name_the_person_are_told(office: Office, settings: Settings) -> None:
    office.rows(
        "insert into search.saved_searches (name, query) values ('Max', %s), ('x', '50%%_')", f"von:{MAX.upper()}"
    )
    path = f"{PROJECT}/IBH-INBOX/20260105-Lena-Angebot WORT-m1/x.txt"
    office.rows(
        "update email_attachments set inbox_path = convert_from(%s, 'UTF8'), raw_inbox_path = %s,"
        " missive_comment_id = 'k1', missive_email_id = null,"
        " comment_id = (select id from email_comments where missive_id = 'k1'), email_id = null"
        " where missive_id = 'm3-a-shared'",
        *[path.encode()] * 2,
    )
    planned = plan(settings, [MAX])
    assert planned.stays["saved_searches"] == 1
    assert dict(planned.files)[path].startswith("its folder may")
    assert plan(settings, ["otto_x@firma.de"]).stays["saved_searches"] == 0


def test_it_says_until_when_backups_hold_the_person(
    office: Office, settings: Settings, environment: dict[str, str]
) -> None:
    assert plan(settings, [MAX]).backups.count == 0
    back_up(settings, now=NOW)
    found = plan(settings, [MAX]).backups
    assert (found.count, found.for_ever) == (1, ())
    assert found.until is not None
    assert dt.timedelta(days=300) < found.until - NOW < dt.timedelta(days=500)
    with ObjectStore(settings) as store:
        [manifest] = [key for key in store.list_keys("backups/") if key.endswith(".json")]
    put(settings, manifest, b"damaged")
    shown = run(environment, "--address", MAX, "--dry-run")
    assert shown.exit_code == 0, shown.output
    said = " ".join(shown.output.split())
    assert "1 backups of the databases that were made before." in said
    assert "until somebody deletes it" in said
    assert MAX_NAME in INBOX
