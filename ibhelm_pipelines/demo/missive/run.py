"""`ibhelm simulate-missive`: the simulator in the foreground, for a demo, an evaluation, or a look at its answers."""

from __future__ import annotations

from pathlib import Path
from random import Random

import click

from ibhelm_pipelines.demo.missive.server import TOKEN, MissiveSimulator
from ibhelm_pipelines.demo.missive.switches import Switches
from ibhelm_pipelines.demo.missive.webhooks import API_TYPES, APP_TYPES
from ibhelm_pipelines.demo.share import PROJECTS, SEED
from ibhelm_pipelines.demo.vendor.living import live_until_stopped

_FOLDER = click.Path(exists=True, file_okay=False, path_type=Path)


@click.command("simulate-missive")
@click.option("--port", default=8471, show_default=True, help="TCP port on 127.0.0.1; 0 takes a free one.")
@click.option("--attachments-port", default=0, help="The same for the attachments.  [default: a free one]")
@click.option("--seed", default=SEED, show_default=True, help="Another seed makes another office.")
@click.option("--projects", default=PROJECTS, show_default=True, type=click.IntRange(min=3))
@click.option("--conversations", default=300, show_default=True, type=click.IntRange(min=0, max=20_000))
@click.option("--malformed", is_flag=True, help="Add mails that are broken in one way each.")
@click.option(
    "--files", type=click.Path(exists=True, file_okay=False, path_type=Path), help="Mail files of this folder."
)
@click.option("--token", default=TOKEN, show_default=True, help="The personal token.")
@click.option("--rate-limit", default=1.0, show_default=True, help="Times the vendor's limits; 0 for none.")
@click.option("--switches-seed", type=int, help="Draw the vendor's unknown habits at random.")
@click.option("--webhook-url", help="Where webhooks go from the start, one for each kind.")
@click.option("--webhook-secret", default="", help="What they are signed with.")
@click.option("--every", type=click.FloatRange(min=0.01), help="Let the office live: one change every so many seconds.")
def simulate_missive_command(
    *,
    port: int,
    attachments_port: int,
    seed: int,
    projects: int,
    conversations: int,
    malformed: bool,
    files: Path | None,
    token: str,
    rate_limit: float,
    switches_seed: int | None,
    webhook_url: str | None,
    webhook_secret: str,
    every: float | None,
) -> None:
    """Serve a made-up Missive on 127.0.0.1, with mail about the projects of the demo's NAS."""
    simulator = MissiveSimulator(
        seed=seed,
        projects=projects,
        conversations=conversations,
        malformed=malformed,
        files=files,
        switches=None if switches_seed is None else Switches.drawn(Random(switches_seed)),
        token=token,
        port=port,
        attachments_port=attachments_port,
        rate_limit=rate_limit,
    )
    for kind in (*API_TYPES, *APP_TYPES) if webhook_url else ():
        simulator.webhooks.add(kind=kind, url=str(webhook_url), secret=webhook_secret)
    with simulator:
        click.echo(f"Missive is simulated at {simulator.url}, its token is {token}.")
        click.echo(f"Its attachments: {simulator.attachments_url}")
        click.echo(f"The truth: {simulator.control_url}/truth")
        live_until_stopped(simulator, every)
