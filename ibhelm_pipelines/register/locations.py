"""The places of projects as rows: made when the first item is linked with one, dropped with the last link."""

from __future__ import annotations

from typing import TYPE_CHECKING

from psycopg.types.json import Jsonb

from ibhelm_pipelines.db.queries import load_queries
from ibhelm_pipelines.register.buildings import ProjectBuildings
from ibhelm_pipelines.register.deciding import places_of_folders
from ibhelm_pipelines.register.items import folders_below, project_of_file
from ibhelm_pipelines.register.places import Place

if TYPE_CHECKING:
    from collections.abc import Collection, Iterator

    from ibhelm_pipelines.db.connect import Connection
    from ibhelm_pipelines.register.items import Directory
    from ibhelm_pipelines.register.rulebook import RuleBook


def learn_buildings(connection: Connection, directory: Directory, book: RuleBook) -> ProjectBuildings:
    """Return the buildings that folders and tags name as such, and those that people made by hand."""
    sql = load_queries("register")
    told = [*_told_by_folders(connection, directory, book), *_told_by_tags(connection, book)]
    return ProjectBuildings([*told, *connection.execute(sql["manual_buildings"])])


def recall_buildings(connection: Connection) -> ProjectBuildings:
    """Return the buildings that are known from the last time that everything was linked."""
    return ProjectBuildings(connection.execute(load_queries("register")["known_buildings"]))


def ensure_locations(connection: Connection, places: Collection[tuple[int, Place]]) -> dict[tuple[int, Place], int]:
    """Return the row of each place of a project; make what is missing, with what it is a part of."""
    sql = load_queries("register")
    wholes = {(project, each) for project, place in places for each in _wholes(place)}
    rows = [{"project_id": project, **_columns(place)} for project, place in wholes]
    projects = {"projects": sorted({project for project, _ in wholes})}
    connection.execute(sql["make_locations"], {"places": Jsonb(rows)})
    connection.execute(sql["join_locations"], projects)
    return {
        (project, Place(building=building, level=level, room=room)): number
        for number, project, building, level, room in connection.execute(sql["locations"], projects)
    }


def drop_unused_locations(connection: Connection) -> None:
    """Delete what no item is linked with any more; a room before its level."""
    sql = load_queries("register")
    dropped = 1
    while dropped:
        with connection.transaction():
            connection.execute(sql["lock_writing"])
            dropped = connection.execute(sql["drop_unused_locations"]).rowcount


def _told_by_folders(connection: Connection, directory: Directory, book: RuleBook) -> Iterator[tuple[int, str]]:
    for folder, path, chosen in connection.execute(load_queries("register")["directories"]):
        found = project_of_file(folder, path, chosen, directory)
        if found is not None:
            for place in places_of_folders(folders_below(folder, f"{path}/"), book):
                if place.building is not None:
                    yield found[0], place.building


def _told_by_tags(connection: Connection, book: RuleBook) -> Iterator[tuple[int, str]]:
    for project, tag in connection.execute(load_queries("register")["tags_of_projects"]):
        for match in book.matches("place", "tag", tag):
            if match.place is not None and match.place.building is not None:
                yield project, match.place.building


def _wholes(place: Place) -> set[Place]:
    """Return a place and all that it is a part of."""
    building = Place(building=place.building, level=None, room=None)
    return {place, Place(building=place.building, level=place.level, room=None), building}


def _columns(place: Place) -> dict[str, str | None]:
    return {"building": place.building, "level": place.level, "room": place.room}
