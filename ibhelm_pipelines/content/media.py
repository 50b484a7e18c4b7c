"""Films and sound: what their heads say, and the cover that may be in them. Frames of films are ffmpeg's (programs.py).

Runs inside the sandbox. libmediainfo reads the heads of nearly any container; it is fed piece by piece, so that how
much it reads is decided here.
"""

from __future__ import annotations

import base64
import binascii
import datetime as dt
import io
import os
import time
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, BinaryIO

from pymediainfo import MediaInfo

from ibhelm_pipelines.content import image
from ibhelm_pipelines.content.letter import in_one_line
from ibhelm_pipelines.content.limits import Limits, fact
from ibhelm_pipelines.content.outcome import Facts, Outcome, empty, unsupported
from ibhelm_pipelines.errors import SuspectFileError
from ibhelm_pipelines.wording import minute

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

NO_PICTURE = "The film has no cover of its own, and ffmpeg, which makes pictures of films, is missing or cannot read it"
NO_COVER = "The sound has no cover"
DAMAGED_FILM = "The film is damaged or cut off: its head cannot be read"
DAMAGED_SOUND = "The sound is damaged or cut off: its head cannot be read"

MAX_READ_BYTES = 64 << 20
"""Of one file: heads and covers have a few megabytes; a broken file would be read to its end in search of them."""

MAX_COVER_CHARS = 32 << 20
TIME_SHARE = 0.5
MIN_HEAD_FIELDS = 1

_LINES = (
    ("Titel", ("title", "movie_name", "track_name")),
    ("Interpret", ("performer", "artist", "director")),
    ("Album", ("album",)),
    ("Bemerkung", ("comment", "description")),
    ("Ort", ("recorded_location", "xyz", "comapplequicktimelocationiso6709")),
    ("Gerät", ("comapplequicktimemodel", "comandroidmodel", "encoded_hardware_name")),
    ("Programm", ("writing_application", "encoded_application_name", "writing_library", "comapplequicktimesoftware")),
)
_DATES = ("recorded_date", "comapplequicktimecreationdate", "encoded_date", "tagged_date", "mastered_date")
_DATE_FORMATS = ("%Y-%m-%dT%H:%M:%S%z", "%Y-%m-%d %H:%M:%S %Z", "%Y-%m-%d %H:%M:%S", "%Y-%m-%dT%H:%M:%S", "%Y-%m-%d")
FIRST_YEAR = 1980
"""Cameras without a clock write the zero of theirs: 1904, 1970."""


def film_cover(file: BinaryIO, limits: Limits) -> Outcome:
    """Show the cover of a film."""
    head = _read(file, limits, DAMAGED_FILM, with_cover=True)
    return _drawn(head, limits) or unsupported(NO_PICTURE, head.facts())


def sound_cover(file: BinaryIO, limits: Limits) -> Outcome:
    """Show the cover of a piece of music."""
    head = _read(file, limits, DAMAGED_SOUND, with_cover=True)
    return _drawn(head, limits) or empty(NO_COVER, head.facts())


def film_text(file: BinaryIO, limits: Limits) -> Outcome:
    """Say what the head of a film says."""
    return _told(_read(file, limits, DAMAGED_FILM), limits)


def sound_text(file: BinaryIO, limits: Limits) -> Outcome:
    """Say what the head of a piece of sound says."""
    return _told(_read(file, limits, DAMAGED_SOUND), limits)


class _Bounded(io.RawIOBase):
    """A file that ends when enough was read of it."""

    def __init__(self, file: BinaryIO, deadline: float) -> None:
        self._file = file
        self._deadline = deadline
        self._left = MAX_READ_BYTES

    def read(self, size: int | None = -1, /) -> bytes:
        if self._left <= 0 or time.monotonic() > self._deadline:
            return b""
        data = self._file.read(min(self._left, size) if size and size > 0 else self._left)
        self._left -= len(data)
        return data

    def seek(self, offset: int, whence: int = os.SEEK_SET, /) -> int:
        return self._file.seek(offset, whence)

    def tell(self) -> int:
        return self._file.tell()


