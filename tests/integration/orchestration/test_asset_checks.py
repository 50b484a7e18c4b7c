"""Each asset check turns red for its own trouble, and says what, how much and what to do."""

from __future__ import annotations

from dataclasses import dataclass

import dagster as dg
import psycopg
import pytest
from nas_tree import Nas

from assets.backup import database_backup
from assets.checks import CHECKS
from assets.content import extracted_text, thumbnails
from assets.drill import restore_drill
from assets.embeddings import embeddings
from assets.manifests import folder_manifests
from assets.mirror import mirror_verification
from assets.missive import MISSIVE, email_attachments, missive_directory, missive_months
from assets.nas import NAS_SHARE, nas_files
from assets.objects import stored_originals
from assets.register import activity, item_links, people, projects
from assets.retention import retention
from assets.search import search_documents
from assets.teamwork import TEAMWORK, teamwork_directory, teamwork_tasks
from ibhelm_pipelines.db.checks import QUESTIONS
from ibhelm_pipelines.db.question import ask
from ibhelm_pipelines.nas.scan import scan
from ibhelm_pipelines.settings import Settings
from resources.platform import Platform

FOLDER = "projekte/A"

ALL = [
    *(NAS_SHARE, nas_files, stored_originals, thumbnails, extracted_text),
    *(TEAMWORK, teamwork_directory, teamwork_tasks),
    *(MISSIVE, missive_directory, missive_months, email_attachments),
    *(projects, item_links, people, activity),
    *(search_documents, embeddings),
    *(folder_manifests, mirror_verification, retention, database_backup, restore_drill),
]
CURSOR = "insert into ops.sync_cursors (source, resource, synced_at, full_synced_at, refused_deletions) values"
CONVERSATION = (
    "with c as (insert into conversations (missive_id, subject, messages_count) values ('k', 'Angebot Heizung', 3)"
    " returning id)"
)
MAIL = f"{CONVERSATION}, e as (insert into emails (missive_id, conversation_id) select 'm', id from c returning id)"
ATTACHMENT = (
    f"{CONVERSATION.replace('3)', '1)')}, e as (insert into emails (missive_id, subject, conversation_id)"
    " select 'm', 'Pläne', id from c returning id), a as (insert into email_attachments"
    " (missive_id, name, missive_email_id, email_id) select 'a', 'Plan.pdf', 'm', id from e returning id)"
)


@dataclass
class Trouble:
    """What is done to the tables, and what the check has to say about it."""

    check: str
    made_by: str
    sentence: str
    next_step: str


MODEL = "select search.want_model('light', '1/1', 8); "
DOCUMENT = (
    "insert into search.documents (kind, item_id, title, names, words, text_key, occurred_at, digest, indexed_at)"
    " select 'file', id, 'Heizung', '', '', md5('a')::uuid, now(), gen_random_uuid(), now() - interval '25 hours'"
    " from files where name = 'brief 7.txt'; "
)

BACKUP = "insert into ops.backups (database, key, state, started_at, finished_at, size_bytes, sha256, encrypted, error)"
DRILL = "insert into ops.restore_drills (state, started_at, problems) values"

