"""`ibhelm doctor` and `ibhelm init-share`: every problem is a sentence that says what to do."""

from __future__ import annotations

import datetime as dt
import os
import socket
import subprocess
import sys
from typing import TYPE_CHECKING

import psycopg
import pytest
from click.testing import CliRunner
from pyrage import x25519
from reader_desk import reader_url

from ibhelm_pipelines.cli import main
from ibhelm_pipelines.db.migrations import read_migrations
from ibhelm_pipelines.demo.teamwork.server import TeamworkSimulator
from ibhelm_pipelines.demo.vendor.faults import Faults
from ibhelm_pipelines.errors import ConfigurationError
from ibhelm_pipelines.safety.backup import back_up
from ibhelm_pipelines.share import init_share

if TYPE_CHECKING:
    from pathlib import Path

    from ibhelm_pipelines.settings import Settings


@pytest.fixture
def healthy(settings: Settings, private_folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """An environment in which nothing is wrong: a marked share, a migrated database, a bucket."""
    assert settings.nas_root is not None
    variables = {
        "NAS_ROOT": str(settings.nas_root),
        "STATE_DIR": str(private_folder / "state"),
        "DATABASE_URL": settings.require_database_url(),
        "S3_ENDPOINT": settings.require_s3_endpoint(),
        "S3_BUCKET": settings.s3_bucket,
        "DAGSTER_PORT": "0",
        "WEB_PORT": "0",
        "WEB_SECRET": "a secret that all machines of an office share",
    }
    for name, value in variables.items():
        monkeypatch.setenv(f"IBHELM_{name}", value)
    monkeypatch.setenv("COLUMNS", "300")


def _doctor() -> tuple[int, str]:
    result = CliRunner().invoke(main, ["doctor"])
    return result.exit_code, " ".join(result.output.split())


@pytest.mark.usefixtures("healthy")
def test_a_healthy_machine_has_no_problems() -> None:
    status, output = _doctor()
    assert (status, "PROBLEM" in output) == (0, False), output[-3000:]


@pytest.mark.usefixtures("healthy")
def test_every_setting_is_shown_with_its_source_and_meaning_and_no_secret(tmp_path: Path) -> None:
    (tmp_path / ".env").write_text("IBHELM_FOLDER_DEPTH=3\nIBHELM_S3_SECRET_KEY=test\n", encoding="utf-8")
    _, output = _doctor()
    assert "IBHELM_FOLDER_DEPTH │ 3 │ .env │ Levels below the NAS root" in output
    assert "IBHELM_DAGSTER_PORT │ 0 │ environment │ Port of the Dagster UI" in output
    assert "IBHELM_HASH_THREADS │ 4 │ default │" in output
    assert "IBHELM_S3_SECRET_KEY │ ******** │ .env │" in output
    password = psycopg.conninfo.conninfo_to_dict(os.environ["IBHELM_DATABASE_URL"])["password"]
    assert str(password) not in output


@pytest.mark.usefixtures("healthy")
def test_no_part_of_an_address_of_alerts_or_heartbeats_is_shown(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("IBHELM_ALERT_URLS", "slack://geheimA/geheimB/geheimC")
    monkeypatch.setenv("IBHELM_HEARTBEAT_URLS", "quick_scan=https://hc.example/geheim")
    monkeypatch.setenv("IBHELM_SENTRY_DSN", "https://geheim@sentry.example/1")
    _, output = _doctor()
    assert "IBHELM_ALERT_URLS │ ******** │ environment" in output
    assert "geheim" not in output


@pytest.mark.usefixtures("healthy")
def test_doctor_says_whether_anybody_is_told(monkeypatch: pytest.MonkeyPatch) -> None:
    status, output = _doctor()
    assert status == 0
    assert "ADVICE Alerts: nobody is told: they stand in the log and `ibhelm status` only. Set IBHELM_ALERT" in output
    monkeypatch.setenv("IBHELM_ALERT_URLS", "json://127.0.0.1:9/ json://127.0.0.1:10/")
    assert "ok Alerts: sent to 2 addresses" in _doctor()[1]


@pytest.mark.usefixtures("healthy")
def test_a_day_without_a_backup_is_a_problem(settings: Settings, owner_database_url: str) -> None:
    with psycopg.connect(owner_database_url) as connection:
        connection.execute("update ops.migrations set applied_at = now() - interval '25 hours'")
    status, output = _doctor()
    assert (status, "ok Backups: pg_dump" in output, "there is none yet" in output) == (0, True, True)
    with psycopg.connect(owner_database_url) as connection:
        connection.execute("update ops.migrations set applied_at = now() - interval '27 hours'")
    status, output = _doctor()
    assert (status, "PROBLEM Backups: There is no backup, though the database is there since" in output) == (1, True)
    assert "Run `ibhelm backup` now" in output
    back_up(settings, now=dt.datetime.now(dt.UTC))
    assert "ok Backups: pg_dump" in _doctor()[1]


@pytest.mark.usefixtures("healthy")
def test_backups_that_anybody_can_read_are_worth_advice(monkeypatch: pytest.MonkeyPatch) -> None:
    status, output = _doctor()
    assert status == 0
    assert "ADVICE Encryption of backups: none: whoever reads the bucket reads every mail. Make a key" in output
    monkeypatch.setenv("IBHELM_BACKUP_RECIPIENTS", str(x25519.Identity.generate().to_public()))
    assert "ok Encryption of backups: for 1 keys, no key here" in _doctor()[1]


def _no_nas(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.delenv("IBHELM_NAS_ROOT")


def _wrong_nas(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setenv("IBHELM_NAS_ROOT", str(tmp_path / "nowhere"))


def _unmarked_nas(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    (tmp_path / "nas" / ".ibhelm-share").unlink()


def _database_down(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setenv("IBHELM_DATABASE_URL", "postgresql://ibhelm_pipeline@127.0.0.1:1/ibhelm")


def _no_bucket(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setenv("IBHELM_S3_BUCKET", "no-such-bucket")


def _unknown_address(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setenv("IBHELM_ALERT_URLS", "json://127.0.0.1:9/ taubenpost://turm")


def _unknown_schedule(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setenv("IBHELM_HEARTBEAT_URLS", "nightly=https://hc.example/x")


def _state_is_a_file(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    (tmp_path / "file").touch()
    monkeypatch.setenv("IBHELM_STATE_DIR", str(tmp_path / "file"))


@pytest.mark.usefixtures("healthy")
@pytest.mark.parametrize(
    ("spoil", "sentences"),
    [
        (_no_nas, "NAS: No NAS folder is set. Set IBHELM_NAS_ROOT in .env"),
        (_wrong_nas, "nowhere. Mount the share there, or correct IBHELM_NAS_ROOT."),
        (_unmarked_nas, ".ibhelm-share cannot be seen (No such file or directory). Mount the share; for a new share"),
        (_database_down, "Postgres: Postgres does not answer"),
        (_no_bucket, "S3: There is no bucket no-such-bucket on the S3 server. Create it, or set IBHELM_S3_BUCKET"),
        (
            _unknown_address,
            "Alerts: Address number 2 in IBHELM_ALERT_URLS (taubenpost://...) is none that Apprise knows.",
        ),
        (_unknown_schedule, "Heartbeats: Entry number 1 of IBHELM_HEARTBEAT_URLS is not SCHEDULE=URL"),
        (_state_is_a_file, "cannot be used: File exists. Run ibhelm as the user that made it"),
    ],
)
def test_each_problem_is_one_sentence_and_what_to_do(
    spoil: object, sentences: str, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    spoil(monkeypatch, tmp_path)  # type: ignore[operator]
    status, output = _doctor()
    assert status == 1
    assert output.count("PROBLEM") == 1
    assert sentences in output


@pytest.mark.usefixtures("healthy")
def test_a_database_that_is_behind_is_a_problem(owner_database_url: str) -> None:
    with psycopg.connect(owner_database_url) as connection:
        connection.execute("delete from ops.migrations where name = '0003_derived'")
    status, output = _doctor()
    assert status == 1
    assert "Postgres: The database lacks 1 migrations (0003_derived ...). Run `ibhelm migrate`." in output


@pytest.mark.usefixtures("healthy")
def test_a_reader_that_may_do_more_than_read_is_a_problem(
    owner_database_url: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    assert "cannot ask in SQL" in _doctor()[1]
    monkeypatch.setenv("IBHELM_READER_DATABASE_URL", reader_url(owner_database_url))
    status, output = _doctor()
    assert status == 1
    assert "as which assistants ask, may make temporary tables. Let a superuser run sql/migrations/0020_" in output
    [repair] = [each.sql for each in read_migrations() if each.name == "0020_reader"]
    with psycopg.connect(owner_database_url) as connection:
        connection.execute(repair.encode())
    status, output = _doctor()
    assert (status, "PROBLEM" in output, "Reader of the database" in output) == (0, False, True)


@pytest.mark.usefixtures("healthy")
def test_a_taken_port_is_a_problem(monkeypatch: pytest.MonkeyPatch) -> None:
    with socket.create_server(("127.0.0.1", 0)) as other:
        port = other.getsockname()[1]
        monkeypatch.setenv("IBHELM_DAGSTER_PORT", str(port))
        status, output = _doctor()
    assert status == 1
    assert f"Port {port} of 127.0.0.1 is taken by another program. Set IBHELM_DAGSTER_PORT to another port" in output


def test_a_setting_that_cannot_be_used_is_named(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("IBHELM_FOLDER_DEPTH", "deep")
    result = CliRunner().invoke(main, ["doctor"])
    assert result.exit_code == 1
    assert "Error: A setting cannot be used: IBHELM_FOLDER_DEPTH: Input should be a valid integer" in result.output


def test_a_share_is_marked_once(tmp_path: Path) -> None:
    assert init_share(tmp_path, marker=".ibhelm-share")
    first = (tmp_path / ".ibhelm-share").read_text(encoding="utf-8")
    assert not init_share(tmp_path, marker=".ibhelm-share")
    assert (tmp_path / ".ibhelm-share").read_text(encoding="utf-8") == first


def test_marking_a_folder_that_is_not_there_is_refused(tmp_path: Path) -> None:
    with pytest.raises(ConfigurationError, match=r"no folder .* Mount the share"):
        init_share(tmp_path / "nowhere", marker=".ibhelm-share")


# Root may write anywhere, so it becomes somebody else; after the imports, for the interpreter may live in its home.
_AS_SOMEBODY = """
import os, sys
from pathlib import Path
from ibhelm_pipelines.demo.vendor.faults import Faults
from ibhelm_pipelines.demo.teamwork.server import TeamworkSimulator
from ibhelm_pipelines.errors import ConfigurationError
from ibhelm_pipelines.share import init_share
if os.geteuid() == 0:
    os.setgroups([])
    os.setresgid(65534, 65534, 65534)
    os.setresuid(65534, 65534, 65534)
try:
    init_share(Path(sys.argv[1]), marker=".ibhelm-share")
except ConfigurationError as error:
    print(error)
"""


def test_a_share_that_cannot_be_written_is_refused_with_the_other_way(private_folder: Path) -> None:
    share = private_folder / "share"
    share.mkdir()
    share.chmod(0o555)
    command = [sys.executable, "-c", _AS_SOMEBODY, str(share)]
    done = subprocess.run(command, capture_output=True, text=True, check=True, timeout=60)
    assert "cannot be written (Permission denied), so it gets no marker." in done.stdout
    assert "set IBHELM_SHARE_MARKER to the path" in done.stdout


@pytest.mark.usefixtures("healthy")
def test_teamwork_is_asked_whether_address_and_token_are_right(monkeypatch: pytest.MonkeyPatch) -> None:
    assert "ok Teamwork: off; IBHELM_TEAMWORK_TOKEN is not set" in _doctor()[1]
    with TeamworkSimulator(tasks=5) as teamwork:
        for name, value in (("URL", teamwork.url), ("TOKEN", teamwork.token)):
            monkeypatch.setenv(f"IBHELM_TEAMWORK_{name}", value)
        assert "PROBLEM Teamwork: It is not said which projects and companies of Teamwork stay out" in _doctor()[1]
        for name in ("PROJECTS", "COMPANIES"):
            monkeypatch.setenv(f"IBHELM_TEAMWORK_EXCLUDED_{name}", "none")
        status, output = _doctor()
        assert (status, f"ok Teamwork: {teamwork.url}" in output, teamwork.requests.total) == (0, True, 1)
        teamwork.faults = Faults(token_expired=True)
        status, output = _doctor()
        assert (status, "PROBLEM Teamwork: Teamwork refuses our token (401). Make a new one" in output) == (1, True)
        monkeypatch.setenv("IBHELM_DATABASE_URL", "postgresql://nobody@127.0.0.1:1/x")
        assert f"ok Teamwork: {teamwork.url}, not asked: Postgres, which counts the requests" in _doctor()[1]


@pytest.mark.usefixtures("healthy")
def test_before_the_first_start_it_says_where_the_secret_of_links_comes_from(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("IBHELM_WEB_SECRET")
    status, output = _doctor()
    assert (status, "no links are made from here; `ibhelm up` makes one" in output) == (0, True)


@pytest.mark.usefixtures("healthy")
def test_it_says_where_the_search_page_is_and_who_may_sign_in(monkeypatch: pytest.MonkeyPatch) -> None:
    status, output = _doctor()
    assert (status, "ok Search page: off here: no IBHELM_WEB_PASSWORD is known" in output) == (0, True)
    monkeypatch.setenv("IBHELM_WEB_URL", "https://suche.buero.example")
    monkeypatch.setenv("IBHELM_WEB_PASSWORD", "twelve signs")
    status, output = _doctor()
    assert (
        status,
        "ok Search page: https://suche.buero.example/; people sign in as admin, password IBHELM_" in output,
    ) == (0, True)
    assert "twelve signs" not in output
    monkeypatch.setenv("IBHELM_OIDC_ISSUER", "https://login.buero.example")
    status, output = _doctor()
    assert (status, "PROBLEM Search page: The search page is off: OpenID Connect is set up only" in output) == (1, True)
    for name, value in (("CLIENT_ID", "a"), ("CLIENT_SECRET", "b"), ("ALLOWED_DOMAINS", "buero.example")):
        monkeypatch.setenv(f"IBHELM_OIDC_{name}", value)
    status, output = _doctor()
    assert (status, "/; people sign in by https://login.buero.example" in output) == (0, True)
    monkeypatch.setenv("IBHELM_WEB_PASSWORD", "eleven sign")
    assert "has fewer than 12 characters, so it could be guessed" in _doctor()[1]


def test_a_secret_that_could_be_guessed_is_refused_without_being_shown(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("IBHELM_WEB_SECRET", "far too short")
    status, output = _doctor()
    assert status == 1
    assert "IBHELM_WEB_SECRET: " in output
    assert "has fewer than 32 characters, so it could be guessed" in output
    assert "far too short" not in output
