"""`ibhelm dagster ...`: becomes one of Dagster's processes, with the home and the environment that it needs.

Containers and service managers start them so. Dagster takes the password of its storage from the environment only;
ours may come from files, so somebody must carry it over, and that is done here, in a process that is replaced by
Dagster's own. Other secrets that lie in files stay there.
"""

from __future__ import annotations

import os
import sys
from pathlib import Path
from typing import TYPE_CHECKING, NoReturn

from ibhelm_pipelines.errors import ConfigurationError
from ibhelm_pipelines.local import dagster_process
from ibhelm_pipelines.packaged import packaged_path

if TYPE_CHECKING:
    from collections.abc import Sequence

    from ibhelm_pipelines.settings import Settings

PROCESSES = ("code-server", "webserver", "daemon")
RUN_LOGS = "DAGSTER_COMPUTE_LOG_DIR"


def become(settings: Settings, words: Sequence[str]) -> NoReturn:
    """Replace this process by one of Dagster's.

    Args:
        settings: of this process.
        words: one of PROCESSES; anything else is a command of `dagster` itself, such as `api execute_run ...`, which is
            what launchers run in the container of a run.

    Raises:
        ConfigurationError: no database of Dagster's storage is known, or its configuration is missing.
    """
    command = _command(settings, words)
    environment = {**os.environ, **instance_environment(settings)}
    _install_configuration(settings, Path(environment["DAGSTER_HOME"]))
    os.chdir(environment["DAGSTER_HOME"])
    os.execve(command[0], command, environment)  # noqa: S606 - ours, and there is no shell


def instance_environment(settings: Settings) -> dict[str, str]:
    """Return what Dagster must be told. The folder of the runs' logs may be one that several containers share."""
    shared = {RUN_LOGS: os.environ[RUN_LOGS]} if RUN_LOGS in os.environ else {}
    return {
        **dagster_process.dagster_environment(settings),
        "DAGSTER_CODE_HOST": settings.code_server_host,
        "DAGSTER_CODE_PORT": str(settings.code_server_port),
        **shared,
    }


def _command(settings: Settings, words: Sequence[str]) -> list[str]:
    if len(words) != 1 or words[0] not in PROCESSES:
        return [sys.executable, "-m", "dagster", *words]
    if words[0] == "code-server":
        return dagster_process.code_server_command(settings.code_server_port, host=settings.listen_host)
    if words[0] == "webserver":
        return dagster_process.webserver_command(settings.dagster_port, host=settings.listen_host)
    return dagster_process.daemon_command()


def _install_configuration(settings: Settings, home: Path) -> None:
    """Add to the built-in dagster.yaml what another file says: such as a launcher of runs, of which it names none."""
    more = settings.dagster_yaml
    if more is None:
        return
    if not more.is_file():
        raise ConfigurationError(
            f"There is no file {more}, which is to be added to the configuration of Dagster.",
            next_step="Mount it, or correct IBHELM_DAGSTER_YAML.",
        )
    built_in = packaged_path("dagster.yaml").read_text(encoding="utf-8")
    (home / "dagster.yaml").write_text(f"{built_in}\n{more.read_text(encoding='utf-8')}", encoding="utf-8")
