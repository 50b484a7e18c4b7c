"""The one table of content families: which reader makes what of which kind, and the version its results carry.

A family is a word that sniffing gives. Adding a file type means a module with readers and a line here; raising
`revision` redoes this family and this step, and nothing else. Readers are named, not imported: only the sandbox loads
them.
"""

from __future__ import annotations

import importlib
from collections.abc import Callable
from dataclasses import dataclass
from functools import cache
from importlib.metadata import version
from typing import TYPE_CHECKING, BinaryIO, Literal, cast

from ibhelm_pipelines.content.limits import Limits
from ibhelm_pipelines.content.outcome import Outcome, Step
from ibhelm_pipelines.content.programs import PROGRAMS, find_program
from ibhelm_pipelines.content.recognition import engine_version

if TYPE_CHECKING:
    from ibhelm_pipelines.settings import Settings

ReadStep = Literal["thumbnail", "text"]
Reader = Callable[[BinaryIO, Limits], Outcome]

UNOPENED = "unopened"
"""Stands for the family of a content that could not be looked into yet."""

_HERE = "ibhelm_pipelines.content"


@dataclass(frozen=True, kw_only=True)
class Tool:
    """One reader of one family.

    Attributes:
        reader: `module:function` below this package; None where there is none, with the reason in `refusal`.
        revision: of our own code; raise it when its results change.
        libraries: distributions whose versions decide the result.
        refusal: why there is no reader; `{name}` is the everyday name of the kind.
        seconds: wall time for one content, where it needs another one than IBHELM_CONTENT_SECONDS.
        scratch: whether the reader is given `limits.scratch`, at the cost of a process of its own for each content.
        converter: the program of programs.py that turns the content into what the reader reads.
        otherwise: what is done where that program is missing, or can make nothing of a content.
        recogniser: `module:function` that recognises one page of those that the reader calls pictured (ocr.py).
    """

    reader: str | None = None
    revision: int = 1
    libraries: tuple[str, ...] = ()
    refusal: str = ""
    seconds: int | None = None
    scratch: bool = False
    converter: str | None = None
    otherwise: Tool | None = None
    recogniser: str | None = None

    def explain_refusal(self, name: str) -> str:
        """Return the reason for a content of this kind."""
        return self.refusal.format(name=name)


@dataclass(frozen=True, kw_only=True)
class Family:
    """All that is done with one kind of content; docs/file-types.md is made of this.

    Attributes:
        name: for people.
        extensions: the usual ones, for people; what a content is, its bytes say (sniff.py).
    """

    name: str
    extensions: tuple[str, ...]
    thumbnail: Tool
    text: Tool


def _refuses(name: str, extensions: tuple[str, ...], refusal: str) -> Family:
    no_preview, no_text = Tool(refusal=f"{refusal}: no preview yet"), Tool(refusal=f"{refusal}: no text yet")
    return Family(name=name, extensions=extensions, thumbnail=no_preview, text=no_text)


def _draws(reader: str, revision: int = 1) -> Tool:
    return Tool(reader=reader, revision=revision, libraries=("pymupdf",))


def _prints(otherwise: Tool) -> Tool:
    """The first page as LibreOffice prints it; its start alone takes seconds, and long sheets take minutes."""
    reader, libraries = "pdf:printed_thumbnail", ("pymupdf",)
    return Tool(
        converter="libreoffice", reader=reader, revision=2, libraries=libraries, otherwise=otherwise, seconds=120
    )