@dataclass(kw_only=True)
class _Head:
    """What a file says of itself."""

    general: Mapping[str, object]
    video: Mapping[str, object] = field(default_factory=dict)
    kinds: frozenset[str] = frozenset()

    def first(self, names: tuple[str, ...]) -> str:
        return next((str(self.general[name]) for name in names if self.general.get(name)), "")

    def number(self, name: str) -> int | None:
        value = self.video.get(name)
        return value if isinstance(value, int) and value > 0 else None

    def moment(self) -> dt.datetime | None:
        return next(filter(None, (_moment(self.first((name,))) for name in _DATES)), None)

    def seconds(self) -> int | None:
        try:
            return round(float(str(self.general.get("duration"))) / 1000)
        except ValueError:
            return None

    def facts(self) -> Facts:
        return Facts(
            pixel_width=self.number("width"),
            pixel_height=self.number("height"),
            title=fact(self.first(("title", "movie_name", "track_name"))),
            author=fact(self.first(("performer", "artist", "director"))),
            program=fact(self.first(_LINES[-1][1])),
            written_at=self.moment(),
        )


def _read(file: BinaryIO, limits: Limits, damaged: str, *, with_cover: bool = False) -> _Head:
    bounded = _Bounded(file, time.monotonic() + limits.seconds * TIME_SHARE)
    tracks = [track.to_data() for track in MediaInfo.parse(bounded, cover_data=with_cover).tracks]
    general = next((track for track in tracks if track["track_type"] == "General"), {})
    video = next((track for track in tracks if track["track_type"] == "Video"), {})
    if not general.get("format"):
        raise SuspectFileError(damaged)
    return _Head(general=general, video=video, kinds=frozenset(str(track["track_type"]) for track in tracks))


def _drawn(head: _Head, limits: Limits) -> Outcome | None:
    """Return the picture of the cover; None where there is none that can be shown."""
    encoded = str(head.general.get("cover_data") or "").partition(" / ")[0][:MAX_COVER_CHARS]
    try:
        cover = base64.b64decode(encoded)
        outcome = image.thumbnail(io.BytesIO(cover), limits) if cover else None
    except (binascii.Error, SuspectFileError):
        return None
    return outcome and Outcome(state="ok", preview=outcome.preview, facts=head.facts())


def _told(head: _Head, limits: Limits) -> Outcome:
    lines = [f"{label}: {value}" for label, value in _lines(head)]
    return Outcome(state="ok", text="\n".join(lines)[: limits.text_chars], facts=head.facts())


def _lines(head: _Head) -> Iterator[tuple[str, str]]:
    for label, names in _LINES:
        if value := in_one_line(head.first(names)):
            yield label, value
    if moment := head.moment():
        yield "Aufgenommen", minute(moment)
    if seconds := head.seconds():
        yield "Dauer", _duration(seconds)
    yield "Art", _kind(head)


def _kind(head: _Head) -> str:
    kind = "Film" if "Video" in head.kinds else "Ton" if "Audio" in head.kinds else "Film oder Ton"
    width, height = head.number("width"), head.number("height")
    size = [f"{width} × {height}"] if width and height else []
    return ", ".join([kind, in_one_line(str(head.general["format"])), *size])


def _duration(seconds: int) -> str:
    minutes, rest = divmod(seconds, 60)
    hours, minutes = divmod(minutes, 60)
    return f"{hours}:{minutes:02}:{rest:02} Stunden" if hours else f"{minutes}:{rest:02} Minuten"


def _moment(text: str) -> dt.datetime | None:
    text = text.strip()
    if text.startswith("UTC "):
        text = f"{text[4:]} UTC"
    for pattern in _DATE_FORMATS:
        try:
            moment = dt.datetime.strptime(text, pattern)  # noqa: DTZ007 - some name no zone; UTC is set below
        except ValueError:
            continue
        is_utc = text.endswith("UTC")
        return (moment.replace(tzinfo=dt.UTC) if is_utc else moment) if moment.year >= FIRST_YEAR else None
    return None
