"""What would go of some people and what would stay: looked at before anything is removed."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

from ibhelm_pipelines.db.queries import load_queries
from ibhelm_pipelines.nas.names import display
from ibhelm_pipelines.privacy.findings import find, pattern
from ibhelm_pipelines.privacy.outside import find_backups
from ibhelm_pipelines.privacy.removal import KINDS, Placed, Unit, list_placed
from ibhelm_pipelines.register.people_forgetting import find_people
from ibhelm_pipelines.share import Share

if TYPE_CHECKING:
    from collections.abc import Sequence

    from ibhelm_pipelines.db.connect import Connection
    from ibhelm_pipelines.privacy.findings import Findings
    from ibhelm_pipelines.privacy.outside import Backups
    from ibhelm_pipelines.settings import Settings


@dataclass(frozen=True, kw_only=True)
class Report:
    """What goes, or went, and what stays.

    Attributes:
        removed: by kind, see removal.KINDS.
        stays: by reason: how many.
        files: what stays on the NAS although it came with these mails: path and reason.
        folders: of the inbox that could not be removed, because something else is in them.
        backups: of the database that were made before, and hold it until they expire.
        unknown: places (from 1) of the addresses of which nothing is stored and that are not noted.
        noted: how many of them were noted as forgotten before.
    """

    removed: dict[str, int]
    stays: dict[str, int]
    files: tuple[tuple[str, str], ...]
    backups: Backups
    folders: tuple[str, ...] = ()
    unknown: tuple[int, ...] = ()
    noted: int = 0


@dataclass(frozen=True, kw_only=True)
class Look:
    """What was found, and what stands on the NAS of it."""

    findings: Findings
    placed: list[Placed] = field(default_factory=list)
    share: Share | None = None


def look(connection: Connection, settings: Settings, addresses: Sequence[str]) -> Look:
    """Find what is stored, and look at what stands of it on the NAS.

    Raises:
        ShareUnavailableError: files on the NAS are concerned, and it is not there.
    """
    findings = find(connection, addresses)
    has_files = bool(connection.execute(load_queries("privacy")["list_placed"], Unit().values).fetchall())
    share = Share.open(settings) if has_files else None
    looked = Look(findings=findings, placed=list_placed(connection, share, Unit()), share=share)
    sql = load_queries("privacy")
    for each in looked.placed:
        if each.goes and each.raw_path:
            ids = [number for (number,) in connection.execute(sql["files_at"], {"raw_path": each.raw_path})]
            connection.execute(sql["doom_file"], {"ids": ids})
    return looked


def planned(
    connection: Connection,
    settings: Settings,
    looked: Look,
    addresses: Sequence[str],
    *,
    unknown: tuple[int, ...] = (),
    noted: int = 0,
) -> Report:
    """Return what will go and what will stay.

    Raises:
        ObjectStoreUnavailableError: nobody can say which backups there are.
    """
    sql, found = load_queries("privacy"), looked.findings
    by_address = {"addresses": list(addresses)}

    def one(name: str, values: dict[str, Any] | None = None) -> int:
        [(number,)] = connection.execute(sql[name], values).fetchall()
        return int(number)

    [(contents, texts, objects, size)] = connection.execute(sql["contents_to_go"]).fetchall()
    people = find_people(connection, addresses, users=found.users, contacts=found.contacts)
    removed = {
        "people": len(people.persons),
        "mails": len(found.emails),
        "comments": len(found.comments),
        "attachments": one("count_doomed_attachments", Unit().values),
        "contacts": len(found.contacts),
        "colleagues": len(found.users),
        "recipient_entries": one("count_recipients", by_address),
        "mentions": len(found.named_in),
        "webhook_posts": len(found.posts),
        "accesses": one("count_accesses", by_address),
        "inbox_files": sum(each.goes and each.seen.fate == "ours" for each in looked.placed),
        "contents": contents,
        "texts": texts,
        "objects": objects,
        "object_bytes": size,
    }
    assert tuple(removed) == KINDS
    files = _files_that_stay(connection, looked)
    stays = {
        "files": len(files),
        "mails_that_may_quote": one("mails_that_stay"),
        "people_in_teamwork": one("teamwork_people", by_address),
        "saved_searches": one("saved_searches", {"patterns": [pattern(each) for each in addresses]}),
    }
    backups = find_backups(settings)
    return Report(removed=removed, stays=stays, files=files, backups=backups, unknown=unknown, noted=noted)


def _files_that_stay(connection: Connection, looked: Look) -> tuple[tuple[str, str], ...]:
    kept = {display(each.raw_path): _why(each) for each in looked.placed if each.raw_path and not each.goes}
    rows = connection.execute(load_queries("privacy")["files_that_stay"]).fetchall()
    others = {display(raw_path): "not put there for these mails, or moved by people" for (raw_path,) in rows}
    rows = connection.execute(load_queries("privacy")["folders_that_stay"]).fetchall()
    named = {display(raw_path): "its folder may be called like such a mail" for (raw_path,) in rows}
    return tuple(sorted((named | others | kept).items()))


def _why(placed: Placed) -> str:
    return "other mails carry it, too" if placed.shared else "changed since it was put there"