FAMILIES: dict[str, Family] = {
    "pdf": Family(
        name="PDF",
        extensions=("pdf",),
        thumbnail=Tool(reader="pdf:thumbnail", revision=3, libraries=("pymupdf",)),
        text=Tool(reader="pdf:text", recogniser="ocr:pdf_page", revision=3, libraries=("pymupdf",)),
    ),
    "image": Family(
        name="Pictures and scans",
        extensions=("jpg", "png", "tif", "heic", "webp", "avif", "gif", "bmp"),
        thumbnail=Tool(reader="image:thumbnail", revision=3, libraries=("pillow", "pillow-heif")),
        text=Tool(
            reader="image:text",
            recogniser="ocr:image_page",
            revision=2,
            libraries=("pillow", "pillow-heif", "pymupdf"),
        ),
    ),
    "text": Family(
        name="Plain text",
        extensions=("txt", "md", "json", "log", "ics", "vcf"),
        thumbnail=_draws("text:thumbnail", revision=2),
        text=Tool(reader="text:text", revision=2),
    ),
    "csv": Family(
        name="Tables as text",
        extensions=("csv", "tsv"),
        thumbnail=_draws("text:thumbnail_csv", revision=2),
        text=Tool(reader="text:text", revision=2),
    ),
    "html": Family(
        name="Web pages",
        extensions=("html", "htm"),
        thumbnail=_draws("markup:html_thumbnail", revision=2),
        text=Tool(reader="markup:html_text", revision=2),
    ),
    "xml": Family(
        name="XML",
        extensions=("xml",),
        thumbnail=_draws("markup:xml_thumbnail", revision=2),
        text=Tool(reader="markup:xml_text", revision=2),
    ),
    "svg": Family(
        name="SVG pictures",
        extensions=("svg",),
        thumbnail=_draws("svg:thumbnail"),
        text=Tool(reader="svg:text"),
    ),
    "gaeb": Family(
        name="Bills of quantities (GAEB)",
        extensions=("x81", "x83", "x84", "x86", "p83", "d83"),
        thumbnail=_draws("gaeb:thumbnail"),
        text=Tool(reader="gaeb:text"),
    ),
    "office": Family(
        name="Office files",
        extensions=("docx", "docm", "xlsx", "xlsm", "pptx", "vsdx", "odt", "ods", "odp", "rtf"),
        thumbnail=_prints(Tool(reader="office:thumbnail", libraries=("pymupdf", "pillow"))),
        text=Tool(reader="office:text"),
    ),
    "old_office": Family(
        name="Old Office files",
        extensions=("doc", "xls", "ppt"),
        thumbnail=_prints(Tool(reader="old_office:thumbnail", libraries=("pymupdf", "olefile", "xlrd"))),
        text=Tool(reader="old_office:text", libraries=("olefile", "xlrd")),
    ),
    "mail": Family(
        name="E-mails",
        extensions=("eml", "mbox", "mhtml"),
        thumbnail=_draws("mail:thumbnail"),
        text=Tool(reader="mail:text"),
    ),
    "outlook": Family(
        name="E-mails from Outlook",
        extensions=("msg",),
        thumbnail=Tool(reader="outlook:thumbnail", libraries=("pymupdf", "olefile")),
        text=Tool(reader="outlook:text", libraries=("olefile",)),
    ),
    "dxf": Family(
        name="Drawings (DXF)",
        extensions=("dxf",),
        thumbnail=Tool(reader="dxf:thumbnail", libraries=("ezdxf", "pymupdf")),
        text=Tool(reader="dxf:text", libraries=("ezdxf",)),
    ),
    "dwg": Family(
        name="Drawings (DWG)",
        extensions=("dwg",),
        thumbnail=Tool(
            converter="dwg",
            reader="dxf:thumbnail",
            libraries=("ezdxf", "pymupdf"),
            seconds=120,
            otherwise=Tool(reader="dwg:thumbnail", libraries=("ezdwg", "ezdxf", "pymupdf"), seconds=120, scratch=True),
        ),
        text=Tool(
            converter="dwg",
            reader="dxf:text",
            libraries=("ezdxf",),
            seconds=120,
            otherwise=Tool(reader="dwg:text", libraries=("ezdwg", "ezdxf")),
        ),
    ),
    "ifc": Family(
        name="Building models (IFC)",
        extensions=("ifc",),
        thumbnail=_draws("ifc:thumbnail"),
        text=Tool(reader="ifc:text"),
    ),
    "step": Family(
        name="Parts and assemblies (STEP)",
        extensions=("stp", "step"),
        thumbnail=_draws("step:thumbnail", revision=2),
        text=Tool(reader="step:text", revision=2),
    ),
    "archive": Family(
        name="Archives",
        extensions=("zip", "7z", "rar", "tar", "gz", "tgz", "bz2", "xz", "zst"),
        thumbnail=_draws("archive:thumbnail"),
        text=Tool(reader="archive:text", libraries=("rarfile",)),
    ),
    "video": Family(
        name="Films",
        extensions=("mp4", "mov", "avi", "mkv", "wmv", "mpg", "mts"),
        thumbnail=Tool(
            converter="ffmpeg",
            reader="image:thumbnail",
            libraries=("pillow",),
            otherwise=Tool(reader="media:film_cover", libraries=("pymediainfo", "pillow")),
        ),
        text=Tool(reader="media:film_text", libraries=("pymediainfo",)),
    ),
    "audio": Family(
        name="Sound",
        extensions=("mp3", "m4a", "wav", "ogg", "flac", "aiff", "amr"),
        thumbnail=Tool(reader="media:sound_cover", libraries=("pymediainfo", "pillow")),
        text=Tool(reader="media:sound_text", libraries=("pymediainfo",)),
    ),
    "other": _refuses("Other files", (), "File of another kind ({name})"),
    "empty": _refuses("Empty files", (), "The file has no bytes"),
}

