"""What of Teamwork stays out: projects and companies that the settings name. Whatever is unclear stays out too.

An exclusion list that was lost once meant that private projects were stored (lesson 45). So the settings must say it,
`none` included; an id that Teamwork never showed stops everything, for it may be a mistyped one; and with exclusions in
force a row is stored only if its project is known to be none of them.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from ibhelm_pipelines.db.connect import translated_errors
from ibhelm_pipelines.db.queries import load_queries
from ibhelm_pipelines.errors import ConfigurationError, VendorUnavailableError
from ibhelm_pipelines.vendors.teamwork.fields import Row, reference

if TYPE_CHECKING:
    from collections.abc import Collection, Iterator, Mapping, Sequence

    from ibhelm_pipelines.db.connect import Connection
    from ibhelm_pipelines.settings import Settings
    from ibhelm_pipelines.vendors.teamwork.api import Page
    from ibhelm_pipelines.vendors.teamwork.resources import Resource

NONE = "none"

OF_THE_WHOLE_SITE = ("teams", "tags", "custom_fields")
"""Lists whose rows may belong to no project."""

_PURGES = (
    "purge_comments", "purge_time_entries", "purge_tasks", "purge_task_lists", "purge_milestones", "purge_projects",
    "purge_raw",
)  # fmt: skip


@dataclass(frozen=True, kw_only=True)
class Policy:
    """What stays out, as the settings say."""

    projects: frozenset[int]
    companies: frozenset[int]

    @classmethod
    def of(cls, settings: Settings) -> Policy:
        """Read the settings.

        Raises:
            ConfigurationError: an entry is no id.
        """
        return cls(
            projects=_ids("IBHELM_TEAMWORK_EXCLUDED_PROJECTS", settings.teamwork_excluded_projects or ()),
            companies=_ids("IBHELM_TEAMWORK_EXCLUDED_COMPANIES", settings.teamwork_excluded_companies or ()),
        )

    def excludes_project(self, row: Row) -> bool:
        """Return whether a project stays out, by itself or by its company."""
        return reference(row, "id") in self.projects or reference(row, "companyId", "company") in self.companies

    def require_known(self, what: str, named: Collection[int], seen: Collection[int]) -> None:
        """Stop when an id that stays out is none that Teamwork ever showed.

        Raises:
            ConfigurationError: there is such an id.
        """
        unknown = sorted(set(named) - set(seen))
        if unknown:
            ids = ", ".join(map(str, unknown))
            raise ConfigurationError(
                f"IBHELM_TEAMWORK_EXCLUDED_{what.upper()} names {ids}, which Teamwork does not show.",
                next_step="Correct it, or take it out. Until then nothing is read, lest a private project be stored.",
            )


class Gate:
    """Lets rows pass whose project does not stay out."""

    def __init__(self, connection: Connection, policy: Policy) -> None:
        self._connection = connection
        self._policy = policy
        self._sql = load_queries("teamwork")
        self._out: set[int] = set()

    def inspect(self, resource: Resource, pages: Iterator[Page]) -> Iterator[Page]:
        """Pass pages on; those of companies and projects only when all are known to be what the settings mean.

        Raises:
            ConfigurationError: an id that stays out is none that Teamwork shows, now or before.
        """
        named = {"companies": self._policy.companies, "projects": self._policy.projects}.get(resource.name)
        if not named and resource.name != "projects":
            yield from pages
            return
        whole = list(pages)
        rows = [row for page in whole for row in page.rows]
        if resource.name == "projects":
            self._out = {reference(row, "id") or 0 for row in rows if self._policy.excludes_project(row)}
        before = self.excluded_before() if resource.name == "projects" else set()
        self._policy.require_known(resource.name, named or (), {reference(row, "id") or 0 for row in rows} | before)
        yield from whole

    def remember(self, resource: Resource) -> None:
        """Once projects were read, write down which stay out, and delete what was stored of them before."""
        if resource.name != "projects":
            return
        excluded = self._out | self._policy.projects
        self._connection.execute(self._sql["drop_included_projects"], {"ids": sorted(excluded)})
        self._connection.execute(self._sql["exclude_projects"], {"ids": sorted(excluded)})
        for name in _PURGES if excluded else ():
            self._connection.execute(self._sql[name])

    def pass_rows(self, resource: Resource, page: Page) -> list[Row]:
        """Return the rows of a page that may be stored.

        Raises:
            VendorUnavailableError: which projects stay out is not known before the directory was read.
        """
        rows = [row for row in page.rows if resource.wants(row)]
        if not (self._policy.projects or self._policy.companies):
            return rows
        if resource.name == "companies":
            return [row for row in rows if reference(row, "id") not in self._policy.companies]
        if resource.name == "people":
            return [row for row in rows if reference(row, "companyId", "company") not in self._policy.companies]
        if resource.name == "projects":
            return [row for row in rows if not self._policy.excludes_project(row)]
        if resource.name in ("teams", "tags", "custom_fields"):
            return [
                row
                for row in rows
                if (project := reference(row, "projectId", "project")) is None or self._allows([project])
            ]
        projects = self._projects(resource, rows, page.projects_of_lists)
        allowed = self._allows([each for each in projects if each is not None])
        return [row for row, project in zip(rows, projects, strict=True) if project in allowed]

    def excluded_before(self) -> set[int]:
        """Return the projects that stayed out so far."""
        with translated_errors():
            return {number for (number,) in self._connection.execute(self._sql["excluded_projects"])}

    def _projects(self, resource: Resource, rows: Sequence[Row], lists: Mapping[int, int | None]) -> list[int | None]:
        if resource.name == "tasks":
            of_rows = [reference(row, "tasklistId", "tasklist") for row in rows]
            known = {**lists, **self._pairs("list_projects", of_rows)}
            return [known.get(each) if each is not None else None for each in of_rows]
        if resource.name == "comments":
            tasks = [reference(row, "objectId", "object") for row in rows]
            known = self._pairs("task_projects", tasks)
            return [
                reference(row, "projectId", "project") or (known.get(task) if task is not None else None)
                for row, task in zip(rows, tasks, strict=True)
            ]
        return [reference(row, "projectId", "project") for row in rows]

    def _allows(self, projects: Collection[int]) -> set[int]:
        """Return those of these projects that are known, and known not to stay out."""
        if not self._directory_was_read():
            raise VendorUnavailableError(
                "Which projects of Teamwork stay out is known only when its directory was read.",
                next_step="Materialise teamwork_directory, or run `ibhelm sync teamwork`.",
            )
        known: set[int] = {number for (number,) in self._rows("known_projects", projects)}
        return known - self.excluded_before() - self._policy.projects

    def _directory_was_read(self) -> bool:
        with translated_errors():
            [(was_read,)] = self._connection.execute(self._sql["directory_was_read"]).fetchall()
        return bool(was_read)

    def _pairs(self, name: str, ids: Collection[int | None]) -> dict[int, int | None]:
        return dict(self._rows(name, ids))

    def _rows(self, name: str, ids: Collection[int | None]) -> list[tuple[Any, ...]]:
        with translated_errors():
            return self._connection.execute(self._sql[name], {"ids": [each for each in ids if each]}).fetchall()


def _ids(variable: str, entries: Sequence[str]) -> frozenset[int]:
    if tuple(entries) == (NONE,):
        return frozenset()
    wrong = [entry for entry in entries if not entry.isdigit()]
    if wrong:
        raise ConfigurationError(
            f"{variable} holds {wrong[0]!r}, which is no id.",
            next_step=f"Write ids separated by commas, or `{NONE}`. The id stands in the address of a project's page.",
        )
    return frozenset(map(int, entries))
