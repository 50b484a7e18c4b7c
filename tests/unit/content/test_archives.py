"""Archives: what is in them is listed, nothing is unpacked, and what they claim costs nothing."""

from __future__ import annotations

import base64
import bz2
import gzip
import io
import lzma
import random
import resource
import struct
import tarfile
import tempfile
import zipfile
import zlib
from typing import TYPE_CHECKING

import pytest
from backports import zstd
from PIL import Image

from ibhelm_pipelines.content import archive, listing, stream_list
from ibhelm_pipelines.content.limits import Limits
from ibhelm_pipelines.content.sniff import sniff
from ibhelm_pipelines.errors import SuspectFileError

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    from ibhelm_pipelines.content.outcome import Outcome

LIMITS = Limits(seconds=30, memory_mb=1024, text_chars=5_000_000)
NAMES = ["Pläne/", "Pläne/Grundriß EG.dwg", "Prüfung/Übergabe Öl.pdf"]

# Made with py7zr 1.1.4: folders, umlauts, an empty file; the second and third with the password "x", the third with
# its names locked, too.
SEVEN_ZIP = (
    "N3q8ryccAASi/VgMvQAAAAAAAAAWAAAAAAAAAEK+wcXgA+wAEF0APG/7v/6jsLn0nIUvKoafoADgAQAAnV0AAIEzB64Pz4CuDA/Ual595dffeE/G8XzV"
    "+NXXvNyw73X3KOOluERogVrf8UKCDd3RidC6kjDwxvwupq94M4iCxhShMI+pb26SQc9f/khen1XFWuA0rU7Y1Zm6VQS8a44sFW4/RNtEyce65599MrJ5"
    "mPxiPY2cLt5NYdNey09yyBCM4TSSds2f21Gu77AA2MJPOqtVl8xZZkH68MAAAAAXBhgBCYClAAcLAQABISEBGAyBAQAA"
)
LOCKED_SEVEN_ZIP = (
    "N3q8ryccAARuvzhs4AAAAAAAAAAWAAAAAAAAAIcxDfOKdmAWj//B5qy3jSLL2mXdpFYcD4g0zxRXqxSJwRK8lOABGAC4XQAAgTMHrg/QDv4QgabNMDBB"
    "a/7eK0sGKtznebWLRhacomoClsuSN36V0mQiz1UAUX1MkMzb2YeC5IscbXsgWYhGIUFB6WFaVTN1wuTm1P+4iLYOmVQuAb7Ak5+y27S3EOwOTflHJ9Z9"
    "ueeqt+jg4F1oylPmvkJQyzzGTucO6f7oMxvAK1yEd0OTErScwXoNYT9R3bKfpJts75AFtyDXPu/xFWoeGWSVXND08XdyqIBbjKYT97wQAAAAABcGIAEJ"
    "gMAABwsBAAEhIQEYDIEZAAA="
)
SEVEN_ZIP_WITH_LOCKED_NAMES = (
    "N3q8ryccAATplTSngAAAAAAAAAAoAAAAAAAAAIquWyKNim6NMEqeZBPR2fYnVIz1YbazzuUHQfyxqRrO4GHRMuavi9nwMtaMZ7df1V+4wCML2zD4JR3T"
    "Kh+623RjKL1WXZlUYP84azg1R1mKLja4MFhz8d17MtiGprqRkGdCa4vIawxrTv9tiAIeT5hrLWQKSIc753WFHWHpHfvaHDZV8hcGEAEJcAAHCwEAASQG"
    "8QcBElMPA4j3NL3ULmOUu/xG0sQp/QxlAAA="
)


def run(reader: Callable[..., Outcome], data: bytes, limits: Limits = LIMITS) -> Outcome:
    with tempfile.TemporaryFile() as file:
        file.write(data)
        file.flush()
        file.seek(0)
        return reader(file, limits)


def listed(data: bytes) -> str:
    outcome = run(archive.text, data)
    assert outcome.state == "ok"
    assert outcome.text is not None
    return outcome.text