TROUBLES = [
    Trouble(
        "backup_too_old",
        f"{BACKUP} values ('ibhelm', 'a', 'ok', '2026-03-01T04:15Z', now(), 1, 'x', true, null),"
        " ('ibhelm', 'b', 'ok', now() + interval '10 years', now(), 1, 'x', true, null);"
        f" {DRILL} ('ok', now(), '{{}}')",
        "The newest backup of the database is from 01.03.2026 05:15.",
        "run `ibhelm backup` now",
    ),
    Trouble(
        "backup_failed",
        f"{BACKUP} values ('dagster', 'a', 'ok', now() - interval '1 day', now(), 1, 'x', true, null),"
        " ('dagster', 'b', 'failed', now(), now(), null, null, true, 'pg_dump was killed.')",
        "The backup of the database dagster failed at ",
        "`ibhelm backup`",
    ),
    Trouble(
        "restore_drill_failed",
        f"{DRILL} ('ok', now() - interval '1 day', '{{}}'),"
        " ('failed', now(), '{The table public.files is missing., It is late.}')",
        "failed: The table public.files is missing. It is late.",
        "Run `ibhelm backup`",
    ),
    Trouble(
        "restore_drill_too_old",
        f"{DRILL} ('ok', '2026-03-01T05:00Z', '{{}}')",
        "No backup was restored on trial since 01.03.2026 06:00",
        "the last runs of `drill`",
    ),
    Trouble(
        "restore_drill_without_key",
        f"{DRILL} ('hash_only', now(), '{{}}')",
        "had no key: only the hash of the encrypted backup was compared.",
        "IBHELM_BACKUP_IDENTITY_FILE",
    ),
    *(
        Trouble(
            f"{step}_outdated",
            f"insert into ops.tool_versions (step, family, tool_version) values ('{step}', 'text', '2')",
            f"22 contents have a {what} of an older tool only, most of them of the family text: 22.",
            "The next scan makes them anew",
        )
        for step, what in (("thumbnail", "preview"), ("text", "text"))
    ),
    Trouble(
        "texts_without_vectors",
        MODEL + DOCUMENT,
        "1 texts can be found by their words only, some for more than a day. Model light: 0 of 1 texts, 1 left, none in"
        " the last hour.",
        "the last runs of the job `embed`",
    ),
    Trouble(
        "embedding_model_not_serving",
        MODEL + "insert into search.embedding_status (wanted) values ('big')",
        "IBHELM_EMBEDDING_MODEL is big, and light still answers. big: none of its texts is done.",
        "set IBHELM_EMBEDDING_MODEL back",
    ),
    Trouble(
        "embedding_problem",
        "insert into search.embedding_status (wanted, problem) values ('big', 'It is not there. Bring it.')",
        "Texts get no vectors: It is not there. Bring it.",
        "found by its words only",
    ),
    Trouble(
        "texts_not_embedded",
        MODEL + DOCUMENT + "insert into search.embedded_texts (model_id, text_key, state, reason)"
        " select id, md5('a')::uuid, 'failed', 'ValueError: no' from search.models",
        "The model cannot read 1 texts, such as Heizung: ValueError: no",
        "once a day",
    ),
    Trouble(
        "vectors_incomplete",
        MODEL + DOCUMENT + "insert into search.embedded_texts (model_id, text_key, state, chunks)"
        " select id, md5('a')::uuid, 'ok', 3 from search.models",
        "3 vectors of model light should be there, and 0 are.",
        "search.embedded_texts",
    ),
    Trouble(
        "documents_missing",
        "update files set last_seen_at = now() - interval '61 minutes' where name = 'brief 7.txt'",
        "1 things that came more than an hour ago cannot be found, such as the file projekte/A/brief 7.txt.",
        "`search`",
    ),
    Trouble(
        "documents_of_deleted",
        "insert into search.documents (kind, item_id, title, names, words, occurred_at, digest)"
        " values ('task', 4711, 'Heizung', '', '', now(), gen_random_uuid())",
        "1 documents of things that are gone can still be found, such as Heizung (task).",
        "The next run of `search` removes them.",
    ),
    Trouble(
        "documents_overdue",
        "insert into ops.search_runs (started_at, finished_at) values ('2026-03-01 07:00+00', '2026-03-01 08:00+00')",
        "What can be found was last brought in line 01.03.2026 09:00:",
        "`search`",
    ),
    Trouble(
        "documents_failed",
        "insert into ops.failed_documents (kind, item_id, digest, error)"
        " select 'file', id, gen_random_uuid(), 'ValueError' from files where name = 'brief 7.txt'",
        "Of 1 things no document could be made, such as file number ",
        "tried again when they change",
    ),
    Trouble(
        "teamwork_stale",
        f"{CURSOR} ('teamwork', 'tasks', now() - interval '31 minutes', now(), 0)",
        "1 lists of Teamwork were not read to their end for half an hour, such as tasks, last at ",
        "`ibhelm sync teamwork`",
    ),
    Trouble(
        "teamwork_not_reconciled",
        f"{CURSOR} ('teamwork', 'tags', now(), now() - interval '49 hours', 0)",
        "1 lists of Teamwork were not read in full for two days, such as tags: what vanished there is still shown.",
        "`ibhelm sync teamwork --full`",
    ),
    Trouble(
        "teamwork_deletions_refused",
        f"{CURSOR} ('teamwork', 'tasks', now(), now(), 600)",
        "600 of tasks vanished from Teamwork at once, too many to be believed; none of them was marked deleted.",
        "`ibhelm sync teamwork --full --confirm-deletions`",
    ),
    Trouble(
        "teamwork_rows_not_understood",
        "insert into ops.raw_records (source, kind, vendor_id, body, read_at, error)"
        " values ('teamwork', 'tasks', '4711', '{}', now(), 'KeyError: name')",
        "1 things of Teamwork could not be understood, such as 4711 of tasks: KeyError: name",
        "ops.raw_records",
    ),
    Trouble(
        "missive_stale",
        f"{CURSOR} ('missive', 'conversations all', now() - interval '31 minutes', now(), 0)",
        "1 lists of Missive were not read to their end for half an hour, such as conversations all, last at ",
        "`ibhelm sync missive`",
    ),
    Trouble(
        "missive_not_reconciled",
        f"{CURSOR} ('missive', 'contents', now(), now() - interval '49 hours', 0)",
        "1 lists of Missive were not read in full for two days, such as contents: what vanished there is still shown.",
        "`ibhelm sync missive --full`",
    ),
    Trouble(
        "missive_deletions_refused",
        f"{CURSOR} ('missive', 'conversations all', now(), now(), 600)",
        "600 of conversations all vanished from Missive at once, too many to be believed; none of them was marked",
        "`ibhelm sync missive --full --confirm-deletions`",
    ),
    Trouble(
        "missive_rows_not_understood",
        "insert into ops.raw_records (source, kind, vendor_id, body, read_at, error)"
        " values ('missive', 'emails', '4711', '{}', now(), 'KeyError: id')",
        "1 things of Missive could not be understood, such as 4711 of emails: KeyError: id",
        "ops.raw_records",
    ),
    Trouble(
        "missive_messages_missing",
        f"{MAIL} insert into ops.forgotten_messages select 'v', 'k' from e",
        "Of 1 conversations not as many messages are stored as Missive counts, 1 in all; such as Angebot Heizung:"
        " 1 of 3.",
        "`ibhelm sync missive --full`",
    ),
    Trouble(
        "missive_conversations_not_read",
        "insert into ops.conversation_reads (missive_id, due_at, attempts, error)"
        " values ('k', now() - interval '121 minutes', 5, 'Missive answers 500.')",
        "1 conversations cannot be read, such as k: Missive answers 500.",
        "It is tried again and again",
    ),
    Trouble(
        "missive_webhooks_silent",
        "with made as (insert into ops.vendor_webhooks (vendor, url, event, webhook_id, looked_at) values"
        " ('missive', 'https://hooks.example.com', 'new_comment@o', 'h', now() - interval '3 hours'))"
        " insert into email_comments (missive_id, missive_conversation_id, created_at)"
        " select n, n, now() - interval '2 hours' from generate_series(1, 5) n",
        "5 conversations had something new in the last day of which Missive's rules of the kind new_comment",
        "https://hooks.example.com",
    ),
    Trouble(
        "forgetting_unfinished",
        "insert into ops.forgotten (salt, digest, noted_at)"
        " values (sha256('x'), sha256('y'), '2026-03-01 08:00+00'), (sha256('z'), sha256('y'), now())",
        "something is left since 2026-03-01 08:00:00+00:00: what is stored of an address, 1 in all.",
        "`ibhelm forget` for the same address",
    ),
    Trouble(
        "attachments_not_saved",
        f"{ATTACHMENT} insert into ops.attachment_attempts (attachment_id, reason, permanent)"
        " select id, 'It is empty.', true from a",
        "1 attachments could not be put on the NAS, such as Plan.pdf of Pläne: It is empty.",
        "`reason`",
    ),
    Trouble(
        "attachments_not_found",
        f"{ATTACHMENT} insert into ops.attachment_files (attachment_id, raw_path, hash, size_bytes, placed_at)"
        " select id, 'x', repeat('a', 64), 1, now() - interval '61 minutes' from a",
        "1 attachments were put on the NAS more than an hour ago, and no scan has found them, such as Plan.pdf.",
        "`ibhelm scan`",
    ),
    Trouble(
        "manifests_behind",
        "insert into ops.manifest_writes (started_at, finished_at, error)"
        " values ('2026-03-01 07:00+00', '2026-03-01 07:01+00', null), (now(), now(), 'S3 is away.')",
        "were last written 01.03.2026 08:00: S3 is away.",
        "`write_manifests`",
    ),
    Trouble(
        "objects_missing",
        "insert into ops.object_problems (key, content_hash, object_kind, kind, found_at, how)"
        " select 'originals/' || content_hash, content_hash, 'original', 'missing', now(), 'no file holds them'"
        " from files where name = 'brief 7.txt'",
        "1 objects in S3 are missing or cut off and could not be put back, such as of projekte/A/brief 7.txt: no file",
        "`ibhelm verify`",
    ),
    Trouble(
        "objects_rotten",
        "insert into ops.object_problems (key, content_hash, object_kind, kind, found_at, how)"
        " select 'originals/' || content_hash, content_hash, 'original', 'rotten', now(), 'no file holds them'"
        " from files where name = 'brief 7.txt'",
        "1 objects in S3 hold wrong bytes and could not be put right, such as of projekte/A/brief 7.txt: no file",
        "`ibhelm verify`",
    ),
    Trouble(
        "verification_refused",
        "insert into ops.verifications (started_at, finished_at, everything, rebuild, refused)"
        " values (now(), '2026-03-01 05:20+00', false, false, '9 objects are missing at once.')",
        "The verification of 2026-03-01 05:20:00+00:00 concluded nothing: 9 objects are missing at once.",
        "`ibhelm verify --rebuild BUCKET`",
    ),
    Trouble(
        "verification_behind",
        "with looked as (insert into ops.verifications (started_at, finished_at, everything, rebuild)"
        " values (now(), now(), false, false)) update ops.stored_objects set stored_at = now() - interval '34 days'"
        " where content_hash in (select content_hash from files where name like 'brief 1_.txt')",
        "10 objects in S3 were not verified in time: the last reading of the oldest is more than 33 days ago.",
        "`mirror_verification`",
    ),
    Trouble(
        "verification_behind",
        "update ops.stored_objects set stored_at = now() - interval '49 hours'",
        "22 objects in S3 were not verified in time: the bucket was never looked at.",
        "`ibhelm verify`",
    ),
    Trouble(
        "retention_refused",
        "insert into ops.purges (started_at, finished_at, retention_days, confirmed, refused)"
        " values (now(), '2026-03-01 04:30+00', 3650, false, '600 of 900 files are past their retention at once.')",
        "The retention of 2026-03-01 04:30:00+00:00 purged nothing: 600 of 900 files are past",
        "`ibhelm retention --confirm`",
    ),
    Trouble(
        "objects_not_deleted",
        "insert into ops.objects_to_delete (key, content_hash, noted_at)"
        " values ('originals/x', 'x', now() - interval '3 days')",
        "1 objects in S3 should be deleted since",
        "`retention`",
    ),
    Trouble(
        "unreadable_paths",
        "insert into ops.path_problems (raw_path_digest, raw_path, path, folder, kind, reason)"
        " select sha256(raw_path), raw_path, path, folder, 'unreadable_file', 'permission denied' from files"
        " where name = 'brief 7.txt'",
        "1 files or folders cannot be read, such as projekte/A/brief 7.txt: permission denied.",
        "Give the scanner's user the right",
    ),
    Trouble(
        "mass_deletion_refused",
        "insert into ops.refused_deletions select s.id, f.id from ops.scans s, files f where f.name <> 'brief 0.txt'",
        "More files vanished than may at once, from 1 folders (21 from projekte/A); none was marked deleted.",
        "`ibhelm scan --confirm-deletions 1`",
    ),
    Trouble(
        "bit_rot_open",
        "insert into ops.bit_rot (file_id, path, expected_hash, found_hash)"
        " select id, path, content_hash, repeat('0', 64) from files where name = 'brief 7.txt'",
        "1 files changed their bytes behind the back of the file system, such as projekte/A/brief 7.txt.",
        "Check the disks of the NAS",
    ),
    Trouble(
        "folders_not_scanned",
        f"update ops.folders set last_complete_scan_at = now() - interval '49 hours' where folder = '{FOLDER}'",
        "1 folders had no complete scan for two days, such as projekte/A.",
        "`ibhelm doctor`",
    ),
    Trouble(
        "contents_not_stored",
        "delete from ops.stored_objects"
        " where content_hash in (select content_hash from files where name = 'brief 7.txt')",
        "1 contents are not stored yet, such as that of projekte/A/brief 7.txt.",
        "The next scan tries again.",
    ),
    Trouble(
        "text_failure_rate",
        "update ops.step_results set state = 'failed', permanent = true, reason = 'the text tool crashed'"
        " where step = 'text' and content_hash in (select content_hash from files where name like 'brief 1_.txt')",
        "45.5 % of text fail to give text; families above 5 %: 1.",
        "Read the usual reason",
    ),
    Trouble(
        "live_queue_lag",
        "insert into ops.inbox (source, kind, key, label, first_event_at, error)"
        " values ('nas', 'path', 'a', 'projekte/A/neu.txt', now() - interval '6 minutes', 'The share is away.')",
        "1 changes wait for up to 6 minutes, such as projekte/A/neu.txt (The share is away.).",
        "`ibhelm status`",
    ),
    Trouble(
        "poisoned_events",
        "insert into ops.inbox (source, kind, key, label, first_event_at, attempts, error, poisoned_at)"
        " values ('nas', 'path', 'a', 'projekte/A/neu.txt', now() - interval '1 day', 5, 'Permission denied.', now())",
        "1 changes were given up after 5 tries, such as projekte/A/neu.txt: Permission denied.",
        "`ibhelm scan`",
    ),
    Trouble(
        "silent_processes",
        "insert into ops.heartbeats (process, kind, host, pid, beat_at)"
        " values ('worker/nas1/7', 'worker', 'nas1', 7, now() - interval '121 seconds')",
        "1 processes gave no sign of life for two minutes: worker/nas1/7 on nas1, last at",
        "`ibhelm up`",
    ),
    Trouble(
        "watcher_problem",
        "insert into ops.heartbeats (process, kind, host, pid, state)"
        """ values ('watcher/nas1/7', 'watcher', 'nas1', 7, '{"problem": "The share is not mounted."}')""",
        "1 processes say that something is wrong: watcher/nas1/7: The share is not mounted.",
        "quick scans",
    ),
]

