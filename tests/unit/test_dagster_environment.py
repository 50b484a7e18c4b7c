"""The environment of Dagster's processes: the same settings arrive there, and embedded addresses stay fresh."""

from __future__ import annotations

from pathlib import Path

import pytest

from ibhelm_pipelines.errors import ConfigurationError
from ibhelm_pipelines.local.dagster_process import dagster_environment
from ibhelm_pipelines.settings import Settings, load_settings

DATABASE = "postgresql://ibhelm_pipeline:a%40b@db.example:6543/ibhelm"


def _settings(state_dir: Path, **values: object) -> Settings:
    return Settings(_env_file=None, **{"state_dir": state_dir, "database_url": DATABASE, **values})


def test_what_was_set_reads_back_the_same_in_the_process(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    settings = _settings(
        tmp_path / "state",
        nas_root=tmp_path / "NAS mit Leerzeichen",
        ignored_files=("*.tmp", "~$*"),
        ignore_hidden=False,
        max_deletion_percent=2.5,
        s3_secret_key="geheim & 'so'",
        s3_endpoint="http://127.0.0.1:1",
    )
    for name, value in dagster_environment(settings).items():
        monkeypatch.setenv(name, value)
    assert load_settings() == settings


def test_addresses_of_embedded_services_are_left_to_the_state_folder(tmp_path: Path) -> None:
    state_dir = tmp_path / "state"
    state_dir.mkdir()
    (state_dir / "env").write_text(f"export IBHELM_DATABASE_URL='{DATABASE}'\n", encoding="utf-8")
    environment = dagster_environment(_settings(state_dir, s3_endpoint="http://s3.example"))
    assert "IBHELM_DATABASE_URL" not in environment
    assert environment["IBHELM_S3_ENDPOINT"] == "http://s3.example"
    assert environment["IBHELM_STATE_DIR"] == str(state_dir)


def test_the_storage_is_database_dagster_beside_ours_unless_another_is_set(tmp_path: Path) -> None:
    beside = dagster_environment(_settings(tmp_path))
    assert {name: beside[f"DAGSTER_PG_{name}"] for name in ("HOST", "PORT", "USER", "PASSWORD", "DB")} == {
        "HOST": "db.example", "PORT": "6543", "USER": "ibhelm_pipeline", "PASSWORD": "a@b", "DB": "dagster",
    }  # fmt: skip
    other = dagster_environment(_settings(tmp_path, dagster_database_url="postgresql://d@other/runs"))
    assert (other["DAGSTER_PG_HOST"], other["DAGSTER_PG_DB"]) == ("other", "runs")


def test_a_storage_url_with_options_is_refused_and_not_cut(tmp_path: Path) -> None:
    with pytest.raises(ConfigurationError, match=r"carries sslmode.*PGSSLMODE"):
        dagster_environment(_settings(tmp_path, dagster_database_url="postgresql://d@other/runs?sslmode=require"))


def test_the_home_holds_configuration_only_and_shadows_no_package_of_ours(tmp_path: Path) -> None:
    home = Path(dagster_environment(_settings(tmp_path))["DAGSTER_HOME"])
    assert {path.name for path in home.iterdir()} == {"dagster.yaml", "workspace.yaml"}


def test_telemetry_is_off(tmp_path: Path) -> None:
    environment = dagster_environment(_settings(tmp_path))
    assert environment["DAGSTER_DISABLE_TELEMETRY"] == "1"
    assert "telemetry:\n  enabled: false" in Path(environment["DAGSTER_HOME"], "dagster.yaml").read_text("utf-8")
