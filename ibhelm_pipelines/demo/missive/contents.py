"""The bytes of attachments: made from a few words each time they are wanted, or taken from files of a NAS.

A content has a name such as `invoice:3` (the invoice of the fourth project), `logo:1` or `nas:5`; the same name is the
same bytes in any mail, so a few dozen contents serve thousands of mails. Nothing is made before somebody asks for it.
"""

from __future__ import annotations

import hashlib
import io
import mimetypes
import threading
from collections.abc import Callable
from dataclasses import dataclass
from functools import cache, lru_cache
from pathlib import PurePosixPath
from random import Random
from typing import TYPE_CHECKING

from PIL import Image, ImageDraw

from ibhelm_pipelines.demo import drawings, letters, papers, pictures
from ibhelm_pipelines.demo.model import Recipe, make_projects
from ibhelm_pipelines.demo.vocabulary import FIRM_CONTACTS, FIRMS, OFFICE_NAME

if TYPE_CHECKING:
    from pathlib import Path

MAX_NAS_FILES = 40
MAX_NAS_FILE_BYTES = 400_000
_KEPT_CONTENTS = 300
_MAKING = threading.Lock()

RECIPES: dict[str, tuple[Recipe, str]] = {
    "offer": (letters.offer, "Angebot {firm} KGR {group}.pdf"),
    "invoice": (letters.invoice, "{day}_{count}. AR {firm} Nr. {year}{count}17.pdf"),
    "minutes": (letters.minutes, "{day} Protokoll Jour fixe Nr. {count} {site}.pdf"),
    "test_report": (letters.test_report, "Prüfprotokoll {site} KGR {group}.pdf"),
    "supplement": (letters.supplement, "Nachtrag {count} {firm} (geprüft).pdf"),
    "plan": (drawings.floor_plan, "{number}-{group}-GR-1{count} Grundriss EG Index a.pdf"),
    "dxf": (drawings.dxf_plan, "{number}-{group}-GR-4{count} EG.dxf"),
    "photo": (pictures.photos, "IMG_{day}_{count}.jpg"),
    "screenshot": (pictures.screenshot, "Bildschirmfoto {day} um 13.{count}.png"),
    "word": (papers.memo, "{day} Aktennotiz KGR {group} Nr. {count}.docx"),
    "excel": (papers.cost_estimate, "Kostenberechnung DIN 276 {number} Stand {day}.xlsx"),
    "slides": (papers.talk, "Präsentation Bauherr {day}.pptx"),
}
"""How the content of each kind is made, and what it is called; a name is wanted long before the bytes are."""

SHARED_KINDS = {"photo": 4, "screenshot": 2}
"""Kinds that are dear to make: so many of each, for all projects together."""


@dataclass(frozen=True, kw_only=True)
class Facts:
    """What is true about a content.

    Attributes:
        size: in bytes.
        sha256: of the bytes, as hexadecimal digits.
        width: in pixels, of a picture.
        height: the same.
    """

    size: int
    sha256: str
    width: int | None
    height: int | None


@dataclass(frozen=True, kw_only=True)
class NasFile:
    """A file of the NAS that somebody mailed; its bytes are those at the start, whatever becomes of the file."""

    path: PurePosixPath
    data: bytes


class Contents:
    """All contents of one office.

    Args:
        seed: another seed makes other contents.
        projects: how many projects the office has.
        files: a folder; some attachments are files that lie below it.
    """

    def __init__(self, *, seed: int, projects: int, files: Path | None = None) -> None:
        self.projects = make_projects(projects, Random(f"{seed} projects"))
        self._seed = seed
        self.nas = _nas_files(files, Random(f"{seed} nas")) if files else []

    def data(self, content: str) -> bytes:
        """Return the bytes of a content."""
        kind, _, number = content.partition(":")
        if kind == "nas":
            return self.nas[int(number)].data
        return _made(self._seed, len(self.projects), kind, int(number))

    def filename(self, content: str) -> str:
        """Return the name that it would have on a disk."""
        kind, _, number = content.partition(":")
        if kind == "nas":
            return self.nas[int(number)].path.name
        if kind not in RECIPES:
            return _SMALL[kind][0].format(number=int(number) + 1)
        rng, project = Random(f"{self._seed} {content}"), self.projects[int(number) % len(self.projects)]
        day = project.day(rng)
        return RECIPES[kind][1].format(
            firm=rng.choice(FIRMS)[0],
            group=project.cost_group(rng).number,
            day=day,
            year=day.year,
            count=rng.randrange(10, 50),
            site=project.site.name,
            number=project.number,
        )

    def facts(self, content: str) -> Facts:
        """Return size, hash and measures of a content."""
        kind, _, number = content.partition(":")
        if kind == "nas":
            return _facts(self.nas[int(number)].data)
        return _made_facts(self._seed, len(self.projects), kind, int(number))

    def of_project(self, project: int, kind: str) -> str:
        """Return the content of this kind that belongs to a project."""
        return f"{kind}:{project % SHARED_KINDS.get(kind, len(self.projects))}"

    def nas_of_project(self, project: int) -> list[str]:
        """Return the files of the NAS that lie in a project's folder."""
        folder = PurePosixPath(self.projects[project].folder)
        return [f"nas:{number}" for number, file in enumerate(self.nas) if folder in file.path.parents]


