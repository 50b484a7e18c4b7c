"""Programs that convert: what one makes is read, and one that misbehaves costs its content only."""

from __future__ import annotations

import io
import os
import shutil
import socket
import subprocess
import sys
import time
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING

import psutil
import pytest
from hostile_programs import stand_in
from hostile_readers import place
from PIL import Image

from ibhelm_pipelines.content import families, pdf, programs, scratch
from ibhelm_pipelines.content.families import Tool, tool_version, usable_tool
from ibhelm_pipelines.content.landlock import version as landlock_version
from ibhelm_pipelines.content.sandbox import Sandbox
from ibhelm_pipelines.content.seccomp import is_known
from ibhelm_pipelines.content.workers import Workers
from ibhelm_pipelines.settings import Settings

if TYPE_CHECKING:
    from collections.abc import Iterator

    from ibhelm_pipelines.content.outcome import Outcome

SECONDS = 4
LIBREOFFICE = Tool(converter="libreoffice", reader="pdf:text", refusal="Office file ({name}): no text")
OTHERWISE = Tool(converter="libreoffice", reader="pdf:text", otherwise=Tool(reader="text:text"))

needs_landlock = pytest.mark.skipif(not landlock_version(), reason="this kernel has no Landlock")
needs_seccomp = pytest.mark.skipif(not is_known(), reason="this kernel does not filter system calls")


@pytest.fixture
def settings() -> Settings:
    return Settings(_env_file=None, content_workers=1, content_seconds=SECONDS)


@pytest.fixture
def machine(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Path]:
    """A machine on which the only programs for documents are those that the test puts into this folder."""
    folder = tmp_path / "programs"
    folder.mkdir()
    monkeypatch.setenv("PATH", f"{folder}:{os.environ['PATH']}")
    _forget()
    yield folder
    _forget()


def _forget() -> None:
    """What is installed is looked up once for each process."""
    programs._find.cache_clear()
    families.tool_version.cache_clear()


@pytest.fixture
def document(tmp_path: Path) -> Path:
    path = tmp_path / "Brief.docx"
    path.write_text("Der Brief selbst", encoding="utf-8")
    return path


def convert(settings: Settings, document: Path, tool: Tool = LIBREOFFICE) -> Outcome:
    with Workers(settings) as workers, Sandbox(settings, workers) as sandbox:
        return sandbox.read(tool, place(document), "docx")


def _scripts() -> list[psutil.Process]:
    """What runs of a stand-in: it is the only one that sleeps for 600 s."""
    found = psutil.process_iter(["cmdline", "status"])
    return [
        each
        for each in found
        if each.info["cmdline"] == ["sleep", "600"] and each.info["status"] != psutil.STATUS_ZOMBIE  # dead, not reaped
    ]


def assert_nothing_runs() -> None:
    """All has been killed; a process takes a moment to die."""
    _, alive = psutil.wait_procs(_scripts(), timeout=10)
    assert [each for each in alive if each.status() != psutil.STATUS_ZOMBIE] == []


def test_what_a_program_makes_is_read(settings: Settings, machine: Path, document: Path) -> None:
    stand_in(machine, "well")
    outcome = convert(settings, document)
    assert (outcome.state, outcome.text) == ("ok", "Aus dem Programm\n")


def test_a_result_counts_whatever_the_exit_status_says(settings: Settings, machine: Path, document: Path) -> None:
    stand_in(machine, "late")
    assert convert(settings, document).state == "ok"


@pytest.mark.parametrize(
    ("behaviour", "reason", "transient"),
    [
        ("refuse", "LibreOffice can make nothing of the file", False),
        ("nothing", "LibreOffice can make nothing of the file", False),
        ("hang", f"LibreOffice took longer than {SECONDS} s", True),
        ("fork", f"LibreOffice took longer than {SECONDS} s", True),
        ("write", f"LibreOffice wrote more than {scratch.SCRATCH_BYTES >> 20} MiB of files", False),
        ("endless_file", "LibreOffice can make nothing of the file", False),
        ("link", "LibreOffice can make nothing of the file", False),
        ("environment", "LibreOffice can make nothing of the file", False),
        pytest.param("read", "LibreOffice can make nothing of the file", False, marks=needs_landlock),
        pytest.param("elsewhere", "LibreOffice can make nothing of the file", False, marks=needs_landlock),
    ],
)
def test_a_program_that_misbehaves_is_a_failed_outcome_and_leaves_nothing(
    settings: Settings, machine: Path, document: Path, tmp_path: Path, behaviour: str, reason: str, transient: bool
) -> None:
    secret, elsewhere = tmp_path / "geheim.txt", tmp_path / "elsewhere.txt"
    secret.write_text("geheim", encoding="utf-8")
    stand_in(machine, behaviour, secret=secret, elsewhere=elsewhere)
    patient = settings.model_copy(update={"content_seconds": 30}) if behaviour == "write" else settings
    outcome = convert(patient, document)
    if behaviour == "link":  # followed, as any file of the program's would be, to what it may not read
        assert outcome.state == "failed"
    else:
        assert (outcome.state, outcome.reason, outcome.transient) == ("failed", reason, transient)
    assert not elsewhere.exists()
    assert_nothing_runs()
    assert list(scratch._folder_of_process(os.getpid()).iterdir()) == []