def zipped(names: list[str], *, content: bytes = b"x" * 100) -> bytes:
    out = io.BytesIO()
    with zipfile.ZipFile(out, "w", zipfile.ZIP_DEFLATED) as made:
        for name in names:
            made.writestr(zipfile.ZipInfo(name, (2024, 3, 9, 17, 0, 0)), b"" if name.endswith("/") else content)
    return out.getvalue()


def old_zip(names: list[bytes]) -> bytes:
    """As DOS programs wrote it: bytes of an unnamed encoding, no flags."""
    locals_, central = bytearray(), bytearray()
    for name in names:
        fields = (0, 0, 0x8800, 0x5869, 0, 0, 0, len(name), 0)
        central += struct.pack("<4s2H2H2H3L3H2H2L", b"PK\1\2", 20, 20, *fields, 0, 0, 0, 0, len(locals_)) + name
        locals_ += struct.pack("<4sH2H2H3L2H", b"PK\3\4", 20, *fields) + name
    end = struct.pack("<4s4H2LH", b"PK\5\6", 0, 0, len(names), len(names), len(central), len(locals_), 0)
    return bytes(locals_ + central + end)


def tarred(names: list[str], *, content: bytes = b"x" * 100, kind: int = tarfile.PAX_FORMAT) -> bytes:
    out = io.BytesIO()
    with tarfile.open(fileobj=out, mode="w", format=kind) as made:
        for name in names:
            info = tarfile.TarInfo(name)
            info.mtime = 1_710_000_000
            info.type = tarfile.DIRTYPE if name.endswith("/") else tarfile.REGTYPE
            info.size = 0 if info.isdir() else len(content)
            made.addfile(info, io.BytesIO(content))
    return out.getvalue()


@pytest.mark.parametrize(
    ("data", "kind"),
    [
        (zipped(NAMES), "zip"),
        (old_zip([name.encode("cp850") for name in NAMES]), "zip"),
        (old_zip([name.encode() for name in NAMES]), "zip"),
        (tarred(NAMES), "tar"),
        (tarred(NAMES, kind=tarfile.GNU_FORMAT), "tar"),
        (gzip.compress(tarred(NAMES)), "tar.gz"),
        (bz2.compress(tarred(NAMES)), "tar.bz2"),
        (lzma.compress(tarred(NAMES)), "tar.xz"),
        (zstd.compress(tarred(NAMES)), "tar.zst"),
    ],
    ids=["zip", "zip of dos", "zip of a mac", "tar", "gnu tar", "tgz", "tbz", "txz", "tzst"],
)
def test_names_with_umlauts_are_listed_from_every_kind_of_archive(data: bytes, kind: str) -> None:
    assert sniff(data[:8192], "").family == "archive"
    first, *lines = listed(data).splitlines()
    assert first.startswith(f"{kind}-Archiv: 3 Einträge")
    assert [line.split("\t")[0].rstrip("/") for line in lines] == [name.rstrip("/") for name in NAMES]
    assert lines[0].split("\t")[1] == "Ordner"
    assert "09.03.2024, 17:00" in lines[1] or "zip" in kind


def test_a_name_with_nothing_but_an_eszett_is_taken_for_one_of_german_dos() -> None:
    assert "Maß.txt" in listed(old_zip(["Maß.txt".encode("cp850")]))


def test_the_size_of_a_file_beyond_4_gb_is_read() -> None:
    extra = struct.pack("<2HQ", 1, 8, 5 << 30)
    whole = old_zip([b"x" * 20])
    start, end = whole.index(b"PK\1\2"), whole.index(b"PK\5\6")
    entry = bytearray(whole[start:end])
    entry[24:28], entry[28:32] = b"\xff" * 4, struct.pack("<2H", 20, len(extra))
    closing = bytearray(whole[end:])
    closing[12:16] = struct.pack("<L", len(entry) + len(extra))
    assert "x\t5,4 GB" in listed(whole[:start] + bytes(entry) + extra + bytes(closing))


