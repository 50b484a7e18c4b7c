"""The bodies of `ibhelm up, down, status, doctor, migrate, init-share`: what they do and what they print."""

from __future__ import annotations

import json
import os
import sys
import time
from pathlib import Path
from typing import TYPE_CHECKING

import click
from rich.console import Console
from rich.table import Table

from ibhelm_pipelines.db import migrations
from ibhelm_pipelines.local.doctor import examine, list_settings
from ibhelm_pipelines.local.entrance import sign_in_hint
from ibhelm_pipelines.local.process import start_process, tail
from ibhelm_pipelines.local.records import (
    WEBHOOKS,
    WEBSERVER,
    Report,
    log_file,
    read_report,
    recorded,
    supervisor_process,
)
from ibhelm_pipelines.local.state import prepare_state_folder
from ibhelm_pipelines.local.status import office_status, without_password
from ibhelm_pipelines.local.status_screen import show_status
from ibhelm_pipelines.local.storage import Storage, owner_url
from ibhelm_pipelines.local.supervisor import Supervisor, bring_down
from ibhelm_pipelines.settings import load_settings
from ibhelm_pipelines.share import init_share as make_marker

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

    from ibhelm_pipelines.local.doctor import Advice
    from ibhelm_pipelines.settings import Settings


def up() -> None:
    """Run the supervisor in this process until a signal stops it."""
    Supervisor(Storage.of_this_installation(), _say).run(_show_addresses)


def up_detached() -> int:
    """Run the supervisor in the background; return 0 when all is up, else print what is not and return 1."""
    state_dir = Storage.of_this_installation().configured.state_dir
    prepare_state_folder(state_dir)
    log = log_file(state_dir, "supervisor")
    process = supervisor_process(state_dir)
    if process is None:
        command = [sys.executable, "-m", "ibhelm_pipelines.cli", "up"]
        process = start_process(command, env=os.environ, log=log, cwd=Path.cwd())
    while process.alive():
        report = read_report(state_dir)
        if report.pid == process.pid and report.ready:
            _show_addresses(load_settings())
            return 0
        if report.pid == process.pid and report.problems:
            break
        time.sleep(0.2)
    return _report_failure(read_report(state_dir), process.pid, log)


def _report_failure(report: Report, pid: int, log: Path) -> int:
    problems = report.problems if report.pid == pid else []
    for problem in problems or [f"It ended:\n{tail(log)}"]:
        click.echo(f"Error: {problem}", err=True)
    click.echo(f"More is in {log}. `ibhelm status` tells what runs.", err=True)
    return 1


def down() -> bool:
    """Stop the stack; return whether anything ran."""
    return bring_down(load_settings().state_dir)


def status(*, as_json: bool) -> int:
    """Print what runs, how the office is and what is wrong; return 1 when something is broken."""
    now = office_status(load_settings())
    if as_json:
        click.echo(json.dumps(now.to_json(), ensure_ascii=False, default=str))
    else:
        show_status(Console(), now)
    return 1 if now.broken else 0


def doctor(others: Mapping[str, Callable[[Settings], str | Advice]]) -> int:
    """Print every setting, then what was looked at and what to do; return 1 when there is a problem.

    Args:
        others: by name what says how things stand with them, or raises what is wrong.
    """
    settings = load_settings()
    table = _table("setting", "value", "from", "meaning")
    for line in list_settings(settings):
        table.add_row(line.variable, line.value, line.source, line.meaning)
    console = Console()
    console.print(table)
    findings = list(examine(settings, Storage.of_this_installation(), others))
    for finding in findings:
        text = f"{finding.problem or finding.fact} {finding.next_step}".rstrip()
        console.print(f"{finding.grade:8}{finding.subject}: {text}", markup=False)
    return 1 if any(finding.problem for finding in findings) else 0


def migrate() -> list[str]:
    """Bring the database up to date; return what was applied."""
    return migrations.migrate(owner_url(load_settings()))


def init_share(path: Path) -> str:
    """Put the marker on a share; return the sentence about it."""
    marker = load_settings().share_marker
    made = make_marker(path, marker=marker)
    return (
        f"The share {path} is marked with {marker}." if made else f"The share {path} has its marker {marker} already."
    )


def _show_addresses(settings: Settings) -> None:
    state_dir = settings.state_dir
    ports = {name: port for name, (_, port) in recorded(state_dir).items()}
    table = _table("what", "where")
    table.add_row("Dagster UI", f"http://127.0.0.1:{ports.get(WEBSERVER)}")
    if WEBHOOKS in ports:
        table.add_row("Webhooks", f"http://127.0.0.1:{ports[WEBHOOKS]}/webhooks/...")
    table.add_row("Search page", f"{settings.web_address}/")
    table.add_row("Sign in", sign_in_hint(settings))
    table.add_row("Previews and downloads", settings.web_address)
    table.add_row("Postgres", without_password(settings.require_database_url()))
    table.add_row("S3", f"{settings.require_s3_endpoint()}/{settings.s3_bucket}")
    table.add_row("Passwords", f". {state_dir / 'env'}")
    table.add_row("Logs", str(state_dir / "logs"))
    Console().print(table)


def _say(text: str) -> None:
    click.echo(f"{time.strftime('%H:%M:%S')} {text}")


def _table(*columns: str) -> Table:
    table = Table()
    for column in columns:
        table.add_column(column, overflow="fold")
    return table
