"""`ibhelm watch | work | webhooks`: the long-lived processes of the live lane; `ibhelm up` starts them all."""

from __future__ import annotations

import click

from ibhelm_pipelines.live.watcher import watch
from ibhelm_pipelines.live.webhooks import serve
from ibhelm_pipelines.live.worker import work
from ibhelm_pipelines.logs import configure_logging
from ibhelm_pipelines.settings import load_settings


@click.command("watch")
def watch_command() -> None:
    """Notice changes on the share within seconds and put them into the inbox. Runs where the disk is."""
    settings = load_settings()
    configure_logging("watch", settings)
    watch(settings)


@click.command("work")
def work_command() -> None:
    """Do what waits in the inbox: rows, originals, previews, text. Any number of them may run."""
    settings = load_settings()
    configure_logging("work", settings)
    work(settings)


@click.command("webhooks")
def webhooks_command() -> None:
    """Receive the signed webhooks of Teamwork and Missive on 127.0.0.1."""
    settings = load_settings()
    configure_logging("webhooks", settings)
    serve(settings)
