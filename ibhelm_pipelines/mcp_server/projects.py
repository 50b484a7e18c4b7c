"""What there is to say about a project, by its number, its name or a part of it."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from psycopg.rows import namedtuple_row

from ibhelm_pipelines.db.queries import load_queries
from ibhelm_pipelines.errors import PermanentError
from ibhelm_pipelines.folding import folded, words
from ibhelm_pipelines.mcp_server import answers
from ibhelm_pipelines.project_names import ProjectNames

if TYPE_CHECKING:
    from ibhelm_pipelines.db.connect import Connection
    from ibhelm_pipelines.mcp_server.archive import Archive

MOST_CANDIDATES = 20


class Projects:
    """Projects for assistants.

    Args:
        archive: gives connections, and the newest items.
    """

    def __init__(self, archive: Archive) -> None:
        self._archive = archive
        self._sql = load_queries("mcp")

    def list_project(self, asked: str) -> answers.ProjectAnswer:
        """Return the project that is meant, or those that may be.

        Raises:
            PermanentError: there is none of this number or name.
            DatabaseUnavailableError: Postgres does not answer.
        """
        with self._archive.connected() as connection:
            known = {row.id: row.name for row in self._rows(connection, "projects")}
            meant = _meant(asked, known)
            if not meant:
                raise PermanentError(
                    f"There is no project `{asked[:100]}`.",
                    next_step="Ask with its number or a part of its name; `search` finds items that name it.",
                )
            if len(meant) == 1:
                return answers.ProjectAnswer(project=self._project(connection, meant[0]), candidates=())
        named = (answers.ProjectName(id=f"project:{number}", name=known[number]) for number in meant[:MOST_CANDIDATES])
        return answers.ProjectAnswer(project=None, candidates=tuple(named))

    def _project(self, connection: Connection, number: int) -> answers.Project:
        [row] = self._rows(connection, "project", id=number)
        newest = [each.id for each in self._rows(connection, "newest_of_project", id=number)]
        participants = self._rows(connection, "participants", id=number)
        return answers.Project(
            **{**row._asdict(), "id": f"project:{number}"},
            participants=tuple(answers.Participant(**each._asdict()) for each in participants),
            counts=dict(self._rows(connection, "counts", id=number)),
            cost_groups=tuple(
                answers.Count(label=label, count=count)
                for label, count in self._rows(connection, "cost_groups_of_project", id=number)
            ),
            newest=self._archive.items(connection, newest),
        )

    def _rows(self, connection: Connection, query: str, **values: object) -> list[Any]:
        with connection.cursor(row_factory=namedtuple_row) as cursor:
            return cursor.execute(self._sql[query], values).fetchall()


def _meant(asked: str, known: dict[int, str]) -> list[int]:
    """Return the projects by id; else by number or whole name; else those whose names hold all its words."""
    asked = asked.strip()
    if asked.startswith("project:"):
        return [number for number in known if asked == f"project:{number}"]
    names = ProjectNames(known.items())
    exact = names.with_number(asked) | names.named(asked)
    if exact:
        return [number for number in known if number in exact]
    parts = words(asked)
    if not parts:
        return []
    return [number for number, name in known.items() if all(part in folded(name) for part in parts)]
