"""`ibhelm watch | work | webhooks | web`: the long-lived processes; `ibhelm up` starts them all."""

from __future__ import annotations

from pkgutil import resolve_name

import click

from ibhelm_pipelines.logs import configure_logging
from ibhelm_pipelines.settings import load_settings


@click.command("watch")
def watch_command() -> None:
    """Notice changes on the share within seconds and put them into the inbox. Runs where the disk is."""
    _run("watch", "ibhelm_pipelines.live.watcher:watch")


@click.command("work")
def work_command() -> None:
    """Do what waits in the inbox: rows, originals, previews, text. Any number of them may run."""
    _run("work", "ibhelm_pipelines.live.worker:work")


@click.command("webhooks")
def webhooks_command() -> None:
    """Receive the signed webhooks of Teamwork and Missive on 127.0.0.1."""
    _run("webhooks", "ibhelm_pipelines.live.webhooks:serve")


@click.command("web")
def web_command() -> None:
    """Give browsers the previews and downloads of which they have a signed link, on 127.0.0.1."""
    _run("web", "ibhelm_pipelines.web.serving:serve")


def _run(process: str, function: str) -> None:
    """Import nothing but the code of this one process, for it stays in memory."""
    settings = load_settings()
    configure_logging(process, settings)
    resolve_name(function)(settings)
