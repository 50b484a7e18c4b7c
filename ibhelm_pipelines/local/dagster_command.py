"""`ibhelm dagster ...`: becomes one of Dagster's processes, with the home and the environment that it needs.

Containers and service managers start them so. Dagster takes the password of its storage from the environment only;
ours may come from files, so somebody must carry it over, and that is done here, in a process that is replaced by
Dagster's own. Other secrets that lie in files stay there.
"""

from __future__ import annotations

import os
import shutil
from pathlib import Path
from typing import TYPE_CHECKING, NoReturn

from ibhelm_pipelines.errors import ConfigurationError
from ibhelm_pipelines.local import dagster_process

if TYPE_CHECKING:
    from ibhelm_pipelines.settings import Settings

PROCESSES = ("code-server", "webserver", "daemon")
RUN_LOGS = "DAGSTER_COMPUTE_LOG_DIR"


def become(settings: Settings, process: str) -> NoReturn:
    """Replace this process by one of Dagster's.

    Args:
        settings: of this process.
        process: one of PROCESSES.

    Raises:
        ConfigurationError: no database of Dagster's storage is known, or its configuration is missing.
    """
    command = _command(settings, process)
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


def _command(settings: Settings, process: str) -> list[str]:
    if process == "code-server":
        return dagster_process.code_server_command(settings.code_server_port, host=settings.listen_host)
    if process == "webserver":
        return dagster_process.webserver_command(settings.dagster_port, host=settings.listen_host)
    return dagster_process.daemon_command()


def _install_configuration(settings: Settings, home: Path) -> None:
    """Put another dagster.yaml in the place of the built-in one where one is named."""
    other = settings.dagster_yaml
    if other is None:
        return
    if not other.is_file():
        raise ConfigurationError(
            f"There is no file {other}, which is to configure Dagster.",
            next_step="Mount it, or correct IBHELM_DAGSTER_YAML.",
        )
    shutil.copyfile(other, home / "dagster.yaml")