def test_a_7z_archive_is_listed_by_its_directory() -> None:
    assert listed(base64.b64decode(SEVEN_ZIP)).splitlines() == [
        "7z-Archiv: 5 Einträge, ausgepackt 1 kB",
        "Pläne\tOrdner\t09.03.2024, 17:00",
        "Pläne/Grundriß EG.dwg\t1 kB\t09.03.2024, 17:00",
        "Pläne/leer\tOrdner\t09.03.2024, 17:00",
        "Prüfung.txt\t5 Byte\t09.03.2024, 17:00",
        "leer.txt\t0 Byte\t09.03.2024, 17:00",
    ]


def test_of_a_locked_archive_the_names_are_listed_where_they_can_be_read() -> None:
    outcome = run(archive.text, base64.b64decode(LOCKED_SEVEN_ZIP))
    assert outcome.reason == listing.LOCKED_FILES
    assert "Grundriß EG.dwg" in (outcome.text or "")
    hidden = run(archive.text, base64.b64decode(SEVEN_ZIP_WITH_LOCKED_NAMES))
    assert (hidden.state, hidden.reason) == ("unsupported", archive.LOCKED_NAMES)


def test_the_corpus_archives_are_listed(shared_corpus: Path) -> None:
    rar = next((shared_corpus / "archive").glob("*.rar")).read_bytes()
    assert "test-documents/testEXCEL.xls\t14 kB\t01.10.2007" in listed(rar)
    assert run(archive.text, rar[:400]).reason == listing.CUT_OFF


def test_names_that_try_tricks_are_shown_and_do_nothing(tmp_path: Path) -> None:
    tricks = ["../../etc/cron.d/x", "/etc/passwd", "C:\\Windows\\x", "a\nb\tc", "rechnung\u202efdp.exe", "x" * 5_000]
    text = listed(zipped(tricks))
    assert len(text.splitlines()) == len(tricks) + 1
    assert "../../etc/cron.d/x\t100 Byte" in text
    assert "a⟨U+000A⟩b⟨U+0009⟩c" in text
    assert "rechnung⟨U+202E⟩fdp.exe" in text
    assert max(map(len, text.splitlines())) < listing.MAX_NAME_CHARS + 100


def test_an_archive_of_a_hundred_thousand_files_is_listed_up_to_a_limit_and_says_so() -> None:
    many = many_files(100_000)
    with zipfile.ZipFile(io.BytesIO(many)) as judged:
        assert len(judged.infolist()) == 100_000
    outcome = run(archive.text, many)
    assert outcome.truncated
    assert outcome.text is not None
    assert outcome.text.startswith("zip-Archiv: 100.000 Einträge\nx.txt\t")
    assert outcome.text.count("\n") == listing.MAX_ENTRIES + 1
    assert run(archive.thumbnail, many).preview


def many_files(count: int) -> bytes:
    """A ZIP64 archive that has the same file as often as is wanted."""
    one = old_zip([b"x.txt"])
    entry = one[one.index(b"PK\1\2") : one.index(b"PK\5\6")]
    directory = entry * count
    start = one.index(b"PK\1\2")
    end = start + len(directory)
    long_end = struct.pack("<4sQ2H2L4Q", b"PK\6\6", 44, 45, 45, 0, 0, count, count, len(directory), start)
    locator = struct.pack("<4sLQL", b"PK\6\7", 0, end, 1)
    short_end = struct.pack("<4s4H2LH", b"PK\5\6", 0, 0, 0xFFFF, 0xFFFF, 0xFFFFFFFF, 0xFFFFFFFF, 0)
    return one[:start] + directory + long_end + locator + short_end


