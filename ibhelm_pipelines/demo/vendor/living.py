"""What a command that serves a simulated vendor does: let its office live until a signal says stop."""

from __future__ import annotations

import signal
import threading
from typing import TYPE_CHECKING

import click

if TYPE_CHECKING:
    from types import FrameType

    from ibhelm_pipelines.demo.vendor.control import Controlled

_LIFE_BEGINS = "The office changes once every {} seconds; Ctrl-C ends it."


def live_until_stopped(simulator: Controlled, every: float | None) -> None:
    """Change the office once every so many seconds, if at all."""
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