FINE = [
    # (what is done to the tables, and which question must not take it for trouble)
    ("documents_overdue", "insert into ops.search_runs (started_at, finished_at) values (now(), now())"),
    (  # documents_failed tells of it
        "documents_missing",
        "with old as (update files set last_seen_at = now() - interval '61 minutes' where name = 'brief 7.txt'"
        " returning id) insert into ops.failed_documents (kind, item_id, digest, error)"
        " select 'file', id, gen_random_uuid(), 'ValueError' from old",
    ),
    (  # it came while a scan's contents were stored: the live lane is at it
        "contents_not_stored",
        "with it as (update contents set first_seen_at = now() from files"
        " where hash = content_hash and name = 'brief 7.txt' returning hash),"
        " untried as (delete from ops.step_results where step = 'store' and content_hash in (select hash from it))"
        " delete from ops.stored_objects where content_hash in (select hash from it)",
    ),
    ("live_queue_lag", "insert into ops.inbox (source, kind, key, label) values ('nas', 'path', 'a', 'a')"),
    (  # somebody works on it, however long it takes
        "live_queue_lag",
        "insert into ops.inbox (source, kind, key, label, first_event_at, lease_owner, lease_until, lease_events)"
        " values ('nas', 'share', 'a', 'a', now() - interval '3 hours', 'worker/1', now() + interval '1 minute', 1)",
    ),
    (  # nobody handles these yet
        "live_queue_lag",
        "insert into ops.inbox (source, kind, key, label, first_event_at)"
        " values ('teamwork', 'task', 'a', 'a', now() - interval '3 days')",
    ),
    (  # a scan of the whole share that began later has looked at it
        "poisoned_events",
        "with later as (insert into ops.scans (deep, state) values (false, 'incomplete') returning 1)"
        " insert into ops.inbox (source, kind, key, label, error, poisoned_at)"
        " select 'nas', 'path', 'a', 'a', 'Permission denied.', now() - interval '1 hour' from later",
    ),
    (
        "silent_processes",
        "insert into ops.heartbeats (process, kind, host, pid, beat_at, stopped_at)"
        " values ('worker/nas1/7', 'worker', 'nas1', 7, now() - interval '1 day', now() - interval '1 day')",
    ),
    (  # two that somebody wanted to be forgotten, and one that is stored
        "missive_messages_missing",
        f"{MAIL} insert into ops.forgotten_messages select gone, 'k' from e, (values ('v'), ('w')) as them (gone)",
    ),
    (  # it has changed in this very minute, and somebody is reading it
        "missive_messages_missing",
        f"{MAIL} insert into ops.conversation_reads (missive_id, due_at) select 'k', now() from e",
    ),
    (  # it was deleted in Missive
        "missive_messages_missing",
        "insert into conversations (missive_id, messages_count, deleted_at) values ('k', 3, now())",
    ),
    (  # it fails, but not for long
        "missive_conversations_not_read",
        "insert into ops.conversation_reads (missive_id, due_at, attempts, error)"
        " values ('k', now() - interval '119 minutes', 7, 'Missive answers 500.')",
    ),
    (  # it is tried again
        "attachments_not_saved",
        f"{ATTACHMENT} insert into ops.attachment_attempts (attachment_id, reason, attempts, next_try_at)"
        " select id, 'The host does not answer.', 5, now() from a",
    ),
    (
        "watcher_problem",
        "insert into ops.heartbeats (process, kind, host, pid, state) values ('watcher/nas1/7', 'watcher', 'nas1', 7,"
        """ '{"problem": null}')""",
    ),
]

