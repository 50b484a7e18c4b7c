"""No secret of the settings comes through, however it is written; everything else does."""

from __future__ import annotations

import json
from pathlib import Path
from urllib.parse import quote

import psycopg
import pytest

from ibhelm_pipelines.redaction import Redactor
from ibhelm_pipelines.settings import Settings

PASSWORD = 'plänted/p"ss%word'
SECRETS = {
    "database_url": f"postgresql://ibhelm:{quote(PASSWORD, safe='')}@db:5432/office",
    "s3_secret_key": "planted+S3/key",
    "teamwork_webhook_secret": "planted webhook secret",
    "alert_urls": "mailto://office:plantedmail@mail.example.org slack://TokenAAAA/TokenBBBBBBB/TokenCCCCCCC/#alerts",
    "heartbeat_urls": "scan=https://hc.example.org/ping/0b7d2f6e-planted-uuid",
    "sentry_dsn": "https://plantedpublickey@errors.example.org/7",
}


@pytest.fixture
def redactor() -> Redactor:
    return Redactor(Settings(_env_file=None, **SECRETS))


@pytest.mark.parametrize(
    "text",
    [
        *SECRETS.values(),
        PASSWORD,
        repr(PASSWORD),
        ascii(PASSWORD),
        json.dumps(PASSWORD),
        quote(PASSWORD, safe=""),
        f"password={PASSWORD} host=db",
        "slack answered 404 for /TokenAAAA/TokenBBBBBBB/TokenCCCCCCC",
        "GET https://hc.example.org/ping/0b7d2f6e-planted-uuid failed",
        "plantedmail",
        "plantedpublickey",
    ],
)
def test_a_secret_is_starred_however_it_is_written(redactor: Redactor, text: str) -> None:
    clean = redactor.text(f"before {text} after")
    assert "***" in clean
    assert clean.startswith("before ")
    assert clean.endswith(" after")
    for secret in ("plant", "plänt", "pl\\xe4nt", "pl\\u00e4nt", "pl%C3%A4nt", "TokenB", "TokenC"):
        assert secret not in clean


def test_a_secret_is_starred_at_any_depth_in_keys_and_in_things_that_are_no_json(redactor: Redactor) -> None:
    secret = SECRETS["s3_secret_key"]
    value = {"a": [{secret: (secret.encode(), Path(secret))}, {secret}], "error": ValueError(f"bad key {secret}")}
    clean = redactor.value(value)
    assert secret not in json.dumps(clean)
    assert clean["error"] == "bad key ***"
    assert clean["a"][1] == ["***"]


def test_a_password_in_any_url_is_starred_though_no_setting_knows_it(redactor: Redactor) -> None:
    assert redactor.text("see ftp://ada:geheim@host/x") == "see ftp://ada:***@host/x"
    assert redactor.text("http://host:80/a@b and 12:30 at ada@host") == "http://host:80/a@b and 12:30 at ada@host"


def test_what_is_published_or_unset_is_no_secret() -> None:
    redactor = Redactor(Settings(_env_file=None))
    assert redactor.text("a test of the tests") == "a test of the tests"
    assert redactor.value({"n": 1, "x": 0.5, "none": None, "yes": True}) == {
        "n": 1,
        "x": 0.5,
        "none": None,
        "yes": True,
    }


def test_rows_that_postgres_quotes_are_cut(redactor: Redactor, empty_database_url: str) -> None:
    with psycopg.connect(empty_database_url) as connection:
        connection.execute("create table letters (body text check (length(body) < 5))")
        with pytest.raises(psycopg.errors.CheckViolation) as raised:
            connection.execute("insert into letters values ('Sehr geehrte\nFrau Lovelace')")
    assert "Lovelace" in str(raised.value)
    clean = redactor.text(str(raised.value))
    assert "Sehr" not in clean
    assert "Lovelace" not in clean
    assert clean.startswith('new row for relation "letters" violates check constraint')


def test_words_behind_a_quoted_row_stay(redactor: Redactor) -> None:
    text = "boom\nDETAIL:  Key (a)=(planted\nword) exists.\nHINT:  Do less.\n\nDuring handling of the above exception"
    assert redactor.text(text) == "boom\nDETAIL: ***\nHINT:  Do less.\n\nDuring handling of the above exception"