def media_type(filename: str) -> tuple[str, str]:
    """Return media type and subtype, as mail programs guess them from the name."""
    known = {".dwg": "image/vnd.dwg", ".dxf": "application/dxf", ".p7s": "application/pkcs7-signature"}
    suffix = PurePosixPath(filename.lower()).suffix
    guessed = known.get(suffix) or mimetypes.guess_type(f"x{suffix}")[0] or "application/octet-stream"
    media, _, sub = guessed.partition("/")
    return media, sub


def choose_nas_files(root: Path, rng: Random) -> list[Path]:
    """Return files below a folder that somebody might have mailed."""
    paths = sorted(path for path in root.rglob("*") if path.is_file() and path.name[0] != ".")
    wanted = [path for path in paths if 0 < path.stat().st_size <= MAX_NAS_FILE_BYTES]
    return sorted(rng.sample(wanted, min(MAX_NAS_FILES, len(wanted))))


def _nas_files(root: Path, rng: Random) -> list[NasFile]:
    chosen = choose_nas_files(root, rng)
    return [NasFile(path=PurePosixPath(path.relative_to(root)), data=path.read_bytes()) for path in chosen]


def _made(seed: int, projects: int, kind: str, number: int) -> bytes:
    """Return the bytes of a content; one thread at a time, for so the PDF library wants it."""
    with _MAKING:
        return _make(seed, projects, kind, number)


@lru_cache(maxsize=_KEPT_CONTENTS)
def _make(seed: int, projects: int, kind: str, number: int) -> bytes:
    rng = Random(f"{seed} {kind} {number}")
    if kind not in RECIPES:
        return _SMALL[kind][1](number, rng)
    project = make_projects(projects, Random(f"{seed} projects"))[number % projects]
    return RECIPES[kind][0](project, rng)[0].data


@cache
def _made_facts(seed: int, projects: int, kind: str, number: int) -> Facts:
    return _facts(_made(seed, projects, kind, number))


def _facts(data: bytes) -> Facts:
    width, height = _measures(data)
    return Facts(size=len(data), sha256=hashlib.sha256(data).hexdigest(), width=width, height=height)


def _measures(data: bytes) -> tuple[int | None, int | None]:
    if not data.startswith((b"\x89PNG", b"\xff\xd8", b"GIF8")):
        return None, None
    with Image.open(io.BytesIO(data)) as picture:
        return picture.size


def _picture(size: tuple[int, int], text: str, rng: Random) -> bytes:
    picture = Image.new("RGB", size, (rng.randrange(200), rng.randrange(200), rng.randrange(200)))
    ImageDraw.Draw(picture).text((6, size[1] // 3), text, fill=(255, 255, 255))
    buffer = io.BytesIO()
    picture.save(buffer, "PNG")
    return buffer.getvalue()


def _logo(number: int, rng: Random) -> bytes:
    return _picture((180, 64), OFFICE_NAME if number == 0 else FIRMS[number % len(FIRMS)][0], rng)


def _banner(_number: int, rng: Random) -> bytes:
    return _picture((900, 110), "Wir suchen Verstärkung! Jetzt bewerben.", rng)


def _pixel(_number: int, _rng: Random) -> bytes:
    return bytes.fromhex("47494638396101000100800000ffffff00000021f90401000000002c00000000010001000002024401003b")


def _calendar(number: int, rng: Random) -> bytes:
    day = f"202611{number % 28 + 1:02d}"
    lines = ["BEGIN:VCALENDAR", "VERSION:2.0", "PRODID:-//Helm//DE", "METHOD:REQUEST", "BEGIN:VEVENT"]
    lines += [f"UID:{rng.getrandbits(64):x}@ib-helm.example", f"DTSTART:{day}T090000Z", f"DTEND:{day}T100000Z"]
    lines += ["SUMMARY:Jour fixe Technische Gebäudeausrüstung", "END:VEVENT", "END:VCALENDAR", ""]
    return "\r\n".join(lines).encode()


def _card(number: int, _rng: Random) -> bytes:
    name = FIRM_CONTACTS[number % len(FIRM_CONTACTS)]
    lines = ["BEGIN:VCARD", "VERSION:3.0", f"FN:{name}", f"ORG:{FIRMS[number % len(FIRMS)][0]}", "END:VCARD", ""]
    return "\r\n".join(lines).encode()


def _signature(_number: int, rng: Random) -> bytes:
    return b"\x30\x82\x0a\x0b\x06\x09\x2a\x86\x48\x86\xf7\x0d\x01\x07\x02" + rng.randbytes(2_400)


def _tnef(_number: int, rng: Random) -> bytes:
    return b"\x78\x9f\x3e\x22" + rng.randbytes(900)


def _empty(_number: int, _rng: Random) -> bytes:
    return b""


_SMALL: dict[str, tuple[str, Callable[[int, Random], bytes]]] = {
    "logo": ("image{number:03d}.png", _logo),
    "banner": ("banner{number}.png", _banner),
    "pixel": ("spacer.gif", _pixel),
    "calendar": ("invite.ics", _calendar),
    "card": ("Visitenkarte {number}.vcf", _card),
    "signature": ("smime.p7s", _signature),
    "tnef": ("winmail.dat", _tnef),
    "empty": ("leer.pdf", _empty),
}