NO_SETTLING_SCAN = [
    (
        "its folders were chosen",
        "insert into ops.scans (deep, state, folders) values (false, 'complete', '{projekte/A}')",
    ),
    ("it looked at a few paths", "insert into ops.scans (deep, state, paths) values (false, 'complete', 3)"),
    ("it failed", "insert into ops.scans (deep, state) values (false, 'failed')"),
    (
        "it began before",
        "insert into ops.scans (deep, state, started_at) values (false, 'complete', now() - interval '2 hours')",
    ),
]


UNREADABLE = next(trouble for trouble in TROUBLES if trouble.check == "unreadable_paths")


@pytest.fixture
def office(nas: Nas, settings: Settings) -> Nas:
    """Twenty-two files, scanned, stored and read; nothing is wrong."""
    for number in range(22):
        nas.write(f"{FOLDER}/brief {number}.txt", f"Sehr geehrte Damen und Herren, Nummer {number}")
    scan(settings)
    nas.rows(
        "with stored as (insert into ops.stored_objects"
        " select hash, 'original', hash, hash, size_bytes, 'text/plain' from contents), "
        "named as (update contents set family = 'text')"
        " insert into ops.step_results (content_hash, step, tool_version, state, took_ms)"
        " select hash, step, '1', 'ok', 1 from contents, unnest('{store, thumbnail, text}'::text[]) as step returning 1"
    )
    return nas


