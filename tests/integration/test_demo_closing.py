"""The closing tables of the demo: what is there, and what is not and why, as the tables say it."""

from __future__ import annotations

import io
from typing import TYPE_CHECKING

import psycopg
import pytest
from pydantic import SecretStr
from rich.console import Console

from ibhelm_pipelines.demo.closing import print_closing

if TYPE_CHECKING:
    from ibhelm_pipelines.settings import Settings

GOOD, BAD, GONE = "a" * 64, "b" * 64, "c" * 64

FILL = f"""
insert into ops.folders (folder) values ('projekte/2301-Kita');
insert into contents (hash, size_bytes) values ('{GOOD}', 3000000), ('{BAD}', 2000000), ('{GONE}', 9000000);
insert into content_texts values ('{GOOD}', 'Angebot');
insert into ops.stored_objects (key, kind, content_hash, sha256, size_bytes, media_type) values
    ('thumbnails/x.webp', 'thumbnail', '{GOOD}', '{GOOD}', 1, 'image/webp'),
    ('originals/a', 'original', '{GOOD}', '{GOOD}', 1, 'application/pdf'),
    ('originals/b', 'original', '{BAD}', '{BAD}', 1, 'application/pdf');
insert into ops.step_results (content_hash, step, tool_version, state, reason, permanent, took_ms, finished_at) values
    ('{GOOD}', 'thumbnail', 'old', 'failed', 'Mended since', true, 1, now() - interval '1 day'),
    ('{GOOD}', 'thumbnail', 'new', 'ok', null, false, 1, now()),
    ('{BAD}', 'thumbnail', 'new', 'failed', 'The PDF is damaged', true, 1, now()),
    ('{GONE}', 'thumbnail', 'new', 'failed', 'Of a deleted file', true, 1, now());
insert into ops.path_problems (raw_path_digest, raw_path, path, folder, kind, reason)
    values ('x', 'zu.pdf', 'zu.pdf', 'projekte/2301-Kita', 'unreadable_file', 'Permission denied');
"""
FILE = """
insert into files (path, raw_path, name, extension, folder, size_bytes, modified_at, content_hash, first_seen_at,
                   last_seen_at, nas_url, deleted_at)
values (%(name)s::text, convert_to(%(name)s, 'UTF8'), %(name)s::text, 'pdf', 'projekte/2301-Kita', 1, now(), %(hash)s,
        now(), now(), '', %(deleted)s)
"""
PREVIEW = """
update files set thumbnail = '[{"url": "http://127.0.0.1:8020/thumbnails/x"}]' where name in ('kaputt.pdf', 'weg.pdf')
"""


@pytest.fixture
def printed(settings: Settings) -> str:
    """What is printed of two live files with one content, one with another, and a deleted one with a third."""
    with psycopg.connect(settings.require_database_url()) as connection:
        connection.execute(FILL)
        for name, content, deleted in (
            ("gut.pdf", GOOD, None), ("kopie.pdf", GOOD, None), ("kaputt.pdf", BAD, None), ("weg.pdf", GONE, "now"),
        ):  # fmt: skip
            connection.execute(FILE, {"name": name, "hash": content, "deleted": deleted})
        connection.execute(PREVIEW)
    console = Console(file=io.StringIO(), width=200)
    print_closing(console, settings, {}, {})
    return console.file.getvalue()


def _row(printed: str, *cells: str) -> bool:
    rows = [[cell.strip() for cell in line.split("│")[1:-1]] for line in printed.splitlines()]
    return list(cells) in rows


def test_live_files_are_counted_and_each_content_once(printed: str):
    # files, folders, contents, megabytes, originals, previews, texts
    assert _row(printed, "3", "1", "2", "5", "2", "1", "1")


def test_what_failed_is_named_with_its_reason_and_a_file(printed: str):
    assert _row(printed, "preview", "failed", "1", "The PDF is damaged (such as kaputt.pdf)")
    assert _row(printed, "reading", "failed", "1", "Permission denied (such as zu.pdf)")


def test_former_failures_and_deleted_files_are_not_shown(printed: str):
    assert "Mended since" not in printed
    assert "Of a deleted file" not in printed


def test_the_last_lines_lead_to_the_services(printed: str, settings: Settings):
    assert f". {settings.state_dir}/env && " in printed
    assert "of kaputt.pdf: http://127.0.0.1:8020/thumbnails/x" in printed


