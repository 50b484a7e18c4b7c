"""deploy/dagster and deploy/k8s: launchers of runs as Dagster itself reads them, manifests by Kubernetes' models."""

from __future__ import annotations

import os
from pathlib import Path
from typing import Any

import kubernetes.client as k8s
import pytest
import yaml
from click.testing import CliRunner
from composed import DEPLOY, compose
from dagster._config import process_config
from dagster_docker import DockerRunLauncher
from dagster_k8s import K8sRunLauncher
from dagster_k8s.models import k8s_snake_case_dict

from ibhelm_pipelines.cli import COMMANDS, main
from ibhelm_pipelines.errors import ConfigurationError
from ibhelm_pipelines.local import dagster_command
from ibhelm_pipelines.settings import PREFIX, Settings

LAUNCHERS = {"docker.yaml": DockerRunLauncher, "k8s.yaml": K8sRunLauncher}
SETTINGS = {f"{PREFIX}{name.upper()}" for name in Settings.model_fields}
KINDS = {
    "ConfigMap": k8s.V1ConfigMap,
    "Deployment": k8s.V1Deployment,
    "Job": k8s.V1Job,
    "NetworkPolicy": k8s.V1NetworkPolicy,
    "Role": k8s.V1Role,
    "RoleBinding": k8s.V1RoleBinding,
    "Service": k8s.V1Service,
    "ServiceAccount": k8s.V1ServiceAccount,
}


def _manifests() -> list[dict[str, Any]]:
    return list(yaml.safe_load_all((DEPLOY / "k8s" / "ibhelm.yaml").read_text(encoding="utf-8")))


WORKLOADS = [each for each in _manifests() if each["kind"] in ("Deployment", "Job")]


