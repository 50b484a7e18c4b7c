"""`ibhelm init-secrets`: made once, for the owner alone, printed never; what stands in two files is the same."""

from __future__ import annotations

import json
import os
import re
from typing import TYPE_CHECKING

import bcrypt
import pytest
from click.testing import CliRunner
from psycopg.conninfo import conninfo_to_dict

from ibhelm_pipelines.cli import main
from ibhelm_pipelines.local.secret_files import Server, init_secrets
from ibhelm_pipelines.settings import load_settings

if TYPE_CHECKING:
    from pathlib import Path

SERVER = Server(host="db", port=5432)


def _contents(folder: Path) -> dict[str, str]:
    return {path.name: path.read_text(encoding="utf-8") for path in folder.iterdir()}


def test_each_file_is_its_owners_alone_whatever_the_umask(tmp_path: Path) -> None:
    former = os.umask(0)
    try:
        init_secrets(tmp_path / "secrets", server=SERVER)
    finally:
        os.umask(former)
    assert (tmp_path / "secrets").stat().st_mode & 0o777 == 0o700
    assert {path.stat().st_mode & 0o777 for path in (tmp_path / "secrets").iterdir()} == {0o600}


def test_no_two_passwords_are_alike_and_none_can_be_guessed(tmp_path: Path) -> None:
    made = [init_secrets(tmp_path / name, server=SERVER) and _contents(tmp_path / name) for name in ("a", "b")]
    for name, value in made[0].items():
        if value:
            assert value != made[1][name], name
    urls = [value for name, value in made[0].items() if name.endswith("_database_url") and value]
    passwords = [str(conninfo_to_dict(url)["password"]) for url in urls]
    assert len(set(passwords)) == len(passwords) == 7
    assert min(map(len, passwords)) >= 32


def test_a_second_run_changes_nothing_and_makes_what_is_missing(tmp_path: Path) -> None:
    init_secrets(tmp_path, server=SERVER)
    (tmp_path / "ibhelm_teamwork_token").write_text("of a person\n")
    (tmp_path / "dagster_accounts").unlink()
    before = _contents(tmp_path)
    assert init_secrets(tmp_path, server=SERVER) == ["dagster_accounts"]
    after = _contents(tmp_path)
    account = after.pop("dagster_accounts")
    assert after == before
    assert bcrypt.checkpw(before["dagster_password"].encode(), account.split()[1].encode())


def test_what_stands_in_two_files_is_the_same(tmp_path: Path) -> None:
    init_secrets(tmp_path, server=SERVER)
    made = _contents(tmp_path)
    assert conninfo_to_dict(made["ibhelm_owner_database_url"])["password"] == made["postgres_password"]
    identity = json.loads(made["s3.json"])["identities"][0]["credentials"][0]
    assert (identity["accessKey"], identity["secretKey"]) == (
        made["ibhelm_s3_access_key"],
        made["ibhelm_s3_secret_key"],
    )
    own = conninfo_to_dict(made["ibhelm_nocodb_own_database_url"])
    connection = json.loads(made["nocodb.json"])["connection"]
    assert (connection["password"], connection["port"]) == (own["password"], 5432)
    assert made["dagster_accounts"].startswith("admin $2b$10$")


def test_the_folder_is_one_that_settings_are_read_from(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    init_secrets(tmp_path, server=SERVER)
    monkeypatch.setenv("IBHELM_SECRETS_DIR", str(tmp_path))
    settings = load_settings()
    assert settings.require_database_url().startswith("postgresql://ibhelm_pipeline:")
    assert settings.web_password is not None
    assert settings.missive_token is None


def test_the_command_names_files_and_says_no_secret(tmp_path: Path) -> None:
    for _ in range(2):
        done = CliRunner().invoke(main, ["init-secrets", str(tmp_path / "secrets"), "--postgres-host", "10.0.0.5"])
        assert done.exit_code == 0, done.output
        for value in _contents(tmp_path / "secrets").values():
            for piece in re.findall(r"[\w$./-]{20,}", value):
                assert piece not in done.output
    assert "none was changed" in done.output
    assert "@10.0.0.5:5432/" in _contents(tmp_path / "secrets")["ibhelm_database_url"]


def test_a_folder_that_cannot_be_written_is_one_sentence(tmp_path: Path) -> None:
    (tmp_path / "file").touch()
    done = CliRunner().invoke(main, ["init-secrets", str(tmp_path / "file" / "secrets")])
    assert done.exit_code == 1
    assert "Secrets cannot be written" in done.output