def _evaluations(instance: dg.DagsterInstance, platform: Platform) -> dict[str, dg.AssetCheckEvaluation]:
    """Run all checks as Dagster does, and return their evaluations by name."""
    definitions = dg.Definitions(assets=ALL, asset_checks=CHECKS, resources={"platform": platform})
    keys = {dg.AssetCheckKey(dg.AssetKey(q.asset), q.name) for q in QUESTIONS}
    job = definitions.resolve_implicit_global_asset_job_def().get_subset(asset_check_selection=keys)
    return {e.check_name: e for e in job.execute_in_process(instance=instance).get_asset_check_evaluations()}


def test_dagster_shows_green_where_nothing_is_wrong_and_red_with_a_table_where_something_is(
    office: Nas, instance: dg.DagsterInstance, platform: Platform
) -> None:
    green = _evaluations(instance, platform)
    assert {name: e.passed for name, e in green.items()} == {q.name: True for q in QUESTIONS}
    assert all(e.description and e.description.endswith(".") for e in green.values())

    office.rows(f"{UNREADABLE.made_by} returning 1")
    evaluations = _evaluations(instance, platform)
    assert [name for name, e in evaluations.items() if not e.passed] == [UNREADABLE.check]
    red = evaluations[UNREADABLE.check]
    assert red.severity == dg.AssetCheckSeverity.ERROR
    assert red.description == UNREADABLE.sentence
    assert red.metadata["count"].value == 1
    table = red.metadata["rows"]
    assert isinstance(table, dg.TableMetadataValue)
    [row] = table.records
    assert row.data["path"] == "projekte/A/brief 7.txt"


