"""deploy/compose.yaml: valid for Docker Compose, and what no schema asks: nothing exposed, bounded, unprivileged."""

from __future__ import annotations

import re
from pathlib import PurePosixPath

import pytest
from composed import DEPLOY, FOREIGN, JOBS, compose, config, services

from ibhelm_pipelines.cli import COMMANDS
from ibhelm_pipelines.local.secret_files import Server, init_secrets
from ibhelm_pipelines.settings import PREFIX, Settings

LASTING = sorted(set(services()) - JOBS)
OURS = sorted(set(services()) - FOREIGN)
SETTINGS = {f"{PREFIX}{name.upper()}" for name in Settings.model_fields}
PUBLISHED = {"caddy": {"80", "443", "3443", "8443"}}
SUPERUSERS = {"ibhelm_owner_database_url", "postgres_password"}


def test_compose_accepts_the_file_with_every_profile() -> None:
    assert len(services()) >= 14


def test_compose_refuses_it_while_the_host_name_or_the_share_is_not_said() -> None:
    done = config("config", "--quiet", variables="NAS_PATH=/volume1/projekte\n")
    assert done.returncode != 0
    assert "IBHELM_HOST" in done.stderr
    done = config("config", "--quiet", variables="IBHELM_HOST=daten.buero.example\n")
    assert done.returncode != 0
    assert "NAS_PATH" in done.stderr


@pytest.mark.parametrize("profiles", ["db,s3,nocodb", "nocodb", ""])
def test_without_a_profile_its_server_is_another_ones(profiles: str) -> None:
    variables = f"IBHELM_HOST=x\nNAS_PATH=/nas\nCOMPOSE_PROFILES={profiles}\nIBHELM_S3_ENDPOINT=https://s3.example\n"
    done = config("config", "--services", variables=variables)
    assert done.returncode == 0, done.stderr
    wanted = {"db", "s3", "nocodb"} & set(profiles.split(","))
    assert set(done.stdout.split()) & {"db", "s3", "nocodb"} == wanted


@pytest.mark.parametrize("name", sorted(services()))
def test_no_service_has_rights_it_does_not_need(name: str) -> None:
    service = services()[name]
    assert service["cap_drop"] == ["ALL"]
    assert service["security_opt"] == ["no-new-privileges:true"]
    assert service.get("cap_add", []) == {"caddy": ["NET_BIND_SERVICE"], "volumes": ["CHOWN"]}.get(name, [])
    assert service["user"] == ("0:0" if name == "volumes" else "10001:10001")
    assert service.get("read_only", False) == (name != "nocodb")
    assert not {"privileged", "pid", "ipc", "devices", "userns_mode"} & set(service)
    assert service.get("network_mode") in (None, "none")
    assert "docker.sock" not in str(service)


@pytest.mark.parametrize("name", sorted(services()))
def test_every_service_is_bounded_and_comes_again(name: str) -> None:
    service = services()[name]
    limits = service["deploy"]["resources"]["limits"]
    assert set(limits) >= {"cpus", "memory", "pids"}
    jobs = {"provision": "on-failure:5"}.get(name, "no")
    assert service["restart"] == (jobs if name in JOBS else "unless-stopped")
    assert service["logging"]["options"]["max-size"]


@pytest.mark.parametrize("name", LASTING)
def test_every_lasting_service_has_a_health_check(name: str) -> None:
    check = services()[name]["healthcheck"]
    assert check["test"][0] == "CMD"
    assert {"interval", "timeout", "retries", "start_period"} <= set(check)


def test_nothing_but_the_proxy_has_a_published_port() -> None:
    published = {name: {port["target"] for port in s["ports"]} for name, s in services().items() if "ports" in s}
    assert {name: {str(port) for port in ports} for name, ports in published.items()} == PUBLISHED


def test_databases_stand_in_a_network_without_a_way_out_and_away_from_the_proxy() -> None:
    assert compose()["networks"]["back"]["internal"] is True
    assert set(services()["db"]["networks"]) == set(services()["s3"]["networks"]) == {"back"}
    assert set(services()["caddy"]["networks"]) == {"front"}
    with_way_out = {name for name, s in services().items() if {"front", "outside"} & set(s.get("networks") or {})}
    assert with_way_out == {"caddy", "web", "webhooks", "webserver", "nocodb", "code", "worker", "tools"}


@pytest.mark.parametrize("name", sorted(services()))
def test_images_are_pinned(name: str) -> None:
    tag = services()[name]["image"].rpartition(":")[2]
    assert re.fullmatch(r"\d+\.\d+.*|pg\d+", tag), f"{services()[name]['image']} is a moving tag"


