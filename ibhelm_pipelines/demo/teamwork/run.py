"""`ibhelm simulate-teamwork`: the simulator in the foreground, for a demo, an evaluation, or a look at its answers."""

from __future__ import annotations

import signal
import threading
from random import Random
from typing import TYPE_CHECKING

import click

from ibhelm_pipelines.demo.share import PROJECTS, SEED
from ibhelm_pipelines.demo.teamwork.api_v1 import EVENTS
from ibhelm_pipelines.demo.teamwork.server import TOKEN, TeamworkSimulator
from ibhelm_pipelines.demo.teamwork.switches import Switches

if TYPE_CHECKING:
    from types import FrameType

_LIFE_BEGINS = "The office changes once every {} seconds; Ctrl-C ends it."


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
        _live(simulator, every)


def _live(simulator: TeamworkSimulator, every: float | None) -> None:
    """Let the office live until a signal says stop."""
    over = threading.Event()

    def stop(_number: int, _frame: FrameType | None) -> None:
        over.set()

    for number in (signal.SIGTERM, signal.SIGINT):
        signal.signal(number, stop)
    click.echo(_LIFE_BEGINS.format(every) if every else "Ctrl-C ends it.")
    day = 0
    while not over.wait(every):
        day += 1
        for what in simulator.mutate(seed=day, count=1):
            click.echo(what)
