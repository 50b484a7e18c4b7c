"""Encodings: German text is read as what wrote it, and bytes that are no text are not taken for it."""

from __future__ import annotations

import io
import random
import tempfile

import pytest

from ibhelm_pipelines.content import text
from ibhelm_pipelines.content.encodings import text_encoding
from ibhelm_pipelines.content.limits import Limits
from ibhelm_pipelines.content.sniff import HEAD_BYTES, sniff

LIMITS = Limits(seconds=30, memory_mb=1024, text_chars=5_000)
GERMAN = "Prüfung der Heizungsanlage, Straße 5: Größe ausreichend, Übergabe am Montag.\r\nÖl äußerst knapp\r\n"


@pytest.mark.parametrize("encoding", ["utf-8", "cp1252", "cp850", "utf-16-le", "utf-16-be", "utf-32-le", "utf-16"])
def test_german_text_is_read_whatever_wrote_it(encoding: str) -> None:
    data = GERMAN.encode(encoding)
    assert sniff(data[:HEAD_BYTES], "txt").family == "text"
    assert text.text(io.BytesIO(data), LIMITS).text == GERMAN


def test_umlauts_of_dos_behind_a_long_plain_beginning_are_read() -> None:
    plain = "Messwert 12,5\r\n" * 1_000
    found, _ = text.read_text(io.BytesIO((plain + GERMAN).encode("cp850")), 100_000)
    assert found == plain + GERMAN


@pytest.mark.parametrize(
    "written",
    ["Frau Ágnes Kovács aus Málaga", "Er sagte: „Ja“ und ging", "Preis: 5 € – 10 €", "Café à la carte", "š Ž"],
)
def test_other_letters_and_signs_of_windows_are_not_taken_for_dos(written: str) -> None:
    assert text_encoding(written.encode("cp1252")) == "cp1252"


def test_frames_of_dos_stay_frames() -> None:
    sheet = "╔═══════════╗\r\n║ Übersicht ║\r\n╚═══════════╝\r\nPrüfung\r\n"
    assert text.text(io.BytesIO(sheet.encode("cp850")), LIMITS).text == sheet


def test_random_bytes_are_no_text_whatever_they_are_named() -> None:
    dice = random.Random(8)
    for length in (20, 100, 8_192):
        for _ in range(100):
            assert sniff(dice.randbytes(length - 1) + b"\0", "txt").family == "other"
    assert text_encoding(bytes(64)) is None
    assert text_encoding(b"".join(number.to_bytes(2, "little") for number in range(200))) is None


def test_of_a_log_without_end_only_what_is_kept_is_read() -> None:
    with tempfile.TemporaryFile() as file:
        file.write("Zähler läuft\n".encode() * 2_000)
        file.truncate(3 << 30)
        file.seek(0)
        outcome = text.text(file, LIMITS)
        assert outcome.truncated
        assert outcome.text is not None
        assert len(outcome.text) == LIMITS.text_chars
        assert file.tell() < 1 << 20


def test_a_line_without_end_is_drawn_by_its_beginning() -> None:
    assert text.thumbnail(io.BytesIO(b"x" * 5_000_000), LIMITS).preview
