"""`ibhelm sync missive` as a person or a script calls it: a process, its output, its exit status, the run."""

from __future__ import annotations

import json
import subprocess
import sys
import threading
from typing import TYPE_CHECKING, Any

import psycopg
import pytest
import tables
from click.testing import CliRunner
from missive_mirror import differences
from missive_office import PLENTY, connected
from tampering_proxy import proxy

from ibhelm_pipelines.cli import main
from ibhelm_pipelines.demo.missive.server import MissiveSimulator
from ibhelm_pipelines.vendors.missive.access import describe_access

if TYPE_CHECKING:
    from collections.abc import Iterator

    from ibhelm_pipelines.settings import Settings

COMMAND = [sys.executable, "-m", "ibhelm_pipelines.cli", "sync", "missive"]
PATIENCE_SECONDS = 90


@pytest.fixture
def missive() -> Iterator[MissiveSimulator]:
    with MissiveSimulator(conversations=21, rate_limit=False) as simulator:
        yield simulator


@pytest.fixture
def office(settings: Settings, missive: MissiveSimulator) -> Settings:
    return connected(settings, missive)


@pytest.fixture
def variables(environment: dict[str, str], office: Settings, missive: MissiveSimulator) -> dict[str, str]:
    return environment | {
        "IBHELM_MISSIVE_URL": missive.url,
        "IBHELM_MISSIVE_TOKEN": missive.token,
        "IBHELM_MISSIVE_ALLOWED": ",".join(office.missive_allowed or ()),
        "IBHELM_MISSIVE_REQUESTS_PER_15_MINUTES": str(PLENTY),
        "COLUMNS": "100",
    }


def _sync(variables: dict[str, str], *arguments: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run([*COMMAND, *arguments], env=variables, capture_output=True, text=True, check=False)


def _ask(settings: Settings, query: str) -> list[tuple[Any, ...]]:
    found: list[tuple[Any, ...]] = tables.ask(settings.require_database_url(), query)
    return found


def test_a_sync_stores_all_and_a_mail_that_is_missing_afterwards_is_open_until_its_month_is_read_again(
    office: Settings, missive: MissiveSimulator, variables: dict[str, str]
) -> None:
    done = _sync(variables)
    assert done.returncode == 0, done.stderr + done.stdout
    assert "Everything is stored." in done.stdout
    assert all(name in done.stdout for name in ("directory", "conversations", "emails", "comments", "requests"))
    assert "IBHELM_ATTACHMENT_INBOX says dry-run" in done.stdout
    assert differences(office, missive.truth()) == []
    with psycopg.connect(variables["IBHELM_DAGSTER_DATABASE_URL"]) as connection:
        runs = connection.execute("select pipeline_name, status from runs").fetchall()
    assert runs == [("sync_missive", "SUCCESS")]

    [(number, month)] = _ask(
        office,
        "select e.id, to_char(c.last_activity_at at time zone 'utc', 'YYYY-MM') from emails e"
        " join conversations c on c.id = e.conversation_id where e.deleted_at is null and c.deleted_at is null"
        " order by not exists (select from email_attachments a where a.email_id = e.id) desc, e.id limit 1",
    )
    _ask(office, f"delete from emails where id = {number} returning 1")
    quick = _sync(variables, "--json")
    assert quick.returncode == 3
    summary = json.loads(quick.stdout)
    assert (summary["status"], [each["check"] for each in summary["open"]]) == ("open", ["missive_messages_missing"])
    assert summary["assets"]["missive_emails"]["new"] == 0

    again = _sync(variables, "--month", month)
    assert again.returncode == 0, again.stdout
    assert differences(office, missive.truth()) == []


def test_what_is_being_read_is_shown_while_it_is_read(missive: MissiveSimulator, variables: dict[str, str]) -> None:
    may_answer = threading.Event()

    def hold(asked: Any) -> None:
        if "/conversations" in asked.path:
            may_answer.wait(PATIENCE_SECONDS)

    with proxy(missive.url.removesuffix("/v1")) as between:
        between.before = hold
        process = subprocess.Popen(
            [*COMMAND],
            env={**variables, "IBHELM_MISSIVE_URL": f"{between.url}/v1", "FORCE_COLOR": "1", "TERM": "xterm"},
            stderr=subprocess.PIPE,
            stdout=subprocess.DEVNULL,
            text=True,
        )
        assert process.stderr is not None
        shown = ""
        while "Reading list of conversations" not in shown:
            piece = process.stderr.read(1)
            assert piece, shown
            shown += piece
        may_answer.set()
        process.communicate(timeout=PATIENCE_SECONDS)
    assert process.returncode == 0


@pytest.mark.parametrize(
    ("arguments", "change", "status", "sentence"),
    [
        ((), {"IBHELM_MISSIVE_TOKEN": ""}, 1, "Missive is not connected"),
        ((), {"IBHELM_MISSIVE_ALLOWED": ""}, 1, "Set IBHELM_MISSIVE_ALLOWED"),
        ((), {"IBHELM_DATABASE_URL": "postgresql://nobody@127.0.0.1:1/x"}, 1, "Postgres does not answer"),
        (("--full", "--month", "2026-05"), {}, 2, "it goes with no month"),
        (("--confirm-deletions",), {}, 2, "goes with --full"),
        (("--month", "Mai"), {}, 2, "Mai"),
    ],
    ids=["no token", "nothing said of what may be read", "no server", "full and a month", "nothing to confirm", "none"],
)
def test_what_is_missing_or_makes_no_sense_is_said_at_once(
    variables: dict[str, str], arguments: tuple[str, ...], change: dict[str, str], status: int, sentence: str
) -> None:
    env = {name: value or None for name, value in (variables | change).items()}
    refused = CliRunner().invoke(main, ["sync", "missive", *arguments], env=env)
    assert (refused.exit_code, sentence in refused.stderr) == (status, True), refused.stderr


def test_doctor_says_whose_conversations_are_read_once_the_directory_is_known(
    office: Settings, missive: MissiveSimulator, variables: dict[str, str]
) -> None:
    assert describe_access(office.model_copy(update={"missive_token": None})) == "off; IBHELM_MISSIVE_TOKEN is not set"
    assert "looked up by the first `ibhelm sync missive`" in describe_access(office)
    assert _sync(variables).returncode == 0
    said = describe_access(office)
    teams = [row["name"] for row in missive.truth()["teams"] if not row["deleted"]]
    [me] = [row["email"] for row in missive.truth()["users"] if row["me"]]
    assert f"{len(teams)} teams" in said
    assert all(name in said for name in (*teams, f"1 user {me}"))