TEAMWORK = """
insert into projects (id, teamwork_id, name, deleted_at) overriding system value
    values (1, 11, '2301 Kita', null), (2, 12, '2302 Schule', now());
insert into tasks (teamwork_id, name, project_id, deleted_at)
    values (21, 'Plan', 1, null), (22, 'Weg', 1, now()), (23, 'Mit dem Projekt weg', 2, null);
"""


@pytest.fixture
def connected(settings: Settings) -> Settings:
    with psycopg.connect(settings.require_database_url()) as connection:
        connection.execute(TEAMWORK)
    return settings.model_copy(update={"teamwork_token": SecretStr("planted")})


def _closing(settings: Settings, truth: dict[str, set[int]]) -> tuple[bool, str]:
    console = Console(file=io.StringIO(), width=200)
    return print_closing(console, settings, truth, {}), console.file.getvalue()


def test_teamwork_and_the_tables_agree_where_both_show_the_same(connected: Settings):
    agrees, printed = _closing(connected, {"projects": {11}, "tasks": {21}})
    assert agrees
    assert _row(printed, "in Teamwork", "1", "1")
    assert _row(printed, "in the tables", "1", "1")


@pytest.mark.parametrize("tasks", [set(), {21, 22}, {23}])
def test_a_lost_an_invented_or_another_row_is_a_difference_though_the_counts_may_agree(
    connected: Settings, tasks: set[int]
):
    agrees, printed = _closing(connected, {"projects": {11}, "tasks": tasks})
    assert not agrees
    assert "The two differ in tasks" in printed


def test_of_a_real_teamwork_only_the_tables_are_counted(connected: Settings):
    agrees, printed = _closing(connected, {})
    assert agrees
    assert _row(printed, "in the tables", "1", "1")
    assert "in Teamwork" not in printed


def test_without_teamwork_nothing_is_said_of_it(printed: str):
    assert "Teamwork" not in printed


MISSIVE = """
insert into conversations (missive_id, deleted_at) values ('c', null), ('gone', now());
insert into emails (missive_id, deleted_at) values ('m', null), ('gone', now());
insert into email_comments (missive_id) values ('k');
insert into contents (hash, size_bytes) values (repeat('d', 64), 5);
insert into email_attachments
    (missive_id, name, missive_email_id, inbox_path, raw_inbox_path, content_hash, skip_reason)
values ('a', 'Plan.pdf', 'm', 'projekte/A/IBH-INBOX/x/Plan.pdf', 'x', repeat('d', 64), null),
       ('b', 'Brief.pdf', 'm', 'IBH-INBOX/2026/y/Brief.pdf', 'y', repeat('d', 64), null),
       ('c', 'Plan.pdf', 'm', null, null, repeat('d', 64), null),
       ('d', 'logo.png', 'm', null, null, null, 'Logo im Text'),
       ('e', 'neu.pdf', 'm', null, null, null, null);
"""
SHOWN = {"conversations": {"c"}, "messages": {"m"}, "comments": {"k"}, "attachments": set("abcde")}


@pytest.fixture
def with_missive(settings: Settings) -> Settings:
    with psycopg.connect(settings.require_database_url()) as connection:
        connection.execute(MISSIVE)
    return settings.model_copy(update={"missive_token": SecretStr("planted")})


def _closing_of_missive(settings: Settings, truth: dict[str, set[str]]) -> tuple[bool, str]:
    console = Console(file=io.StringIO(), width=200)
    return print_closing(console, settings, {}, truth), console.file.getvalue()


def test_missive_and_the_tables_agree_and_it_is_said_where_attachments_are(with_missive: Settings):
    agrees, printed = _closing_of_missive(with_missive, SHOWN)
    assert agrees
    assert _row(printed, "in Missive", "1", "1", "1", "5")
    assert _row(printed, "in the tables", "1", "1", "1", "5")
    assert _row(printed, "1", "put into the inbox of their project", "projekte/A/IBH-INBOX/x/Plan.pdf")
    assert _row(printed, "1", "put into the general inbox IBH-INBOX", "IBH-INBOX/2026/y/Brief.pdf")
    assert _row(printed, "1", "on the NAS already", "Plan.pdf")
    assert _row(printed, "1", "left out: Logo im Text", "logo.png")
    assert _row(printed, "1", "in Missive only", "neu.pdf")
    assert "Teamwork" not in printed


@pytest.mark.parametrize("messages", [set(), {"m", "gone"}, {"another"}])
def test_a_lost_or_an_invented_mail_is_a_difference(with_missive: Settings, messages: set[str]):
    agrees, printed = _closing_of_missive(with_missive, {**SHOWN, "messages": messages})
    assert not agrees
    assert "The two differ in messages: `ibhelm sync missive --full` puts that right." in printed