@pytest.mark.parametrize("name", OURS)
def test_every_variable_is_a_setting_that_exists(name: str) -> None:
    ours = {variable for variable in services()[name].get("environment") or {} if variable.startswith(PREFIX)}
    assert ours - SETTINGS == set()


@pytest.mark.parametrize("name", OURS)
def test_every_command_exists(name: str) -> None:
    service = services()[name]
    if name != "volumes":
        assert service["command"][0] in COMMANDS
        assert service.get("healthcheck", {}).get("test", ["CMD", "ibhelm", "health"])[:3] in (
            ["CMD", "ibhelm", "health"],
            ["NONE"],
        )


def test_no_secret_stands_in_the_environment() -> None:
    for service in services().values():
        for variable, value in (service.get("environment") or {}).items():
            is_path = str(value).startswith("/run/secrets")
            assert is_path or not re.search(r"PASSWORD|SECRET_KEY|TOKEN|_SECRET$|DATABASE_URL", variable), variable


def test_the_superuser_is_known_to_nobody_who_talks_to_the_world() -> None:
    knowing = {name for name, s in services().items() if SUPERUSERS & {each["source"] for each in s.get("secrets", [])}}
    assert knowing == {"db", "provision", "tools"}


def test_each_process_knows_its_own_secrets_only() -> None:
    known = {name: {each["source"] for each in s.get("secrets", [])} for name, s in services().items()}
    assert known["watcher"] == {"ibhelm_database_url"}
    assert known["webserver"] == known["daemon"] == {"ibhelm_dagster_database_url"}
    assert not {"ibhelm_teamwork_token", "ibhelm_missive_token"} & (known["web"] | known["webhooks"])
    assert "ibhelm_web_password" not in known["worker"] | known["code"]


def test_every_secret_file_is_made_by_init_secrets_and_every_secret_setting_reaches_somebody(tmp_path) -> None:
    init_secrets(tmp_path, server=Server(host="db", port=5432))
    made = {path.name for path in tmp_path.iterdir()}
    files = {PurePosixPath(each["file"]).name for each in compose()["secrets"].values()}
    assert files - made == set()
    mounted = {each["source"] for service in services().values() for each in service.get("secrets", [])}
    # What stays in its file for people, or is an address only.
    assert made - mounted == {"dagster_password"}


def test_the_share_is_never_writable_but_where_attachments_are_put() -> None:
    for name, service in services().items():
        mounts = {each["target"]: each for each in service.get("volumes", [])}
        if "/nas" in mounts:
            assert mounts["/nas"].get("read_only") is True, name
    variables = "IBHELM_HOST=x\nNAS_PATH=/nas\nNAS_ACCESS=rw\n"
    done = config("--profile", "*", "config", variables=variables)
    assert done.stdout.count("target: /nas") == 4
    watcher, tools = (done.stdout.split(f"\n  {name}:\n")[1].split("\n  w")[0] for name in ("watcher", "tools"))
    assert "read_only: true" in watcher.split("target: /nas")[1].split("target:")[0]
    assert "read_only: true" in tools.split("target: /nas")[1].split("target:")[0]


def test_with_recovery_to_a_point_in_time_only_the_log_goes_elsewhere() -> None:
    """The other file repeats the command and the volumes of the first one, for lists of Compose replace each other."""
    plain, more = services(), compose("compose.yaml", "compose.pitr.yaml")["services"]
    assert more["db"]["command"][: len(plain["db"]["command"])] == plain["db"]["command"]
    said = (DEPLOY / "pgbackrest" / "archiving.conf").read_text(encoding="utf-8")
    wanted = dict(re.findall(r"^(archive_\w+) = '?(.*?)'?$", said, re.MULTILINE))
    added = more["db"]["command"][len(plain["db"]["command"]) :]
    assert dict(word.split("=", 1) for word in added if word != "-c") == wanted
    assert more["volumes"]["command"][: len(plain["volumes"]["command"])] == plain["volumes"]["command"]
    assert more["db"]["read_only"] is True
    assert "pgbackrest" in compose("compose.yaml", "compose.pitr.yaml")["volumes"]


def test_every_variable_of_compose_is_explained_and_none_is_explained_that_is_not_there() -> None:
    text = (DEPLOY / "compose.yaml").read_text(encoding="utf-8")
    used = set(re.findall(r"\$\{([A-Z0-9_]+)", text))
    explained = set(
        re.findall(r"^#?([A-Z0-9_]+)=", (DEPLOY / ".env.example").read_text(encoding="utf-8"), re.MULTILINE)
    )
    assert used == explained - {"COMPOSE_PROFILES"}