def test_each_check_turns_red_for_its_own_trouble_alone(office: Nas, subtests: pytest.Subtests) -> None:
    for trouble in TROUBLES:
        with subtests.test(trouble.check), psycopg.connect(office.url) as connection:
            connection.execute(trouble.made_by)  # type: ignore[arg-type]
            answers = [ask(connection, question) for question in QUESTIONS]
            connection.rollback()

            assert [a.question.name for a in answers if not a.passed] == [trouble.check]
            [red] = [a for a in answers if not a.passed]
            assert trouble.sentence in red.problem
            assert trouble.next_step in red.next_step


def test_a_folder_that_left_the_disk_is_not_called_unscanned(office: Nas) -> None:
    [question] = [q for q in QUESTIONS if q.name == "folders_not_scanned"]
    with psycopg.connect(office.url) as connection:
        connection.execute("update ops.folders set present = false, last_complete_scan_at = now() - interval '9 days'")
        assert ask(connection, question).passed


def test_what_is_as_it_should_be_is_no_trouble(office: Nas, subtests: pytest.Subtests) -> None:
    for name, made_by in FINE:
        [question] = [q for q in QUESTIONS if q.name == name]
        with subtests.test(name), psycopg.connect(office.url) as connection:
            connection.execute(made_by)  # type: ignore[arg-type]
            assert ask(connection, question).passed
            connection.rollback()


