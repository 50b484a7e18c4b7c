"""`ibhelm demo`: from nothing to a running office. Generates a NAS or takes the user's own, starts the stack, scans
and syncs through Dagster, says what arrived and where to look, and stays up.

To the generated NAS belong a simulated Teamwork and a simulated Missive, whose attachments are put on it. With a folder
of the user's own, which is only read, both vendors are what the settings say: the real ones, or none. A scan and a sync
are processes of their own session, so that a Ctrl-C reaches them once, through us, and before their database is gone.
"""

from __future__ import annotations

import os
import signal
import subprocess
import sys
from contextlib import ExitStack
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING

import click
from rich.console import Console

from ibhelm_pipelines.demo.closing import print_closing
from ibhelm_pipelines.demo.linked import Claims
from ibhelm_pipelines.demo.office import MARKER, TRUTH
from ibhelm_pipelines.demo.share import DemoShare, generated_share, own_share
from ibhelm_pipelines.demo.simulated import SimulatedTeamwork
from ibhelm_pipelines.demo.simulated_missive import SimulatedMissive
from ibhelm_pipelines.demo.vendor.lasting import LIFE_SECONDS
from ibhelm_pipelines.errors import ConfigurationError
from ibhelm_pipelines.local.ports import HOST
from ibhelm_pipelines.local.records import WEBHOOKS, recorded, supervisor_process
from ibhelm_pipelines.local.storage import Storage
from ibhelm_pipelines.local.supervisor import Supervisor
from ibhelm_pipelines.settings import load_settings
from ibhelm_pipelines.vendors.missive import webhooks as missive_webhooks
from ibhelm_pipelines.vendors.missive.sync import is_connected as is_missive_connected
from ibhelm_pipelines.vendors.teamwork import webhooks as teamwork_webhooks
from ibhelm_pipelines.vendors.teamwork.sync import is_connected as is_teamwork_connected

if TYPE_CHECKING:
    from ibhelm_pipelines.settings import Settings

FILES = 600
EXIT_FAILED, EXIT_DIFFERENT, EXIT_STOPPED = 1, 3, 130
_NO_ATTACHMENTS = {"IBHELM_ATTACHMENT_INBOX": "off"}
_PORTS = ("IBHELM_WEBHOOKS_PORT", "IBHELM_WEB_PORT")


@dataclass(frozen=True, kw_only=True)
class _Vendors:
    """The simulated vendors of a demo, and the truth about its files."""

    truth: Path
    teamwork: SimulatedTeamwork
    missive: SimulatedMissive

    @property
    def environment(self) -> dict[str, str]:
        """The settings that lead a process of ours to them."""
        return {**self.teamwork.environment, **self.missive.environment}

    def claims(self) -> Claims:
        """Return what is true of files, tasks and conversations, as the generator and the simulators meant it."""
        claims, projects = Claims(), self.teamwork.projects_meant()
        claims.add_files(self.truth, projects)
        claims.add_items("task", self.teamwork.tasks_meant(), projects)
        claims.add_items("conversation", self.missive.conversations_meant(), projects)
        return claims


@click.command("demo")
@click.option("--nas", type=click.Path(path_type=Path), help="Your own folder instead of a generated one; only read.")
@click.option("--once", is_flag=True, help="End after scan and sync, with an exit status: 0 if everything is stored.")
@click.option("--files", default=FILES, show_default=True, help="Files of the generated office, the first time.")
def demo_command(nas: Path | None, once: bool, files: int) -> None:
    """Show the platform at work, on a made-up office or on your own folder."""
    console = Console()
    share = _share(console, nas, files)
    _refuse_a_second(Path(share.state_dir))
    share.remember()
    status = EXIT_STOPPED
    with ExitStack() as stack:
        vendors = _simulated(share, stack) if nas is None else None
        environment = {**share.environment, **(vendors.environment if vendors else _read_only())}
        share.write_shell_file(environment)
        os.environ.update(environment)  # for this process and all that it starts
        if vendors:
            for port in _PORTS:
                os.environ.setdefault(port, "0")  # a demo had better not fail because of a port that is taken

        def show(settings: Settings) -> None:
            nonlocal status
            status = _fill(console, settings, vendors)
            if once:
                raise SystemExit(status)
            _go_on(console, vendors)

        Supervisor(Storage.of_this_installation(), click.echo).run(show)
    raise SystemExit(status)


def _refuse_a_second(state_dir: Path) -> None:
    """Leave a running demo alone: its Teamwork and its shell file are its own.

    Raises:
        ConfigurationError: there is one.
    """
    if running := supervisor_process(state_dir):
        raise ConfigurationError(
            f"The stack of {state_dir} is running already (pid {running.pid}).",
            next_step="Stop it with Ctrl-C or `ibhelm down`, or set IBHELM_STATE_DIR to another folder.",
        )


