"""The OpenAPI description of the JSON API, made of the very types that it returns, so that the two cannot differ."""

from __future__ import annotations

from dataclasses import dataclass
from functools import cache
from importlib.metadata import version
from typing import TYPE_CHECKING, Any, Literal

from pydantic import TypeAdapter

from ibhelm_pipelines.search.results import Detail, Hit, Results
from ibhelm_pipelines.web.desk import LONGEST_QUERY
from ibhelm_pipelines.web.refusals import Refusal
from ibhelm_pipelines.web.saved import LONGEST_NAME, SavedSearch

if TYPE_CHECKING:
    from collections.abc import Mapping

MOST_HITS = 100


@dataclass(frozen=True, kw_only=True)
class Similar:
    """Documents that mean nearly the same as another one."""

    hits: tuple[Hit, ...]


@dataclass(frozen=True, kw_only=True)
class Completions:
    """How a word that was begun may go on, the most frequent first."""

    completions: tuple[str, ...]


@dataclass(frozen=True, kw_only=True)
class SavedList:
    """The searches that the office keeps, by name."""

    searches: tuple[SavedSearch, ...]


@dataclass(frozen=True, kw_only=True)
class NewSavedSearch:
    """A search to keep; its name must be new."""

    name: str
    query: str


_Mode = Literal["validation", "serialization"]

_Schema = dict[str, Any]

_TYPES: Mapping[type, _Mode] = {
    Results: "serialization",
    Detail: "serialization",
    Similar: "serialization",
    Completions: "serialization",
    SavedList: "serialization",
    SavedSearch: "serialization",
    Refusal: "serialization",
    NewSavedSearch: "validation",
}

_REFUSED = {
    401: "Not signed in, or no valid token",
    403: "A session without its CSRF token",
    404: "Not there, or not any more",
    409: "The name is taken",
    413: "The body is larger than 64 KiB",
    422: "A parameter is missing or wrong",
    429: "Too many requests; Retry-After says when to come again",
    503: "Postgres does not answer, or the search is not set up",
}
_ALWAYS = (401, 429, 503)


@cache
def description() -> _Schema:
    """Return the whole description, OpenAPI 3.1."""
    ways_in: list[dict[str, list[str]]] = [{"token": []}, {"session": []}]
    return {
        "openapi": "3.1.0",
        "info": {
            "title": "IBHelm search",
            "version": version("ibhelm-pipelines"),
            "description": "Search over the office's files, mails, comments and tasks. Sentences in errors are German.",
            "license": {"name": "AGPL-3.0-or-later", "identifier": "AGPL-3.0-or-later"},
        },
        "servers": [{"url": "/"}],
        "security": ways_in,
        "paths": _paths(),
        "components": {"schemas": _schemas(), "securitySchemes": _security()},
    }


def _paths() -> _Schema:
    q = _query("q", {"type": "string", "maxLength": LONGEST_QUERY}, "What is looked for, as typed", required=True)
    limit = {"type": "integer", "minimum": 1, "maximum": MOST_HITS}
    limits = [_query("limit", {**limit, "default": count}, "How many hits at most") for count in (20, 10)]
    cursor = _query("cursor", {"type": "string"}, "`cursor` of the page before")
    one = [_path_id("document_id of a hit")]
    return {
        "/api/search": {"get": _operation("Search", Results, [q, limits[0], cursor], refused=(422,))},
        "/api/documents/{id}": {"get": _operation("All about one document", Detail, one, refused=(404,))},
        "/api/documents/{id}/similar": {
            "get": _operation("Documents like one", Similar, [*one, limits[1]], refused=(404, 422))
        },
        "/api/suggest": {"get": _operation("Complete the last word", Completions, [q], refused=(422,))},
        "/api/saved": {
            "get": _operation("Searches that are kept", SavedList, []),
            "post": {
                **_operation("Keep a search", SavedSearch, [], status=201, refused=(403, 409, 413, 422)),
                "requestBody": {"required": True, "content": _json(NewSavedSearch)},
            },
        },
        "/api/saved/{id}": {
            "delete": _operation("Forget a search", None, [_path_id("id of a search")], status=204, refused=(403, 404))
        },
    }


def _operation(
    summary: str, answer: type | None, parameters: list[_Schema], *, status: int = 200, refused: tuple[int, ...] = ()
) -> _Schema:
    good: _Schema = {"description": summary} if answer is None else {"description": summary, "content": _json(answer)}
    bad = {
        str(code): {"description": _REFUSED[code], "content": _json(Refusal)} for code in sorted({*refused, *_ALWAYS})
    }
    return {"summary": summary, "parameters": parameters, "responses": {str(status): good, **bad}}


def _query(name: str, schema: _Schema, says: str, *, required: bool = False) -> _Schema:
    return {"name": name, "in": "query", "required": required, "description": says, "schema": schema}


def _path_id(says: str) -> _Schema:
    schema = {"type": "integer", "format": "int64", "minimum": 1}
    return {"name": "id", "in": "path", "required": True, "description": says, "schema": schema}


def _json(kind: type) -> _Schema:
    return {"application/json": {"schema": {"$ref": f"#/components/schemas/{kind.__name__}"}}}


def _schemas() -> _Schema:
    asked = [(kind.__name__, mode, TypeAdapter[Any](kind)) for kind, mode in _TYPES.items()]
    _, schema = TypeAdapter.json_schemas(asked, ref_template="#/components/schemas/{model}")
    found: _Schema = schema["$defs"]
    found["NewSavedSearch"]["properties"]["name"] |= {"minLength": 1, "maxLength": LONGEST_NAME}
    found["NewSavedSearch"]["properties"]["query"] |= {"minLength": 1, "maxLength": LONGEST_QUERY}
    return found


def _security() -> _Schema:
    return {
        "token": {"type": "http", "scheme": "bearer", "description": "IBHELM_API_TOKEN"},
        "session": {
            "type": "apiKey",
            "in": "cookie",
            "name": "ibhelm_web",
            "description": "Who is signed in; POST and DELETE need the header X-CSRF-Token as well. With https the"
            " cookie is called __Host-ibhelm_web.",
        },
    }
