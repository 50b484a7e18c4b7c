"""Programs of others that turn a content into something that our readers read; the only place that starts any.

A program gets a process of its own, which is locked in like a reader's (confinement.py), but may start programs of the
system: it sees those, the one file, and a scratch folder that is all it can write into; it has no sockets at all, not
even among its own processes. None of them can leave the group that is killed in the end, whatever the program made of
it. What it wrote is strangers' work still, and is read in the ordinary sandbox.
"""

from __future__ import annotations

import datetime as dt
import os
import shutil
import subprocess
from collections.abc import Callable
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import TYPE_CHECKING, BinaryIO

from ibhelm_pipelines.content.outcome import Outcome, failed, unsupported

if TYPE_CHECKING:
    from ibhelm_pipelines.settings import Settings

VERSION_SECONDS = 30
RESULT = "result"
"""Name of the file that a program must leave in its scratch folder, before the dot."""

_SOURCE = "source"
_PIECE = 1 << 20
_PATH = "/usr/local/bin:/usr/bin:/bin"


@dataclass(frozen=True, kw_only=True)
class Program:
    """What may run.

    Attributes:
        name: for people.
        commands: names under which it is looked for; the first one that is there is taken.
        arguments: what to call it with, for a conversion, the file, and its scratch folder.
        result: extension of what it leaves as RESULT.
        copies: whether it needs a file that lies on the disk; else it opens the descriptor that it inherits.
        version_argument: makes it print its version in the first line; None where it cannot.
        memory_mb: address space of each of its processes, MiB.
        max_bytes: of a content; a larger one is not begun.
        setting: field of the settings that names its executable instead.
        folders: where its own files lie, beside the system's usual ones.
        begins_anew: exit status by which it asks to be started once more.
    """

    name: str
    commands: tuple[str, ...]
    arguments: Callable[[Conversion, str, Path], list[str]]
    result: str
    copies: bool
    version_argument: str | None
    memory_mb: int
    max_bytes: int
    setting: str | None = None
    folders: tuple[str, ...] = ()
    begins_anew: int | None = None


@dataclass(frozen=True, kw_only=True)
class Installed:
    """A program that is there.

    Attributes:
        version: one word, of the program and its release.
    """

    program: Program
    executable: str
    version: str


@dataclass(frozen=True, kw_only=True)
class Conversion:
    """What the process of a program is told to do.

    Attributes:
        kind: everyday name of what the content is, by its bytes.
    """

    key: str
    executable: str
    extension: str
    kind: str


_EXPORT_FILTERS = {
    **dict.fromkeys(("docx", "doc", "odt", "rtf"), "writer_pdf_Export"),
    **dict.fromkeys(("xlsx", "xls", "ods"), "calc_pdf_Export"),
    **dict.fromkeys(("pptx", "ppt", "odp"), "impress_pdf_Export"),
    "vsdx": "draw_pdf_Export",
}
_FIRST_PAGES = '{"PageRange":{"type":"string","value":"1-3"}}'
"""Those that a preview may show (pdf.py): of a table with 700 pages they take 2 s, all of them 6 s."""


def _libreoffice(conversion: Conversion, source: str, scratch: Path) -> list[str]:
    profile = f"-env:UserInstallation={(scratch / 'profile').as_uri()}"
    quiet = ["--headless", "--invisible", "--nodefault", "--nolockcheck", "--nologo", "--norestore"]
    socket = f"-env:OSL_SOCKET_PATH={scratch}"  # it makes one there, though nobody can connect to it
    export_filter = _EXPORT_FILTERS.get(conversion.kind)
    target = f"pdf:{export_filter}:{_FIRST_PAGES}" if export_filter else "pdf"
    return [profile, socket, *quiet, "--convert-to", target, "--outdir", str(scratch / "out"), source]


def _ffmpeg(_: Conversion, source: str, scratch: Path) -> list[str]:
    one_frame = ["-map", "0:v:0", "-vf", "thumbnail=48,scale='min(1280,iw)':-2", "-frames:v", "1", "-threads", "1"]
    quiet = ["-nostdin", "-v", "error", "-protocol_whitelist", "file"]
    return [*quiet, "-i", f"file:{source}", *one_frame, str(scratch / f"{RESULT}.png")]


def _dwg_converter(conversion: Conversion, source: str, scratch: Path) -> list[str]:
    if Path(conversion.executable).name.startswith("ODA"):  # whole folders only
        return [str(Path(source).parent), str(scratch / "out"), "ACAD2018", "DXF", "0", "1", Path(source).name]
    return ["-o", str(scratch / f"{RESULT}.dxf"), source]


