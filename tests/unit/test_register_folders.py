"""Project folders and texts find their project by number, whole name or mapping, and never by a part of a word."""

from __future__ import annotations

import unicodedata

import pytest

from ibhelm_pipelines.project_names import ProjectNames, read_name
from ibhelm_pipelines.register.folders import FolderMappings, join_folders


def _projects(*names: str) -> list[tuple[int, str]]:
    return list(enumerate(names, 1))


def _project_of(folder: str, *projects: str, mapped: dict[str, int] | None = None) -> tuple[int | None, str | None]:
    link = join_folders([folder], _projects(*projects), FolderMappings(mapped or {}))[folder]
    assert (link.project is None) == (link.reason is not None)
    return link.project, link.rule


@pytest.mark.parametrize(
    ("folder", "project"),
    [
        ("projekte/2301-Kita Lindenhof-MK", "2301 Kita Lindenhof"),
        ("projekte/2301_Kita", "2301 Kita Lindenhof"),
        ("projekte/2301", "2301 Kita Lindenhof"),
        ("projekte/2301.2-Kita BA2", "2301-2 Kita Lindenhof BA 2"),
        ("projekte-erledigt/2023015-Museum", "2023015 Museumshöfe"),
    ],
)
def test_a_folder_belongs_to_the_project_with_its_number(folder: str, project: str) -> None:
    assert _project_of(folder, "9999 Anderes", project) == (2, "Nummer")


@pytest.mark.parametrize(
    "folder",
    [
        "projekte/HZB Kälte",
        "projekte/hzb kaelte",
        "projekte/" + unicodedata.normalize("NFD", "HZB KÄLTE"),
        "projekte/HZB_Kälte",
        "projekte/HZB  Kälte ",
    ],
)
def test_a_folder_without_number_belongs_to_the_project_of_its_whole_name(folder: str) -> None:
    assert _project_of(folder, "2401 Museum", "2406 HZB Kälte") == (2, "Name")


@pytest.mark.parametrize(
    "folder",
    [
        "projekte/ausschzbelag",
        "projekte/HZB",
        "projekte/HZB Kälte alt",
        "projekte/23011-Kita",
        "projekte/12301-Kita",
        "projekte/2301a Kita",
        "projekte/2301-1 Kita",
        "projekte/01 Kita",
        "projekte/_",
        "projekte/%",
        "projekte/2207-HZB Kälte",
    ],
)
def test_parts_of_words_and_numbers_prove_nothing(folder: str) -> None:
    assert _project_of(folder, "2301 Kita Lindenhof", "2406 HZB Kälte", "01 Büro") == (None, None)


def test_where_two_projects_fit_none_is_taken_unless_the_whole_name_tells_them_apart() -> None:
    assert _project_of("projekte/2301-Umbau", "2301 Kita", "2301 Rathaus") == (None, None)
    assert _project_of("projekte/2301 Rathaus", "2301 Kita", "2301 Rathaus") == (2, "Name")
    assert _project_of("projekte/Kita Lindenhof", "2301 Kita Lindenhof", "2501 Kita Lindenhof") == (None, None)


def test_a_mapping_wins_and_holds_for_all_below_it() -> None:
    mapped = {"projekte/Alt": 1, "projekte/Alt/Rathaus": 2}
    assert _project_of("projekte/Alt", "2301 Kita", "2302 Rathaus", mapped=mapped) == (1, "Zuordnung")
    mappings = FolderMappings(mapped)
    assert mappings.project_of("projekte/Alt/Rathaus/Pläne") == 2
    assert mappings.project_of("projekte/Alt/Rathaus alt") == 1
    assert mappings.project_of("projekte/Altes") is None
    assert _project_of("projekte/2302-x", "2301 Kita", "2302 Rathaus", mapped={"projekte/2302-x": 1})[0] == 1


@pytest.mark.parametrize(
    ("subject", "projects"),
    [
        ("2301 Lüftung - Rückfrage", {1}),
        ("AW: WG: [2301] Planstand", {1}),
        ("2301-Kita Lindenhof-MK Nachtrag 3", {1}),
        ("Projekte 2301 und 2406", {1, 2}),
        ("Ihre Bestellung 45002301", set()),
        ("Rechnung 2301/17", set()),
        ("Zahlungserinnerung über 2301,50 EUR", set()),
        ("Abschlag 2301 EUR, 2301 €", set()),
        ("Leistung 2301 kW", set()),
        ("Angebot A2301", set()),
        ("Jahresabschluss 2024", set()),
        ("2024 Museum: Planung", {3}),
    ],
)
def test_a_number_names_its_project_where_it_stands_by_itself(subject: str, projects: set[int]) -> None:
    names = ProjectNames(_projects("2301 Kita Lindenhof", "2406 HZB Kälte", "2024 Museum", "430 Umbau"))
    assert names.numbered_in(subject) == projects


def test_a_name_counts_in_a_subject_as_a_whole_and_the_longer_one_wins() -> None:
    names = ProjectNames(_projects("2301 Kita Lindenhof", "2501 Kita Lindenhof Erweiterung", "2601 Labor"))
    assert names.named_in("BV Kita Lindenhof: Terminverschiebung") == {1}
    assert names.named_in("Kita Lindenhof Erweiterung, Pläne") == {2}
    assert names.named_in("Kita am Lindenhof; Laborbau, Labor") == set()
    assert ProjectNames(_projects("2301 Kita Süd", "2501 Kita Süd")).named_in("BV Kita Süd") == set()


def test_the_number_of_a_name_has_three_digits_at_least() -> None:
    assert read_name("00_Projektorganisation").number == ""
    assert read_name("230-1 Kita").number == "230.1"
    assert read_name("2301").rest == ()
