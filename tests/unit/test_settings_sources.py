"""Where settings come from, and which source wins: environment, files of secrets, `.env`, `.ibhelm/env`."""

from __future__ import annotations

import os
from typing import TYPE_CHECKING

import pytest

from ibhelm_pipelines.errors import ConfigurationError
from ibhelm_pipelines.settings import load_settings, secrets_in_files

if TYPE_CHECKING:
    from pathlib import Path


@pytest.fixture
def secrets(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    folder = tmp_path / "secrets"
    folder.mkdir()
    monkeypatch.setenv("IBHELM_SECRETS_DIR", str(folder))
    return folder


def test_the_strongest_source_wins_and_each_weaker_one_fills_what_is_left(
    secrets: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    names = ("s3_bucket", "web_user", "nas_url", "s3_region")
    sources = {"environment": names[:1], "file": names[:2], ".env": names[:3], "embedded": names}
    (tmp_path / ".ibhelm").mkdir()
    for name in sources["embedded"]:
        with (tmp_path / ".ibhelm" / "env").open("a") as file:
            file.write(f"export IBHELM_{name.upper()}=embedded\n")
    for name in sources[".env"]:
        with (tmp_path / ".env").open("a") as file:
            file.write(f"IBHELM_{name.upper()}=.env\n")
    for name in sources["file"]:
        (secrets / f"ibhelm_{name}").write_text("file\n")
    monkeypatch.setenv("IBHELM_S3_BUCKET", "environment")
    settings = load_settings()
    assert [getattr(settings, name) for name in names] == ["environment", "file", ".env", "embedded"]
    assert load_settings({"s3_bucket": "override"}).s3_bucket == "override"
    assert secrets_in_files(settings) == {"web_user"}


@pytest.mark.parametrize("written", ["secret", "secret\n", "secret\r\n", "  secret \n\n", "\tsecret"])
def test_what_the_editor_puts_around_a_secret_is_no_part_of_it(secrets: Path, written: str) -> None:
    (secrets / "ibhelm_s3_secret_key").write_bytes(written.encode())
    assert load_settings().s3_secret_key.get_secret_value() == "secret"


def test_white_space_inside_stays(secrets: Path) -> None:
    (secrets / "ibhelm_s3_secret_key").write_text("a b\tc\n")
    assert load_settings().s3_secret_key.get_secret_value() == "a b\tc"


@pytest.mark.parametrize("written", ["", "\n", "  \n"])
def test_an_empty_file_is_a_setting_that_is_not_set(secrets: Path, tmp_path: Path, written: str) -> None:
    (secrets / "ibhelm_missive_token").write_text(written)
    (secrets / "ibhelm_s3_bucket").write_text(written)
    (tmp_path / ".env").write_text("IBHELM_S3_BUCKET=from-env-file\n")
    settings = load_settings()
    assert (settings.missive_token, settings.s3_bucket) == (None, "from-env-file")


def test_lists_are_written_with_commas_there_too(secrets: Path) -> None:
    (secrets / "ibhelm_missive_allowed").write_text("team:Büro, label:Projekte\n", encoding="utf-8")
    assert load_settings().missive_allowed == ("team:Büro", "label:Projekte")


def test_a_wrong_value_names_its_variable(secrets: Path) -> None:
    (secrets / "ibhelm_web_port").write_text("eighty\n")
    with pytest.raises(ConfigurationError, match="IBHELM_WEB_PORT"):
        load_settings()


def test_a_folder_that_is_not_mounted_stops_the_start_instead_of_starting_without_secrets(secrets: Path) -> None:
    secrets.rmdir()
    with pytest.raises(ConfigurationError, match=r"There is no folder .*secrets, in which the secrets should be"):
        load_settings()


def test_bytes_that_are_no_text_are_named_and_not_shown(secrets: Path) -> None:
    (secrets / "ibhelm_web_secret").write_bytes(b"\xff\xfegeheim")
    with pytest.raises(ConfigurationError, match="ibhelm_web_secret cannot be read") as error:
        load_settings()
    assert "geheim" not in str(error.value)


@pytest.mark.skipif(os.geteuid() == 0, reason="root reads everything")
def test_a_file_that_may_not_be_read_is_named(secrets: Path) -> None:
    (secrets / "ibhelm_web_secret").touch(mode=0o000)
    with pytest.raises(ConfigurationError, match="ibhelm_web_secret cannot be read"):
        load_settings()