def _simulated(share: DemoShare, stack: ExitStack) -> _Vendors:
    state_dir = Path(share.state_dir)
    return _Vendors(
        truth=Path(share.nas_root).parent / TRUTH,
        teamwork=stack.enter_context(SimulatedTeamwork(state_dir)),
        missive=stack.enter_context(SimulatedMissive(state_dir, Path(share.nas_root))),
    )


def _read_only() -> dict[str, str]:
    """A folder of the user's own is only read, whatever the settings say of attachments."""
    is_written = load_settings(embedded=False).attachment_inbox == "on"
    return {"IBHELM_ATTACHMENT_INBOX": "dry-run"} if is_written else {}


def _share(console: Console, nas: Path | None, files: int) -> DemoShare:
    state_dir = load_settings(embedded=False).state_dir
    if nas is None:
        with console.status(f"Generating a made-up office of {files} files ..."):
            share = generated_share(files, state_dir)
    else:
        share = own_share(nas, state_dir)
    _explain(share, state_dir, is_own=nas is not None)
    return share


def _explain(share: DemoShare, state_dir: Path, *, is_own: bool) -> None:
    written = "" if is_own else ", but for attachments of mails, which are put into folders IBH-INBOX"
    click.echo(f"The NAS is {share.nas_root}. It is only read{written}.")
    if share.share_marker != MARKER:
        click.echo(
            f"It has no marker file {MARKER}, so its entry {share.share_marker!r} stands for it: as long as that is"
            " there, the share counts as mounted."
        )
    if share.state_dir != str(state_dir):
        click.echo(f"{state_dir} belongs to another share, so this one has a state of its own: {share.state_dir}.")
    click.echo(f"For other terminals: . {share.shell_file}")


def _fill(console: Console, settings: Settings, vendors: _Vendors | None) -> int:
    """Bring everything into the tables, and say what is there; return an exit status, 0 if that is all."""
    statuses = [_run("scan")]
    is_there = statuses[0] != EXIT_FAILED
    if is_teamwork_connected(settings):
        statuses.append(_run("sync", "teamwork", "--full"))  # also what a killed demo took back with it
    if is_missive_connected(settings):
        if not is_there:
            click.echo("Attachments of mails wait until the share is there.")
        statuses.append(_run("sync", "missive", "--full", **({} if is_there else _NO_ATTACHMENTS)))
    statuses.append(_run("rules", "apply"))
    statuses.append(_run("index"))
    if vendors is not None:
        _install_webhooks(settings, vendors.missive)
    teamwork, missive = (vendors.teamwork.shown(), vendors.missive.shown()) if vendors else ({}, {})
    claims = vendors.claims() if vendors else None
    if not print_closing(console, settings, teamwork, missive, claims):
        statuses.append(EXIT_DIFFERENT)
    return min(filter(None, statuses), default=0)  # what failed before what is open


def _install_webhooks(settings: Settings, missive: SimulatedMissive) -> None:
    """Let the simulated vendors tell our receiver, which is on this machine: nobody else's could be reached."""
    _, port = recorded(settings.state_dir)[WEBHOOKS]
    url = f"http://{HOST}:{port}/webhooks"
    teamwork = teamwork_webhooks.install(settings, f"{url}/teamwork")
    count = len(teamwork.made) + len(teamwork.kept)
    click.echo(f"Teamwork tells of changes by {count} webhooks to {url}/teamwork.")
    done = missive_webhooks.install(settings, f"{url}/missive")
    count = len(done.made) + len(done.kept) + missive.finish_rules(f"{url}/missive")
    click.echo(f"Missive tells of changes by {count} webhooks to {url}/missive.")


def _go_on(console: Console, vendors: _Vendors | None) -> None:
    console.print("All of it stays up until Ctrl-C.")
    if vendors is None:
        return
    for name, vendor in (("Teamwork", vendors.teamwork), ("Missive", vendors.missive)):
        url = vendor.environment[f"IBHELM_{name.upper()}_URL"]
        console.print(f"The simulated {name} lives on at {url}: one change every {LIFE_SECONDS:.0f} seconds.")
        vendor.live(partial(_tell, name))


def _tell(name: str, change: str) -> None:
    click.echo(f"Somebody in {name}: {change}")


def _run(*words: str, **settings: str) -> int:
    """Run a command of ours with its progress on our terminal, and some settings changed; return its exit status."""
    command = [sys.executable, "-m", "ibhelm_pipelines.cli", *words]
    process = subprocess.Popen(command, env=os.environ | settings, start_new_session=True)
    try:
        return process.wait()
    except KeyboardInterrupt:
        process.send_signal(signal.SIGINT)
        process.wait()
        raise
