"""Films and sound: what their heads say is found, and their covers are shown."""

from __future__ import annotations

import contextlib
import datetime as dt
import io
import random

import pytest
from media_files import mp3, mp4, wav
from PIL import Image

from ibhelm_pipelines.content import media
from ibhelm_pipelines.content.limits import Limits
from ibhelm_pipelines.content.sniff import HEAD_BYTES, sniff
from ibhelm_pipelines.errors import SuspectFileError

LIMITS = Limits(seconds=30, memory_mb=1024, text_chars=5_000)
MADE_AT = 1_710_248_700


def png() -> bytes:
    out = io.BytesIO()
    Image.new("RGB", (600, 300), "red").save(out, "PNG")
    return out.getvalue()


def test_a_film_says_what_its_head_says() -> None:
    data = mp4(title="Begehung Baustelle Süd", seconds=3_725, made_at=MADE_AT)
    assert sniff(data[:HEAD_BYTES], "").family == "video"
    outcome = media.film_text(io.BytesIO(data), LIMITS)
    assert (outcome.text or "").split("\n") == [
        "Titel: Begehung Baustelle Süd",
        "Aufgenommen: 12.03.2024, 14:05",
        "Dauer: 1:02:05 Stunden",
        "Art: Film, MPEG-4, 1920 × 1080",
    ]
    assert outcome.facts.title == "Begehung Baustelle Süd"
    assert (outcome.facts.pixel_width, outcome.facts.pixel_height) == (1920, 1080)
    assert outcome.facts.written_at == dt.datetime(2024, 3, 12, 13, 5, tzinfo=dt.UTC)


def test_the_cover_of_a_film_is_shown_and_without_one_ffmpeg_is_asked_for() -> None:
    shown = media.film_cover(io.BytesIO(mp4(title="x", seconds=5, made_at=MADE_AT, cover=png())), LIMITS)
    assert shown.preview is not None
    assert Image.open(io.BytesIO(shown.preview)).size == (400, 200)
    bare = media.film_cover(io.BytesIO(mp4(title="x", seconds=5, made_at=MADE_AT)), LIMITS)
    assert (bare.state, bare.reason) == ("unsupported", media.NO_PICTURE)


def test_sound_says_what_it_is_and_shows_its_cover() -> None:
    data = mp3(title="Störgeräusch Pumpe", artist="Jörg Weiß", cover=png())
    assert sniff(data[:HEAD_BYTES], "").family == "audio"
    outcome = media.sound_text(io.BytesIO(data), LIMITS)
    assert (outcome.text or "").split("\n")[:3] == [
        "Titel: Störgeräusch Pumpe",
        "Interpret: Jörg Weiß",
        "Dauer: 0:10 Minuten",
    ]
    assert media.sound_cover(io.BytesIO(data), LIMITS).preview
    assert media.sound_cover(io.BytesIO(wav(2)), LIMITS).reason == media.NO_COVER
    assert "Dauer: 0:02 Minuten\nArt: Ton, Wave" in (media.sound_text(io.BytesIO(wav(2)), LIMITS).text or "")


@pytest.mark.parametrize("reader", [media.film_text, media.film_cover])
def test_a_film_without_a_head_says_so(reader: object) -> None:
    assert callable(reader)
    with pytest.raises(SuspectFileError, match="film is damaged"):
        reader(io.BytesIO(bytes(1 << 20)), LIMITS)


def test_no_more_is_read_of_a_film_than_its_head_may_have(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(media, "MAX_READ_BYTES", 100)
    film = Counted(mp4(title="Begehung", seconds=5, made_at=MADE_AT, cover=png()))
    with contextlib.suppress(SuspectFileError):
        media.film_text(film, LIMITS)
    assert 0 < film.read_bytes <= 100


class Counted(io.BytesIO):
    read_bytes = 0

    def read(self, size: int | None = -1) -> bytes:
        data = super().read(size)
        self.read_bytes += len(data)
        return data


def test_no_change_of_a_few_bytes_breaks_the_reading() -> None:
    good = mp4(title="Begehung", seconds=5, made_at=MADE_AT, cover=png())
    dice = random.Random(5)
    for _ in range(200):
        data = bytearray(good)
        for _ in range(dice.randint(1, 12)):
            data[dice.randrange(8, len(data))] = dice.choice((0, 1, 0x7F, 0xFE, 0xFF, dice.randrange(256)))
        try:
            assert media.film_text(io.BytesIO(bytes(data)), LIMITS).state == "ok"
            assert media.film_cover(io.BytesIO(bytes(data)), LIMITS).state in ("ok", "unsupported")
        except SuspectFileError:
            continue
