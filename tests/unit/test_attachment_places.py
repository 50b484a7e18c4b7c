"""Which project folder labels and subjects name: by whole names and whole numbers, and without doubt, or none."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from ibhelm_pipelines.errors import ConfigurationError
from ibhelm_pipelines.vendors.missive.attachment_places import Mail, Place, Places, ProjectFolders

KITA = "projekte/2304-Kita Lindenhof-MK"
RATHAUS = "projekte/2024-Rathaus Köpenick-HS"
SCHULE = "projekte/24-017 Übergangsschule Weißensee"
ROOMS = "projekte/117 Turnhalle"
HZB = "projekte/HZB"
FOLDERS = (KITA, RATHAUS, SCHULE, ROOMS, HZB, "projekte-erledigt/Ablage", "archiv/Ablage")


def folder_of(*, label: str | None = None, subject: str | None = None) -> str | None:
    folders = ProjectFolders(folder.encode() for folder in FOLDERS)
    labels, subjects = (() if each is None else (each,) for each in (label, subject))
    found = folders.of(Mail(day="", sender="", subject="", labels=labels, subjects=subjects))
    return found.decode() if found is not None else None


@pytest.mark.parametrize(
    ("label", "folder"),
    [
        ("2304-Kita Lindenhof-MK", KITA),
        ("2304-KITA LINDENHOF-mk", KITA),
        ("24-017 UEBERGANGSSCHULE WEISSENSEE", SCHULE),
        ("24-017 U\u0308bergangsschule  Weißensee", SCHULE),
        ("HZB", HZB),
        ("117 Turnhalle", ROOMS),
        ("2304", KITA),
        ("2304 Kita", KITA),
        ("Kita Lindenhof", None),  # not the whole name
        ("HZB Berlin", None),
        ("ausschzbelag", None),  # lesson 15
        ("117", None),  # three digits stand for too much
        ("Ablage", None),  # two folders of this name
        ("2024", None),  # a year
        ("2024-Rathaus", RATHAUS),
        ("2024 rathaus köpenick", RATHAUS),
        ("%", None),
        ("", None),
    ],
)
def test_a_label_names_a_folder_by_its_whole_name_or_number(label: str, folder: str | None) -> None:
    assert folder_of(label=label) == folder


@pytest.mark.parametrize(
    ("subject", "folder"),
    [
        ("AW: 2304 Kita: Angebot", KITA),
        ("[2304] Angebot", KITA),
        ("Angebot zu 2304.", KITA),
        ("2304_Angebot", KITA),
        ("Angebot 24-017, 2. Fassung", SCHULE),
        ("12304", None),
        ("23041", None),
        ("P2304", None),
        ("2304a", None),
        ("2304-2 Nachtrag", None),  # another number
        ("12.2304", None),
        ("24-017.3", None),
        ("24-017-2x", None),
        ("Tel. 030/2304", None),
        ("Rechnung 2024", None),
        ("Rechnung 2024 Rathausstraße", None),
        ("2024-Rathaus: Rechnung", RATHAUS),
        ("Rechnung 2024 zu 2304", KITA),
        ("2304 und 24-017", None),  # which?
        ("Raum 117", None),
        ("HZB", None),  # only labels name by name
        ("２３０４", None),
    ],
)
def test_a_subject_names_a_folder_by_its_whole_number(subject: str, folder: str | None) -> None:
    assert folder_of(subject=subject) == folder


def test_label_and_subject_of_different_projects_leave_it_open() -> None:
    assert folder_of(label="2304", subject="24-017 Angebot") is None
    assert folder_of(label="2304", subject="2304 Angebot") == KITA


@given(st.text(max_size=40), st.text(max_size=40))
def test_a_number_within_another_number_or_word_never_counts(before: str, after: str) -> None:
    near = (before[-1:] if before[-1:].isalnum() else "7", after[:1] if after[:1].isalnum() else "7")
    assert folder_of(subject=f"{before}{near[0]}2304 {after.replace('2304', '')}".replace("24-017", "")) is None
    assert folder_of(subject=f"2304{near[1]}") is None


def places(*folders: str, inbox: str = "IBH-INBOX", depth: int = 2) -> Places:
    return Places([each.encode() for each in folders], general_inbox=inbox, folder_depth=depth)


MAIL = Mail(day="20260306", sender="Müller", subject="Angebot", labels=("2304",))


def test_a_mail_of_a_project_goes_into_the_inbox_of_its_folder() -> None:
    assert places(KITA).of(MAIL) == Place(raw_base=KITA.encode(), below=("IBH-INBOX", "20260306-Müller-Angebot"))


@pytest.mark.parametrize(
    ("inbox", "depth", "path"),
    [
        ("IBH-INBOX", 1, "IBH-INBOX/20260306-Müller-Angebot"),
        ("IBH-INBOX", 2, "IBH-INBOX/2026/20260306-Müller-Angebot"),
        ("IBH-INBOX", 3, "IBH-INBOX/2026/03/20260306-Müller-Angebot"),
        ("büro/Post", 2, "büro/Post/20260306-Müller-Angebot"),
    ],
)
def test_other_mails_go_into_the_general_inbox_and_no_mail_becomes_a_project_folder(
    inbox: str, depth: int, path: str
) -> None:
    place = places(inbox=inbox, depth=depth).of(MAIL)
    assert place.raw_path.decode() == path
    assert len(place.raw_path.split(b"/")) > depth


def test_the_general_inbox_is_no_project() -> None:
    mail = Mail(day="20260306", sender="x", subject="y", labels=("2304",))
    assert places("ibh-inbox/2304").of(mail).raw_base == b""


@pytest.mark.parametrize("inbox", ["", "/x", "x/", "../x", "x/../y", "a\0b", ".versteckt"])
def test_a_general_inbox_that_is_no_folder_of_the_share_is_refused(inbox: str) -> None:
    with pytest.raises(ConfigurationError, match="general inbox"):
        Places([], general_inbox=inbox, folder_depth=2, is_left_out=lambda name: name.startswith("."))


def test_a_general_inbox_above_deep_project_folders_is_refused() -> None:
    with pytest.raises(ConfigurationError, match="at least 2 levels"):
        places(depth=5)