STORE_VERSION = "store/1"


@cache
def tool_version(family: str, step: Step, settings: Settings) -> str:
    """Return the version that results of this step on this family carry, such as `pdf/1 pymupdf-1.26.7`.

    It names the program that converts, and what recognises text, where there is one: the results are others when it
    comes, goes, or is renewed.

    Raises:
        ConfigurationError: what was chosen to recognise text is not installed.
    """
    if step == "store":
        return STORE_VERSION
    tool = usable_tool(tool_for(family, step), settings) if family in FAMILIES else Tool()
    program = find_program(tool.converter, settings) if tool.converter else None
    libraries = (f"{name}-{version(name)}" for name in tool.libraries)
    recognised_by = [engine_version(settings)] if tool.recogniser else []
    return " ".join((f"{family}/{tool.revision}", *([program.version] if program else []), *libraries, *recognised_by))


def tool_versions(step: Step, settings: Settings) -> dict[str, str]:
    """Return the current tool version of every family for a step."""
    return {family: tool_version(family, step, settings) for family in (*FAMILIES, UNOPENED)}


def usable_tool(tool: Tool, settings: Settings) -> Tool:
    """Return this tool if its program is installed, else what is done without."""
    if tool.converter is None or find_program(tool.converter, settings) is not None:
        return tool
    if tool.otherwise is not None:
        return usable_tool(tool.otherwise, settings)
    return Tool(revision=tool.revision, refusal=f"{tool.refusal} ({PROGRAMS[tool.converter].name} missing)")


def tool_for(family: str, step: ReadStep) -> Tool:
    """Return the tool that does this step for this family, or that says why there is none."""
    return FAMILIES[family].thumbnail if step == "thumbnail" else FAMILIES[family].text


def load_reader(reader: str) -> Reader:
    """Import and return a reader by its name; only the sandbox does this."""
    module, function = reader.split(":")
    return cast("Reader", getattr(importlib.import_module(f"{_HERE}.{module}"), function))


def reader_modules() -> list[str]:
    """Return the modules of all readers, for the sandbox to load once."""
    tools = [tool for each in FAMILIES.values() for tool in (each.thumbnail, each.text)]
    tools += [tool.otherwise for tool in tools if tool.otherwise]
    readers = filter(None, (reader for tool in tools for reader in (tool.reader, tool.recogniser)))
    return sorted({f"{_HERE}.{reader.split(':')[0]}" for reader in readers})
