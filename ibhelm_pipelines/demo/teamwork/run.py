"""`ibhelm simulate-teamwork`: the simulator in the foreground, for a demo, an evaluation, or a look at its answers."""

from __future__ import annotations

from random import Random

import click

from ibhelm_pipelines.demo.share import PROJECTS, SEED
from ibhelm_pipelines.demo.teamwork.api_v1 import EVENTS
from ibhelm_pipelines.demo.teamwork.server import TOKEN, TeamworkSimulator
from ibhelm_pipelines.demo.teamwork.switches import Switches
from ibhelm_pipelines.demo.vendor.living import live_until_stopped


@click.command("simulate-teamwork")
@click.option("--port", default=8470, show_default=True, help="TCP port on 127.0.0.1; 0 takes a free one.")
@click.option("--seed", default=SEED, show_default=True, help="Another seed makes another office.")
@click.option("--projects", default=PROJECTS, show_default=True, type=click.IntRange(min=3))
@click.option("--tasks", default=1200, show_default=True, type=click.IntRange(min=0, max=50_000))
@click.option("--token", default=TOKEN, show_default=True, help="The API key.")
@click.option("--rate-limit", default=150, show_default=True, help="Requests that a minute allows.")
@click.option("--switches-seed", type=int, help="Draw the vendor's unknown habits at random.")
@click.option("--webhook-url", help="Where webhooks go from the start, one for each event.")
@click.option("--webhook-token", default="", help="What they are signed with.")
@click.option("--every", type=click.FloatRange(min=0.01), help="Let the office live: one change every so many seconds.")
def simulate_teamwork_command(
    *,
    port: int,
    seed: int,
    projects: int,
    tasks: int,
    token: str,
    rate_limit: int,
    switches_seed: int | None,
    webhook_url: str | None,
    webhook_token: str,
    every: float | None,
) -> None:
    """Serve a made-up Teamwork.com on 127.0.0.1, with the projects of the demo's NAS."""
    switches = None if switches_seed is None else Switches.drawn(Random(switches_seed))
    simulator = TeamworkSimulator(
        seed=seed, projects=projects, tasks=tasks, switches=switches, token=token, port=port, rate_limit=rate_limit
    )
    for event in EVENTS if webhook_url else ():
        json = {"version": "2", "content_type": "application/json", "token": webhook_token}
        simulator.webhooks.add(event=event, url=str(webhook_url), **json)
    with simulator:
        click.echo(f"Teamwork.com is simulated at {simulator.url}, its API key is {token}.")
        click.echo(f"The truth: {simulator.url}/_simulator/truth")
        live_until_stopped(simulator, every)
