"""`ibhelm demo`: from nothing to a running office. Generates a NAS or takes the user's own, starts the stack, scans
through Dagster, says what arrived and where to look, and stays up.

The scan is a process of its own session, so that a Ctrl-C reaches it once, through us, and before its database is gone.
"""

from __future__ import annotations

import os
import signal
import subprocess
import sys
from pathlib import Path
from typing import TYPE_CHECKING

import click
from rich.console import Console

from ibhelm_pipelines.demo.closing import print_closing
from ibhelm_pipelines.demo.office import MARKER
from ibhelm_pipelines.demo.share import DemoShare, generated_share, own_share
from ibhelm_pipelines.local.storage import Storage
from ibhelm_pipelines.local.supervisor import Supervisor
from ibhelm_pipelines.settings import load_settings

if TYPE_CHECKING:
    from ibhelm_pipelines.settings import Settings

FILES = 600
EXIT_STOPPED = 130


@click.command("demo")
@click.option("--nas", type=click.Path(path_type=Path), help="Your own folder instead of a generated one; only read.")
@click.option("--once", is_flag=True, help="End after the scan, with its exit status: 0 if everything is stored.")
@click.option("--files", default=FILES, show_default=True, help="Files of the generated office, the first time.")
def demo_command(nas: Path | None, once: bool, files: int) -> None:
    """Show the platform at work, on a made-up office or on your own folder."""
    console = Console()
    share = _share(console, nas, files)
    share.remember()
    os.environ.update(share.environment)  # for this process and all that it starts
    status = EXIT_STOPPED

    def show(settings: Settings) -> None:
        nonlocal status
        status = _scan()
        print_closing(console, settings)
        if once:
            raise SystemExit(status)
        console.print("All of it stays up until Ctrl-C.")

    Supervisor(Storage.of_this_installation(), click.echo).run(show)
    raise SystemExit(status)


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


def _scan() -> int:
    """Run `ibhelm scan` with its progress on our terminal; return its exit status."""
    command = [sys.executable, "-m", "ibhelm_pipelines.cli", "scan"]
    process = subprocess.Popen(command, start_new_session=True)
    try:
        return process.wait()
    except KeyboardInterrupt:
        process.send_signal(signal.SIGINT)
        process.wait()
        raise