PROGRAMS = {
    "libreoffice": Program(
        name="LibreOffice",
        commands=("soffice", "libreoffice"),
        arguments=_libreoffice,
        result="pdf",
        copies=True,
        version_argument="--version",
        memory_mb=4096,
        max_bytes=100 << 20,
        # Debian's package links to these out of its folder.
        folders=("/etc/libreoffice", "/var/lib/libreoffice", "/var/spool/libreoffice", "/var/cache/fontconfig"),
        begins_anew=81,
    ),
    "ffmpeg": Program(
        name="ffmpeg",
        commands=("ffmpeg",),
        arguments=_ffmpeg,
        result="png",
        copies=False,
        version_argument="-version",
        memory_mb=2048,
        max_bytes=1 << 40,
    ),
    "dwg": Program(
        name="a DWG converter",
        commands=(),
        arguments=_dwg_converter,
        result="dxf",
        copies=True,
        version_argument=None,
        memory_mb=4096,
        max_bytes=100 << 20,
        setting="dwg_converter",
    ),
}


def find_program(key: str, settings: Settings) -> Installed | None:
    """Return a program of PROGRAMS if it is installed; looked up once for each process."""
    setting = PROGRAMS[key].setting
    return _find(key, str(getattr(settings, setting) or "") if setting else "")


@cache
def _find(key: str, configured: str) -> Installed | None:
    program = PROGRAMS[key]
    found = next(filter(None, map(shutil.which, (configured, *program.commands))), None)
    if found is None:
        return None
    version = f"{key}-{_version(program, found)}"
    return Installed(program=program, executable=_without_wrapper(found), version=version)


def _without_wrapper(executable: str) -> str:
    """LibreOffice's own starter gives up where it may have no socket in /tmp; the program behind it does not."""
    behind = Path(executable).resolve().with_suffix(".bin")
    return str(behind) if behind.is_file() else executable


def _version(program: Program, executable: str) -> str:
    """Return the release in its own words, or the day on which the file was made where it does not tell."""
    made = dt.datetime.fromtimestamp(Path(executable).stat().st_mtime, dt.UTC).strftime("%Y%m%d")
    if program.version_argument is None:
        return made
    try:
        said = _ask([executable, program.version_argument])
    except (OSError, subprocess.SubprocessError):
        return made
    return next((word for word in said.split() if word[0].isdigit()), made)


def _ask(command: list[str]) -> str:
    done = subprocess.run(command, stdin=subprocess.DEVNULL, capture_output=True, timeout=VERSION_SECONDS, check=False)
    return done.stdout.decode("utf-8", "replace").partition("\n")[0]


def convert(conversion: Conversion, file: BinaryIO, scratch: str) -> Outcome:
    """Have the program make RESULT of a file; runs in the program's own process, locked in."""
    program, folder = PROGRAMS[conversion.key], Path(scratch)
    if os.fstat(file.fileno()).st_size > program.max_bytes:
        return unsupported(f"Too large for {program.name}: more than {program.max_bytes >> 20} MiB")
    (folder / "out").mkdir()
    source = _copied(file, folder, conversion.extension) if program.copies else f"/dev/fd/{file.fileno()}"
    command = [conversion.executable, *program.arguments(conversion, source, folder)]
    descriptors = () if program.copies else (file.fileno(),)
    if _run(command, folder, descriptors) == program.begins_anew:
        _run(command, folder, descriptors)
    for made in (folder / "out").glob(f"*.{program.result}"):
        made.rename(result_of(conversion, folder))
    if not result_of(conversion, folder).is_file():  # whatever its exit status says
        return failed(f"{program.name} can make nothing of the file")
    return Outcome(state="ok")


def result_of(conversion: Conversion, folder: Path) -> Path:
    """Return where the program leaves what it makes."""
    return folder / f"{RESULT}.{PROGRAMS[conversion.key].result}"


def _run(command: list[str], folder: Path, descriptors: tuple[int, ...]) -> int:
    """Run a program to its end and return its status; whoever waits for us sees to it that there is an end."""
    done = subprocess.run(
        command,
        cwd=folder,
        env={"PATH": _PATH, "LANG": "C.UTF-8", "HOME": str(folder), "TMPDIR": str(folder)},
        stdin=subprocess.DEVNULL,
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
        pass_fds=descriptors,
        check=False,
    )
    return done.returncode


def _copied(file: BinaryIO, folder: Path, extension: str) -> str:
    """Put the file where a program finds it, with the extension that it goes by."""
    target = folder / f"{_SOURCE}.{extension or 'bin'}"
    with target.open("wb") as copy:
        shutil.copyfileobj(file, copy, _PIECE)
    return str(target)
