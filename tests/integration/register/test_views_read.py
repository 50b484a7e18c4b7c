"""Each view of public shows the office and its readers the same rows as the pipeline, and outsiders none at all."""

from __future__ import annotations

import uuid
from typing import TYPE_CHECKING

import psycopg
import pytest
from psycopg import sql
from register_desk import Desk

from ibhelm_pipelines.register.activity import keep_activity

if TYPE_CHECKING:
    from collections.abc import Iterator

    from ibhelm_pipelines.settings import Settings

VIEWS = "select relname from pg_class where relnamespace = 'public'::regnamespace and relkind = 'v' order by 1"


@pytest.fixture
def office(settings: Settings, owner_database_url: str) -> Desk:
    """An office of which every view has something to show."""
    desk = Desk(settings, owner_database_url)
    desk.task(desk.project("2301 Kita Lindenhof"))
    desk.conversation("Frage")
    for number in range(3):
        desk.file(f"projekte/Kita Lindenhöf/{number}.pdf")
    desk.run("insert into contents (hash, size_bytes, likeness) values (repeat('a', 64), 1, 1)")
    desk.run("insert into contents (hash, size_bytes, likeness) values (repeat('b', 64), 1, 3)")
    desk.run("update files set content_hash = repeat('a', 64), content_changed_at = first_seen_at")
    desk.run("update files set content_hash = repeat('b', 64) where name = '2.pdf'")
    desk.run(
        "insert into ops.step_results (content_hash, step, tool_version, state, reason, permanent, took_ms)"
        " values (repeat('a', 64), 'text', 'pdf/1', 'failed', 'The reader crashed', true, 1)"
    )
    desk.link()
    desk.run(
        "insert into file_cost_groups (file_id, cost_group_id) select f.id, g.id from files f, cost_groups g limit 1"
    )
    keep_activity(settings, everything=True)
    return desk


@pytest.fixture
def outsider(owner_database_url: str) -> Iterator[str]:
    name = f"outsider_{uuid.uuid4().hex}"
    with psycopg.connect(owner_database_url, autocommit=True) as connection:
        connection.execute(sql.SQL("create role {}").format(sql.Identifier(name)))
        yield name
        connection.execute(sql.SQL("drop role {}").format(sql.Identifier(name)))


def _rows(url: str, role: str, view: str) -> list[tuple[object, ...]]:
    with psycopg.connect(url) as connection:
        connection.execute(sql.SQL("set role {}").format(sql.Identifier(role)))
        return connection.execute(
            sql.SQL("select t.* from {} t order by t::text").format(sql.Identifier(view))
        ).fetchall()


def test_every_view_shows_the_same_to_all_who_may_look(office: Desk, owner_database_url: str, outsider: str) -> None:
    views = [str(name) for (name,) in office.run(VIEWS)]
    assert len(views) >= 8
    for view in views:
        rows = _rows(owner_database_url, "ibhelm_pipeline", view)
        assert rows != [], view
        for role in ("ibhelm_nocodb", "ibhelm_reader"):
            assert _rows(owner_database_url, role, view) == rows, (view, role)
        with pytest.raises(psycopg.errors.InsufficientPrivilege):
            _rows(owner_database_url, outsider, view)


def test_every_view_says_what_it_is(office: Desk) -> None:
    assert office.run(f"select relname from ({VIEWS}) v where obj_description(relname::regclass) is null") == []
