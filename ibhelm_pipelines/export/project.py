"""Which project is meant: by id, number, name, or words of its name. Never guessed where several may be."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from psycopg.rows import dict_row

from ibhelm_pipelines.db.queries import load_queries
from ibhelm_pipelines.errors import ConfigurationError
from ibhelm_pipelines.folding import folded, words
from ibhelm_pipelines.mail_body import read_body
from ibhelm_pipelines.project_names import ProjectNames

if TYPE_CHECKING:
    from ibhelm_pipelines.db.connect import Connection

MOST_CANDIDATES = 20


def find_project(connection: Connection, asked: str) -> dict[str, Any]:
    """Return the project that is meant, with what its index page says of it.

    Args:
        connection: to the database.
        asked: `2301`, `2301 Kita Lindenhof`, `Lindenhof`, or `id:17`.

    Raises:
        ConfigurationError: there is none, or there are several; names them.
    """
    queries = load_queries("export")
    with connection.cursor(row_factory=dict_row) as cursor:
        known = {row["id"]: row for row in cursor.execute(queries["projects"]).fetchall()}
        meant = _meant(asked.strip(), {number: str(row["name"]) for number, row in known.items()})
        if len(meant) != 1:
            raise _unclear(asked, [known[number] for number in meant])
        found = cursor.execute(queries["project"], {"project": meant[0]}).fetchone()
    assert found is not None, "it was listed a moment ago"
    return {**found, "description": read_body(found["description"], kind="note").text}


def _meant(asked: str, known: dict[int, str]) -> list[int]:
    """Return the projects by id; else by number or whole name; else those whose names hold all its words."""
    if asked.startswith("id:"):
        return [number for number in known if asked == f"id:{number}"]
    names = ProjectNames(known.items())
    exact = names.with_number(asked) | names.named(asked)
    if exact:
        return [number for number in known if number in exact]
    if asked.isdecimal() and int(asked) in known:
        return [int(asked)]
    parts = words(asked)
    return [number for number, name in known.items() if parts and all(part in folded(name) for part in parts)]


def _unclear(asked: str, candidates: list[dict[str, Any]]) -> ConfigurationError:
    if not candidates:
        return ConfigurationError(
            f"There is no project {asked!r}.",
            next_step="Give its number, its name, words of its name, or id:NUMBER as in the table projects.",
        )
    lines = [
        f"  id:{row['id']}  {row['name']}{' (archived)' if row['is_archived'] else ''}"
        for row in candidates[:MOST_CANDIDATES]
    ]
    if len(candidates) > MOST_CANDIDATES:
        lines.append(f"  and {len(candidates) - MOST_CANDIDATES} more")
    listed = "\n".join(lines)
    return ConfigurationError(
        f"{len(candidates)} projects may be meant by {asked!r}:\n{listed}\n", next_step="Say which one, as id:NUMBER."
    )