def test_bombs_are_unpacked_as_a_stream_up_to_a_limit(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(stream_list, "MAX_UNPACKED", 32 << 20)
    packer = zlib.compressobj(9, wbits=31)
    zeros = bytes(1 << 20)
    packed = b"".join(packer.compress(zeros) for _ in range(64)) + packer.flush()
    before = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    outcome = run(archive.text, packed)
    assert outcome.truncated
    assert outcome.text == "gz-Archiv: mindestens 1 Eintrag\n(ohne Namen)\n… (die Liste geht weiter)"
    assert resource.getrusage(resource.RUSAGE_SELF).ru_maxrss - before < 16 << 10  # kB


def test_a_tar_that_claims_a_name_of_gigabytes_costs_nothing() -> None:
    info = tarfile.TarInfo("././@LongLink")
    info.type, info.size = tarfile.GNUTYPE_LONGNAME, 6 << 30
    good = tarred(["vorher.txt"])[:1024]
    outcome = run(archive.text, gzip.compress(good + info.tobuf(tarfile.GNU_FORMAT) + bytes(4 << 20)))
    assert outcome.reason == listing.CUT_OFF
    assert "vorher.txt" in (outcome.text or "")


def test_an_archive_that_unpacks_to_itself_is_one_entry() -> None:
    inner = zipped(["innen.txt"])
    text = listed(zipped(["quine.zip"], content=inner))
    assert "quine.zip" in text
    assert "innen.txt" not in text


def test_a_zip_without_its_end_is_listed_as_far_as_it_goes() -> None:
    whole = zipped(["eins.txt", "zwei.txt", "drei.txt"])
    outcome = run(archive.text, whole[: whole.index(b"PK\1\2")])
    assert outcome.reason == listing.CUT_OFF
    assert "eins.txt" in (outcome.text or "")
    assert outcome.truncated


@pytest.mark.parametrize(
    "data",
    [b"PK\3\4" + bytes(100), b"7z\xbc\xaf\x27\x1c" + b"\xff" * 50, b"\x1f\x8b" + bytes(50),
     b"Rar!\x1a\x07\0" + bytes(50), b"BZh9" + bytes(50), b"\xfd7zXZ\0" + bytes(50), b"(\xb5/\xfd" + bytes(50),
     bytes(257) + b"ustar" + bytes(250)],
    ids=["zip", "7z", "gz", "rar", "bz2", "xz", "zst", "tar"],
)  # fmt: skip
def test_a_broken_archive_says_so(data: bytes) -> None:
    with pytest.raises(SuspectFileError, match="The archive is damaged"):
        run(archive.text, data)


def test_an_empty_archive_says_so() -> None:
    assert run(archive.text, zipped([])).reason == archive.NOTHING_INSIDE
    assert run(archive.thumbnail, zipped([])).state == "empty"


@pytest.mark.parametrize("kind", ["zip", "7z", "tar", "tgz", "rar"])
def test_no_change_of_a_few_bytes_takes_the_list_out_of_its_bounds(kind: str, shared_corpus: Path) -> None:
    good = {
        "zip": zipped(NAMES),
        "7z": base64.b64decode(SEVEN_ZIP),
        "tar": tarred(NAMES),
        "tgz": gzip.compress(tarred(NAMES)),
        "rar": next((shared_corpus / "archive").glob("*.rar")).read_bytes(),
    }[kind]
    dice = random.Random(kind)
    for _ in range(100):
        data = bytearray(good)
        for _ in range(dice.randint(1, 8)):
            data[dice.randrange(8, len(data))] = dice.choice((0, 1, 0x7F, 0x80, 0xFF, dice.randrange(256)))
        try:
            outcome = run(archive.text, bytes(data[: dice.choice((len(data), dice.randrange(9, len(data))))]))
        except SuspectFileError:
            continue
        assert outcome.state in ("ok", "empty", "unsupported")
        assert outcome.state != "ok" or len(outcome.text or "") < 10_000


def test_the_picture_of_an_archive_is_its_list() -> None:
    preview = run(archive.thumbnail, zipped(NAMES)).preview
    assert preview is not None
    picture = Image.open(io.BytesIO(preview)).convert("L")
    assert picture.size == (283, 400)
    assert picture.getextrema()[0] < 100 < picture.getextrema()[1]
