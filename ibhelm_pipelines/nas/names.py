"""Names on the share are bytes; here they become what people and Dagster see.

The bytes stay the identity (design section 3). What is shown is NFC, and bytes that are no UTF-8 are shown as
`\\xNN`, so that every name has exactly one readable form and none is refused. Macs write decomposed umlauts, Linux
and Windows composed ones; both show the same.
"""

from __future__ import annotations

import hashlib
import re
import unicodedata
from urllib.parse import quote

from ibhelm_pipelines.share import LOOSE

# Dagster refuses these in a partition key; "..." would read as a range of keys.
_NOT_IN_KEYS = re.compile(r"[\x00-\x1f\x7f]|\.\.\.")


def display(raw: bytes) -> str:
    """Return the readable form of a raw name or path: NFC, undecodable bytes as `\\xNN`."""
    if raw.isascii():
        return raw.decode("ascii")
    return unicodedata.normalize("NFC", raw.decode("utf-8", "backslashreplace"))


def folder_key(raw_folder: bytes) -> str:
    """Return the partition key of a project folder; folders that differ only in Unicode form share one."""
    return _NOT_IN_KEYS.sub(_escape, display(raw_folder))


def folder_of(raw_directory: bytes, folder_depth: int) -> str:
    """Return the project folder that the files of a directory count to."""
    parts = raw_directory.split(b"/") if raw_directory else []
    return folder_key(b"/".join(parts[:folder_depth])) if len(parts) >= folder_depth else LOOSE


def _escape(match: re.Match[str]) -> str:
    return "…" if match.group() == "..." else match.group().encode("unicode_escape").decode()


def extension(name: str) -> str:
    """Return the lower-case extension of a shown name without its dot; empty where there is none."""
    stem, dot, ending = name.rpartition(".")
    return ending.lower() if dot and stem else ""


def url_path(raw: bytes) -> str:
    """Return a raw path, percent-encoded for a link; the bytes stay exact."""
    return quote(raw)


def directory_key(raw_directory: bytes) -> int:
    """Return 64 bits of a directory's path: groups rows quickly, decides nothing."""
    return int.from_bytes(hashlib.blake2b(raw_directory, digest_size=8).digest(), "big", signed=True)


def split(raw_path: bytes) -> tuple[bytes, bytes]:
    """Return the directory of a path below the root (empty for the root itself), and the name in it."""
    directory, _, name = raw_path.rpartition(b"/")
    return directory, name


def join(raw_directory: bytes, raw_name: bytes) -> bytes:
    """Join a directory below the root (empty for the root itself) and a name."""
    return raw_directory + b"/" + raw_name if raw_directory else raw_name
