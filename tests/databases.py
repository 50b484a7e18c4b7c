"""Databases of a test server: made, copied and dropped."""

from __future__ import annotations

from typing import TYPE_CHECKING

import psycopg
from psycopg import sql

if TYPE_CHECKING:
    from ibhelm_pipelines.local.postgres import EmbeddedPostgres


def create(server: EmbeddedPostgres, name: str, *, template: str) -> None:
    """Three times as fast as by default: there is nothing to write ahead of, and a checkpoint costs no fsync here."""
    statement = sql.SQL("create database {} template {} strategy file_copy")
    run(server, statement.format(sql.Identifier(name), sql.Identifier(template)))


def drop(server: EmbeddedPostgres, name: str) -> None:
    """Drop it, whoever is connected to it."""
    run(server, sql.SQL("drop database {} with (force)").format(sql.Identifier(name)))


def run(server: EmbeddedPostgres, statement: sql.Composed) -> None:
    """Do something as the server's superuser."""
    with psycopg.connect(server.url(), autocommit=True) as connection:
        connection.execute(statement)