@pytest.mark.parametrize("file", sorted(LAUNCHERS))
def test_dagster_knows_the_launcher_and_every_one_of_its_settings(file: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("IBHELM_RUN_IMAGE", "ibhelm/worker:0.1.0")
    said = yaml.safe_load((DEPLOY / "dagster" / file).read_text(encoding="utf-8"))["run_launcher"]
    launcher = LAUNCHERS[file]
    assert (said["module"], said["class"]) == (launcher.__module__.split(".")[0], launcher.__name__)
    checked = process_config(launcher.config_type(), said["config"])
    assert checked.success, checked.errors
    misspelt = process_config(launcher.config_type(), {**said["config"], "no_such_setting": 1})
    assert not misspelt.success


@pytest.mark.parametrize("file", sorted(LAUNCHERS))
def test_the_launcher_is_added_to_the_configuration_that_ibhelm_up_uses(file: str, tmp_path: Path) -> None:
    settings = Settings(_env_file=None, state_dir=tmp_path, dagster_yaml=DEPLOY / "dagster" / file)
    dagster_command._install_configuration(settings, tmp_path)
    whole = yaml.safe_load((tmp_path / "dagster.yaml").read_text(encoding="utf-8"))
    assert whole["run_launcher"]["class"] == LAUNCHERS[file].__name__
    assert whole["concurrency"]["pools"] == {"granularity": "run", "default_limit": 1}
    assert whole["storage"]["postgres"]["postgres_db"]["password"] == {"env": "DAGSTER_PG_PASSWORD"}


def test_a_configuration_that_is_not_mounted_stops_the_start(tmp_path: Path) -> None:
    settings = Settings(_env_file=None, state_dir=tmp_path, dagster_yaml=tmp_path / "nowhere.yaml")
    with pytest.raises(ConfigurationError, match=r"nowhere\.yaml, which is to be added"):
        dagster_command._install_configuration(settings, tmp_path)


def test_what_a_launcher_runs_gets_home_and_storage_from_the_entrypoint(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The image's entrypoint is `ibhelm`, and launchers say `dagster api execute_run {...}` to it."""
    started: list[Any] = []
    monkeypatch.setattr(os, "execve", lambda *arguments: started.append(arguments))
    monkeypatch.setattr(os, "chdir", lambda _: None)
    secrets = tmp_path / "secrets"
    secrets.mkdir()
    (secrets / "ibhelm_dagster_database_url").write_text("postgresql://dagster:geheim@db:5432/dagster\n")
    monkeypatch.setenv("IBHELM_SECRETS_DIR", str(secrets))
    monkeypatch.setenv("IBHELM_STATE_DIR", str(tmp_path / "state"))
    done = CliRunner().invoke(main, ["dagster", "api", "execute_run", '{"--x": 1}'])
    assert done.exit_code == 0, done.output
    _, command, environment = started[0]
    assert command[1:] == ["-m", "dagster", "api", "execute_run", '{"--x": 1}']
    assert (environment["DAGSTER_PG_PASSWORD"], environment["DAGSTER_PG_HOST"]) == ("geheim", "db")
    assert "IBHELM_DAGSTER_DATABASE_URL" not in environment
    assert Path(environment["DAGSTER_HOME"], "dagster.yaml").is_file()


def test_runs_in_containers_get_variables_that_exist_and_no_rights() -> None:
    said = yaml.safe_load((DEPLOY / "dagster" / "docker.yaml").read_text(encoding="utf-8"))["run_launcher"]["config"]
    assert {name for name in said["env_vars"] if name.startswith(PREFIX)} - SETTINGS == set()
    kwargs = said["container_kwargs"]
    assert (kwargs["cap_drop"], kwargs["security_opt"], kwargs["read_only"]) == (
        ["ALL"],
        ["no-new-privileges:true"],
        True,
    )
    assert not [each for each in kwargs["volumes"] if "owner" in each or "postgres_password" in each]
    networks = {f"ibhelm_{name}" for name in compose()["networks"]}
    assert set(said["networks"]) <= networks


def test_the_docker_socket_is_given_to_those_alone_who_launch_and_only_by_the_file_that_says_so() -> None:
    given = compose("compose.yaml", "compose.docker-runs.yaml")["services"]
    assert {name for name, service in given.items() if "docker.sock" in str(service.get("volumes"))} == {
        "daemon",
        "webserver",
    }
    assert given["daemon"]["environment"]["IBHELM_DAGSTER_YAML"] == "/etc/ibhelm/run-launcher.yaml"
    assert given["daemon"]["environment"]["IBHELM_SECRETS_DIR"] == "/run/secrets"


@pytest.mark.parametrize("manifest", _manifests(), ids=lambda each: f"{each['kind']}-{each['metadata']['name']}")
def test_kubernetes_knows_every_field(manifest: dict[str, Any]) -> None:
    k8s_snake_case_dict(KINDS[manifest["kind"]], manifest)
    assert manifest["metadata"]["namespace"] == "ibhelm"


@pytest.mark.parametrize("manifest", WORKLOADS, ids=lambda each: each["metadata"]["name"])
def test_pods_have_no_rights_and_commands_that_exist(manifest: dict[str, Any]) -> None:
    pod = manifest["spec"]["template"]["spec"]
    container = pod["containers"][0]
    assert (pod["securityContext"]["runAsNonRoot"], pod["securityContext"]["runAsUser"]) == (True, 10001)
    assert pod["automountServiceAccountToken"] == (manifest["metadata"]["name"] in ("daemon", "webserver"))
    assert container["args"][0] in COMMANDS
    assert container["securityContext"] == {
        "allowPrivilegeEscalation": False,
        "readOnlyRootFilesystem": True,
        "capabilities": {"drop": ["ALL"]},
    }
    assert "memory" in container["resources"]["limits"]


def test_variables_of_the_manifests_are_settings_that_exist() -> None:
    config = next(each for each in _manifests() if each["kind"] == "ConfigMap")
    assert set(config["data"]) - SETTINGS == set()