def test_what_was_given_up_stays_so_when_no_later_scan_looked_at_everything(
    office: Nas, subtests: pytest.Subtests
) -> None:
    [question] = [q for q in QUESTIONS if q.name == "poisoned_events"]
    for name, made_by in NO_SETTLING_SCAN:
        with subtests.test(name), psycopg.connect(office.url) as connection:
            connection.execute("delete from ops.refused_deletions; update ops.folders set last_scan_id = null")
            connection.execute("update ops.scans set started_at = now() - interval '2 hours'")
            connection.execute(
                "insert into ops.inbox (source, kind, key, label, error, poisoned_at)"
                " values ('nas', 'path', 'a', 'a', 'Permission denied.', now() - interval '1 hour')"
            )
            connection.execute(made_by)  # type: ignore[arg-type]
            assert ask(connection, question).count == 1
            connection.rollback()


def test_a_file_that_is_being_saved_and_a_content_that_is_being_stored_are_trouble_only_later(office: Nas) -> None:
    moments = {
        "unreadable_paths": (
            UNREADABLE.made_by,
            "update ops.path_problems set first_seen_at = now() - interval '16 minutes'",
        ),
        "contents_not_stored": (
            "delete from ops.stored_objects; delete from ops.step_results where step = 'store'",
            "update contents set first_seen_at = now() - interval '25 hours'",
        ),
    }
    for name, (made_by, later) in moments.items():
        [question] = [q for q in QUESTIONS if q.name == name]
        with psycopg.connect(office.url) as connection:
            connection.execute(made_by)  # type: ignore[arg-type]
            assert not ask(connection, question).passed
            assert ask(connection, question.at_any_moment()).passed
            connection.execute(later)  # type: ignore[arg-type]
            assert not ask(connection, question.at_any_moment()).passed
            connection.rollback()