@needs_seccomp
def test_a_program_cannot_reach_a_server_on_this_machine(settings: Settings, machine: Path, document: Path) -> None:
    with socket.create_server(("127.0.0.1", 0)) as server:
        stand_in(machine, "socket", port=server.getsockname()[1], python="python3")
        assert convert(settings, document).reason == "LibreOffice can make nothing of the file"


@needs_seccomp
def test_what_a_program_leaves_running_is_killed_though_it_did_well(
    settings: Settings, machine: Path, document: Path
) -> None:
    stand_in(machine, "leave")
    assert convert(settings, document).state == "ok"
    assert_nothing_runs()


def test_what_cannot_be_converted_is_read_otherwise(settings: Settings, machine: Path, document: Path) -> None:
    stand_in(machine, "refuse")
    assert convert(settings, document, OTHERWISE).text == "Der Brief selbst"


def test_what_is_printed_as_blank_pages_is_drawn_otherwise(settings: Settings, machine: Path, document: Path) -> None:
    """LibreOffice prints nothing of a sheet that holds only a drawing of Excel's; our own picture shows its words."""
    printed = Tool(converter="libreoffice", reader="pdf:printed_thumbnail")
    own = replace(printed, otherwise=Tool(reader="text:thumbnail"))
    stand_in(machine, "well")
    assert _darkest(convert(settings, document, printed)) < 128
    stand_in(machine, "blank")
    assert _darkest(convert(settings, document, own)) < 128
    outcome = convert(settings, document, printed)
    assert (outcome.state, outcome.preview, outcome.reason) == ("empty", None, pdf.BLANK)


def _darkest(outcome: Outcome) -> int:
    assert outcome.preview is not None, outcome.reason
    return int(Image.open(io.BytesIO(outcome.preview)).convert("L").getextrema()[0])


def test_without_the_program_the_refusal_names_it(
    settings: Settings, machine: Path, document: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("PATH", str(machine))
    outcome = convert(settings, document)
    assert (outcome.state, outcome.reason) == ("unsupported", "Office file (docx): no text (LibreOffice missing)")
    assert convert(settings, document, OTHERWISE).text == "Der Brief selbst"
    assert usable_tool(OTHERWISE, settings) == OTHERWISE.otherwise


def test_the_tool_version_names_the_program_and_its_release(
    settings: Settings, machine: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    office = families.Family(name="Office", extensions=(), thumbnail=LIBREOFFICE, text=OTHERWISE)
    monkeypatch.setitem(families.FAMILIES, "office", office)
    stand_in(machine, "well")
    assert tool_version("office", "text", settings) == "office/1 libreoffice-99.1"
    _forget()
    (machine / "soffice").unlink()
    monkeypatch.setenv("PATH", str(machine))
    assert tool_version("office", "text", settings) == "office/1"


def test_programs_die_with_a_killed_parent(machine: Path, document: Path, tmp_path: Path) -> None:
    stand_in(machine, "fork")
    code = (
        "import sys\n"
        "from pathlib import Path\n"
        "sys.path.insert(0, sys.argv[1])\n"
        "import test_programs\n"
        "from ibhelm_pipelines.settings import Settings\n"
        "if __name__ == '__main__':\n"
        "    settings = Settings(_env_file=None, content_workers=1, content_seconds=600)\n"
        "    test_programs.convert(settings, Path(sys.argv[2]))\n"
    )
    (tmp_path / "main.py").write_text(code, encoding="utf-8")
    tests = Path(__file__).parents[2]
    environment = os.environ | {"PYTHONPATH": f"{tests.parent}:{tests}"}
    command = [sys.executable, tmp_path / "main.py", Path(__file__).parent, document]
    with subprocess.Popen(command, env=environment) as parent:
        while not (running := _scripts()):
            assert parent.poll() is None
            time.sleep(0.1)
        parent.kill()
    assert running
    assert_nothing_runs()


def test_what_a_killed_process_left_in_its_scratch_folder_is_thrown_away(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("tempfile.tempdir", str(tmp_path))
    left = tmp_path / f"{scratch.PREFIX}left"
    (left / "deep").mkdir(parents=True)
    scratch._folder_of_process.cache_clear()
    with scratch.open_scratch() as mine:
        assert not left.exists()
        scratch._sweep()  # another process begins
        assert mine.folder.is_dir()
    scratch._folder_of_process.cache_clear()


@pytest.mark.skipif(shutil.which("soffice") is None, reason="LibreOffice is not installed")
@pytest.mark.timeout(120)
def test_libreoffice_itself_makes_a_pdf_of_a_document(tmp_path: Path) -> None:
    settings = Settings(_env_file=None, content_workers=1, content_seconds=100)
    document = tmp_path / "Brief.rtf"
    document.write_text(r"{\rtf1\ansi L\'fcftung im Geb\'e4ude}", encoding="ascii")
    assert (convert(settings, document).text or "").strip() == "Lüftung im Gebäude"


@pytest.mark.skipif(shutil.which("ffmpeg") is None, reason="ffmpeg is not installed")
def test_ffmpeg_itself_takes_a_picture_out_of_a_film(settings: Settings, tmp_path: Path) -> None:
    film = tmp_path / "Begehung.mp4"
    make = ["ffmpeg", "-v", "error", "-f", "lavfi", "-i", "testsrc=duration=2:size=640x360:rate=10", film]
    subprocess.run(make, check=True)
    outcome = convert(settings, film, Tool(converter="ffmpeg", reader="image:thumbnail"))
    assert (outcome.state, outcome.facts.pixel_width) == ("ok", 640)
