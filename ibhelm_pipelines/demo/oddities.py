"""What makes a real share hard: junk that must stay out, and files that are broken, locked, empty or oddly named."""

from __future__ import annotations

import base64
import datetime as dt
import unicodedata
from dataclasses import replace
from random import Random

from ibhelm_pipelines.demo import letters, pictures
from ibhelm_pipelines.demo.model import LAST_DAY, OfficeFile, Place, Project
from ibhelm_pipelines.demo.register_truth import UNNUMBERED, UNNUMBERED_BUILDING, UNNUMBERED_FOLDER

MAX_NAME_BYTES = 255

# What Synology, macOS, Windows and the CAD programs leave behind. All are left out by the default ignore rules.
JUNK = (
    "@eaDir/Plan.pdf/SYNOPHOTO_THUMB_M.jpg",
    "#recycle/Angebot alt.pdf",
    "@tmp/upload.bin",
    "#snapshot/GMT-2026.01.01/Protokoll.pdf",
    ".SynologyWorkingDirectory/state",
    ".DS_Store",
    "._Grundriss EG.pdf",
    "Thumbs.db",
    "~$Angebot.docx",
    "~WRL0001.tmp",
    "Grundriss EG.dwl",
    "Grundriss EG.dwl2",
    "Plan.pdf.partial",
)

# One page behind the password "geheim". Ready-made, because encryption draws random numbers.
_LOCKED_PDF = base64.b64decode(
    "JVBERi0xLjcKJcK1wrYKCjEgMCBvYmoKPDwvVHlwZS9DYXRhbG9nL1BhZ2VzIDIgMCBSPj4KZW5kb2JqCgoyIDAgb2JqCjw8L1R5cGUvUGFn"
    "ZXMvQ291bnQgMS9LaWRzWzQgMCBSXT4+CmVuZG9iagoKMyAwIG9iago8PC9Gb250PDwvaGVsdiA1IDAgUj4+Pj4KZW5kb2JqCgo0IDAgb2Jq"
    "Cjw8L1R5cGUvUGFnZS9NZWRpYUJveFswIDAgNTk1IDg0Ml0vUm90YXRlIDAvUmVzb3VyY2VzIDMgMCBSL1BhcmVudCAyIDAgUi9Db250ZW50"
    "c1s2IDAgUl0+PgplbmRvYmoKCjUgMCBvYmoKPDwvVHlwZS9Gb250L1N1YnR5cGUvVHlwZTEvQmFzZUZvbnQvSGVsdmV0aWNhL0VuY29kaW5n"
    "L1dpbkFuc2lFbmNvZGluZz4+CmVuZG9iagoKNiAwIG9iago8PC9MZW5ndGggMTEyL0ZpbHRlci9GbGF0ZURlY29kZT4+CnN0cmVhbQq8ja/Z"
    "GEqFiaxRFzaDIx7fRPSZ6IBId9GecMIlTUsoM1kUlWEMtVdvtojKuxvy2cNFVOnKGfZcvKEz+OYOiKhqdAUZy3vgfcIbk1ufAhxtzPpqgukL"
    "wG65Kjg7hHeS+bFI+rFaxnN+2dXRgH5zu1mBCmVuZHN0cmVhbQplbmRvYmoKCnhyZWYKMCA3CjAwMDAwMDAwMDAgNjU1MzUgZiAKMDAwMDAw"
    "MDAxNiAwMDAwMCBuIAowMDAwMDAwMDYyIDAwMDAwIG4gCjAwMDAwMDAxMTQgMDAwMDAgbiAKMDAwMDAwMDE1NSAwMDAwMCBuIAowMDAwMDAw"
    "MjYyIDAwMDAwIG4gCjAwMDAwMDAzNTEgMDAwMDAgbiAKCnRyYWlsZXIKPDwvU2l6ZSA3L1Jvb3QgMSAwIFIvSURbPEVGQURGM0M2NjFBRkUy"
    "MzM1QjQxNTExMEJDQjk4MzhCPjw0NEFFRjE4QTIzQjZFMjQyMUI0QUEzRTk1NEM2NjQ4Mz5dL0VuY3J5cHQ8PC9GaWx0ZXIvU3RhbmRhcmQv"
    "UiA0L1YgNC9MZW5ndGggMTI4L1AgLTQvRW5jcnlwdE1ldGFkYXRhIHRydWUvU3RtRi9TdGRDRi9TdHJGL1N0ZENGL0NGPDwvU3RkQ0Y8PC9B"
    "dXRoRXZlbnQvRG9jT3Blbi9DRk0vQUVTVjIvTGVuZ3RoIDE2Pj4+Pi9PPEE5M0VFRjA5QTAzOEFFRjFGOUYyRTRDODkwMTBFMUIwRkE2QjI1"
    "N0E2RjE4RDdGOUQ0NDE0Q0QxQjJDQUJGMzQ+L1U8QkM1MTUxNTk2QTNBN0MxNzIxMjI3ODM2MzEwQ0FCQ0QyOEJGNEU1RTRFNzU4QTQxNjQw"
    "MDRFNTZGRkZBMDEwOD4+Pj4+CnN0YXJ0eHJlZgo1MzIKJSVFT0YK"
)


