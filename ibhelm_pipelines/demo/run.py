"""`ibhelm demo`: from nothing to a running office. Generates a NAS or takes the user's own, starts the stack, scans
and syncs through Dagster, says what arrived and where to look, and stays up.

To the generated NAS belongs a simulated Teamwork. With a folder of the user's own, Teamwork is what the settings say:
the real one, or none. A scan and a sync are processes of their own session, so that a Ctrl-C reaches them once, through
us, and before their database is gone.
"""

from __future__ import annotations

import os
import signal
import subprocess
import sys
from contextlib import nullcontext
from pathlib import Path
from typing import TYPE_CHECKING

import click
from rich.console import Console

from ibhelm_pipelines.demo.closing import print_closing
from ibhelm_pipelines.demo.office import MARKER
from ibhelm_pipelines.demo.share import DemoShare, generated_share, own_share
from ibhelm_pipelines.demo.simulated import LIFE_SECONDS, SimulatedTeamwork
from ibhelm_pipelines.errors import ConfigurationError
from ibhelm_pipelines.local.ports import HOST
from ibhelm_pipelines.local.records import WEBHOOKS, recorded, supervisor_process
from ibhelm_pipelines.local.storage import Storage
from ibhelm_pipelines.local.supervisor import Supervisor
from ibhelm_pipelines.settings import load_settings
from ibhelm_pipelines.vendors.teamwork import webhooks
from ibhelm_pipelines.vendors.teamwork.sync import is_connected

if TYPE_CHECKING:
    from contextlib import AbstractContextManager

    from ibhelm_pipelines.settings import Settings

FILES = 600
EXIT_DIFFERENT, EXIT_STOPPED = 3, 130
_RECEIVER_PORT = "IBHELM_WEBHOOKS_PORT"


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
    with _teamwork(share, simulated=nas is None) as teamwork:
        environment = {**share.environment, **(teamwork.environment if teamwork else {})}
        share.write_shell_file(environment)
        os.environ.update(environment)  # for this process and all that it starts
        if teamwork:
            os.environ.setdefault(_RECEIVER_PORT, "0")  # a demo had better not fail because of a port that is taken

        def show(settings: Settings) -> None:
            nonlocal status
            status = _fill(console, settings, teamwork)
            if once:
                raise SystemExit(status)
            _go_on(console, teamwork)

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


def _teamwork(share: DemoShare, *, simulated: bool) -> AbstractContextManager[SimulatedTeamwork | None]:
    return SimulatedTeamwork(Path(share.state_dir)) if simulated else nullcontext()


def _share(console: Console, nas: Path | None, files: int) -> DemoShare:
    state_dir = load_settings(embedded=False).state_dir
    if nas is None:
        with console.status(f"Generating a made-up office of {files} files ..."):
            share = generated_share(files, state_dir)
    else:
        share = own_share(nas, state_dir)
    _explain(share, state_dir)
    return share


def _explain(share: DemoShare, state_dir: Path) -> None:
    click.echo(f"The NAS is {share.nas_root}. It is only read.")
    if share.share_marker != MARKER:
        click.echo(
            f"It has no marker file {MARKER}, so its entry {share.share_marker!r} stands for it: as long as that is"
            " there, the share counts as mounted."
        )
    if share.state_dir != str(state_dir):
        click.echo(f"{state_dir} belongs to another share, so this one has a state of its own: {share.state_dir}.")
    click.echo(f"For other terminals: . {share.shell_file}")


def _fill(console: Console, settings: Settings, teamwork: SimulatedTeamwork | None) -> int:
    """Bring everything into the tables, and say what is there; return an exit status, 0 if that is all."""
    statuses = [_run("scan")]
    if is_connected(settings):
        statuses.append(_run("sync", "teamwork", "--full"))  # also what a killed demo took back with it
    if teamwork is not None:
        _install_webhooks(settings)
    if not print_closing(console, settings, teamwork.shown() if teamwork else {}):
        statuses.append(EXIT_DIFFERENT)
    return min(filter(None, statuses), default=0)  # what failed before what is open


def _install_webhooks(settings: Settings) -> None:
    """Let the simulated Teamwork tell our receiver, which is on this machine: nobody else's could be reached."""
    _, port = recorded(settings.state_dir)[WEBHOOKS]
    url = f"http://{HOST}:{port}/webhooks/teamwork"
    done = webhooks.install(settings, url)
    click.echo(f"Teamwork tells of changes by {len(done.made) + len(done.kept)} webhooks to {url}.")


def _go_on(console: Console, teamwork: SimulatedTeamwork | None) -> None:
    console.print("All of it stays up until Ctrl-C.")
    if teamwork is not None:
        url = teamwork.environment["IBHELM_TEAMWORK_URL"]
        console.print(f"The simulated Teamwork lives on at {url}: one change every {LIFE_SECONDS:.0f} seconds.")
        teamwork.live(lambda change: click.echo(f"Somebody in Teamwork: {change}"))


def _run(*words: str) -> int:
    """Run a command of ours with its progress on our terminal; return its exit status."""
    process = subprocess.Popen([sys.executable, "-m", "ibhelm_pipelines.cli", *words], start_new_session=True)
    try:
        return process.wait()
    except KeyboardInterrupt:
        process.send_signal(signal.SIGINT)
        process.wait()
        raise
