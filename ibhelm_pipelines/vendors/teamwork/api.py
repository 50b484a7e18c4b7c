"""What is asked of Teamwork, and what its answers mean: pages of a list, or one thing.

An answer that does not hold what was asked for is an error, never an empty list (lesson 1).
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

from ibhelm_pipelines.errors import ConfigurationError, VendorUnavailableError
from ibhelm_pipelines.vendors.budget import Budget
from ibhelm_pipelines.vendors.http import Answer, VendorClient
from ibhelm_pipelines.vendors.teamwork.fields import Row, identifier, reference
from ibhelm_pipelines.vendors.teamwork.records import CUSTOM_VALUES
from ibhelm_pipelines.vendors.teamwork.resources import V3, Resource

if TYPE_CHECKING:
    import datetime as dt
    from collections.abc import Iterator, Mapping

    from ibhelm_pipelines.settings import Settings


@dataclass(frozen=True, kw_only=True)
class Page:
    """Rows of one answer.

    Attributes:
        read_at: when it was asked for, by our database's clock.
        vendor_time: the same by Teamwork's clock, where it says.
        count: how many rows the whole list has, where it says.
        projects_of_lists: by id of the task list, as far as they came along.
    """

    rows: list[Row]
    read_at: dt.datetime
    vendor_time: dt.datetime | None
    count: int | None = None
    has_more: bool = False
    projects_of_lists: Mapping[int, int | None] = field(default_factory=dict)


class Api:
    """One session with Teamwork; a context manager. Errors are those of `VendorClient`."""

    def __init__(self, settings: Settings) -> None:
        url, token = require_access(settings)
        self.site = url
        self.requests = 0
        self._budget = Budget(
            settings.require_database_url(), vendor="teamwork", requests=settings.teamwork_requests_per_minute
        )
        # The key is the name; the password may be anything.
        self.client = VendorClient(vendor="teamwork", base_url=url, auth=(token, "x"), budget=self._budget)

    def __enter__(self) -> Api:
        return self

    def __exit__(self, *_: object) -> None:
        self.client.close()
        self._budget.close()

    def pages(self, resource: Resource, parameters: Mapping[str, str] | None = None) -> Iterator[Page]:
        """Yield the list page by page, as it is while it is read: rows may move from page to page meanwhile.

        Raises:
            VendorUnavailableError: also where a page brings nothing new, and says that there is more: going on might
                never end, and ending would lose what follows.
        """
        number, has_more, seen = 1, True, set[int | None]()
        while has_more:
            asked = {
                **resource.parameters,
                **(parameters or {}),
                "page": str(number),
                "pageSize": str(resource.page_rows),
            }
            answer = self._get(f"{resource.path}.json", asked)
            page = _page_v1(resource, answer, number) if resource.v1 else _page(resource, answer)
            ids = {identifier(row["id"]) for row in page.rows}
            if page.has_more and ids <= seen:
                raise _not_understood(resource, f"anything new on page {number}, and says that there is more")
            yield page
            seen |= ids
            number, has_more = number + 1, page.has_more

    def one(self, resource: Resource, number: int) -> Page:
        """Return one thing as a page of one row.

        Raises:
            VendorMissingError: Teamwork does not know it.
        """
        answer = self._get(resource.single_path(number), resource.single_parameters)
        row = next((answer.body[key] for key in resource.single_keys if isinstance(answer.body.get(key), dict)), None)
        if row is None or identifier(row.get("id")) != number:
            raise _not_understood(resource, f"one of {', '.join(resource.single_keys)} with the id {number}")
        return _with_included(answer, [row], has_more=False)

    def custom_values(self, task: int) -> list[Row]:
        """Return what a task says in custom fields, from the one place that never leaves some out."""
        answer = self._get(f"{V3}/tasks/{task}/customfields.json", {})
        return list(answer.body.get(CUSTOM_VALUES) or answer.body.get("customfields") or ())

    def _get(self, path: str, parameters: Mapping[str, str]) -> Answer:
        self.requests += 1
        return self.client.get(path, parameters)


def require_access(settings: Settings) -> tuple[str, str]:
    """Return the address and the token of Teamwork.

    Raises:
        ConfigurationError: there is none, or what must be left out is not said (lesson 45).
    """
    if settings.teamwork_token is None or not settings.teamwork_url:
        raise ConfigurationError(
            "Teamwork is not connected: IBHELM_TEAMWORK_URL or IBHELM_TEAMWORK_TOKEN is not set.",
            next_step="Set both, or leave both out.",
        )
    if settings.teamwork_excluded_projects is None or settings.teamwork_excluded_companies is None:
        raise ConfigurationError(
            "It is not said which projects and companies of Teamwork stay out, so nothing is read.",
            next_step="Set IBHELM_TEAMWORK_EXCLUDED_PROJECTS and IBHELM_TEAMWORK_EXCLUDED_COMPANIES to their ids, or"
            " to `none`.",
        )
    return settings.teamwork_url.rstrip("/"), settings.teamwork_token.get_secret_value()


def _page(resource: Resource, answer: Answer) -> Page:
    meta = (answer.body.get("meta") or {}).get("page")
    rows = answer.body.get(resource.key)
    count = meta.get("count") if isinstance(meta, dict) else None
    if rows is None and meta is not None and not meta.get("hasMore") and not count:
        rows = []  # an empty list may be null, or missing; then its page says so
    has_more = bool(meta.get("hasMore")) if meta is not None else len(rows or ()) >= resource.page_rows
    return _with_included(answer, _rows(resource, rows), count=count, has_more=has_more)


def _page_v1(resource: Resource, answer: Answer, number: int) -> Page:
    pages = answer.headers.get("X-Pages", "")
    rows = answer.body.get(resource.key)
    if rows is None and answer.headers.get("X-Records") == "0":
        rows = []  # as in v3
    rows = _rows(resource, rows)
    more = number < int(pages) if pages.isdigit() else len(rows) >= resource.page_rows
    return _with_included(answer, rows, has_more=more)


def _rows(resource: Resource, rows: Any) -> list[Row]:
    if not isinstance(rows, list) or not all(isinstance(row, dict) and identifier(row.get("id")) for row in rows):
        raise _not_understood(resource, f"a list {resource.key}")
    return rows


def _not_understood(resource: Resource, wanted: str) -> VendorUnavailableError:
    return VendorUnavailableError(
        f"Teamwork's answer to {resource.path} does not hold {wanted}.",
        next_step="It is tried again; nothing was concluded from it.",
    )


def _with_included(answer: Answer, rows: list[Row], *, has_more: bool, count: int | None = None) -> Page:
    included = answer.body.get("included") or {}
    values: dict[int | None, list[Row]] = {}
    for value in (included.get(CUSTOM_VALUES) or {}).values():
        values.setdefault(reference(value, "taskId", "task"), []).append(value)
    lists = {
        identifier(row.get("id")): reference(row, "projectId", "project")
        for row in (included.get("tasklists") or {}).values()
    }
    return Page(
        rows=[{**row, CUSTOM_VALUES: mine} if (mine := values.get(identifier(row["id"]))) else row for row in rows],
        read_at=answer.read_at,
        vendor_time=answer.vendor_time,
        count=count if isinstance(count, int) else None,
        has_more=has_more,
        projects_of_lists={each: project for each, project in lists.items() if each is not None},
    )