def _odd(name: str, data: bytes, day: dt.date, *, kind: str = "Notiz", defect: str | None = None) -> OfficeFile:
    return OfficeFile(folder="IBH-INBOX", name=name, data=data, kind=kind, day=day, defect=defect)


def _long_name() -> str:
    """As many bytes as a name may have; umlauts count double."""
    stem = "Übergabeprotokoll Lüftungsanlage mit Anlagen Prüfberichte Brandschutzklappen Einregulierung und Fotos "
    suffix = ".txt"
    stem = (stem * 3).encode()[: MAX_NAME_BYTES - len(suffix)].decode(errors="ignore")
    return stem.ljust(MAX_NAME_BYTES - len(suffix) - len(stem.encode()) + len(stem), "x") + suffix


def odd_files(project: Project, rng: Random) -> list[OfficeFile]:
    """One of each kind of difficult file."""
    day = project.day(rng)
    photo, offer = pictures.photos(project, rng)[0], letters.offer(project, rng)[0]
    twin = "Übersicht Kälteanlage (Größe).txt"
    return [
        _odd("leer.pdf", b"", day, defect="empty"),
        _odd("defekt.pdf", b"%PDF-1.6\n" + rng.randbytes(4000), day, kind="Angebot", defect="broken"),
        _odd("Honorarvertrag (Passwort bei Projektleitung).pdf", _LOCKED_PDF, day, kind="Vertrag", defect="encrypted"),
        _odd("abgebrochen.jpg", photo.data[: len(photo.data) // 3], day, kind="Foto", defect="broken"),
        _odd(unicodedata.normalize("NFC", twin), b"in NFC, von Windows\n", day),
        _odd(unicodedata.normalize("NFD", twin), b"in NFD, vom Mac\n", day),
        _odd(_long_name(), b"langer Name\n", day),
        replace(offer, folder="IBH-INBOX", name="Angebot [Entwurf] (1)  zwei  Leerzeichen.pdf"),
        _odd("100 % Dämmung; Größe & Maß 'neu' #3.txt", b"Sonderzeichen\n", day),
        _odd("LIESMICH", b"ohne Endung\n", day),
    ]


def misfiled_files(projects: list[Project]) -> list[tuple[str, str | None, OfficeFile]]:
    """Files in folders that are hard to tell a project of: where, of which project (None: of none), and the file.

    A folder without a number whose name people and Macs wrote otherwise, one that only resembles a project, and the
    second folder of a finished project.
    """
    finished = next(project for project in projects if project.finished)
    unnumbered = unicodedata.normalize("NFD", UNNUMBERED_FOLDER)
    hall, building = Place(building=UNNUMBERED_BUILDING, level="EG"), Place(building=finished.site.buildings[0])
    return [
        (f"{unnumbered}/03_Planung/KGR 434 Kälte", UNNUMBERED, _plain("Messreihe 1.txt", cost_group=434)),
        (f"{unnumbered}/05_Fotos/{hall.folder}", UNNUMBERED, _plain("Aufbau.txt", place=hall)),
        (f"projekte/{projects[0].site.name} alt/03_Planung/KGR 420 Heizung", None, _plain("Alt.txt", cost_group=420)),
        (f"projekte/{finished.name}/09_Schriftverkehr", finished.number, _plain("Nachlauf.txt")),
        (f"projekte/{finished.name}/05_Fotos/{building.folder}", finished.number, _plain("Mangel.txt", place=building)),
    ]


def _plain(name: str, *, cost_group: int | None = None, place: Place | None = None) -> OfficeFile:
    data = f"{name} liegt in einem Ordner, dessen Projekt schwer zu erkennen ist.\n".encode()
    return OfficeFile(folder="", name=name, data=data, kind="Notiz", day=LAST_DAY, cost_group=cost_group, place=place)
