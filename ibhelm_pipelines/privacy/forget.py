"""Forgets people: what would go and what would stay (`plan`), and the removal itself (`forget`).

The addresses are noted first, so that nothing of theirs is stored any more while the rest is removed. What is left to
do is never written down but found anew: a run that was interrupted is finished by running it again. What the search
holds of them goes with their rows; documents of others that name them are made anew.
"""

from __future__ import annotations

import os
import pwd
import socket
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

from psycopg.types.json import Jsonb

from ibhelm_pipelines.db.connect import connect, translated_errors
from ibhelm_pipelines.db.forgotten import Forgotten, normal, note
from ibhelm_pipelines.db.queries import load_queries
from ibhelm_pipelines.errors import BusyError, ConfigurationError
from ibhelm_pipelines.nas.names import display
from ibhelm_pipelines.objects.disposal import delete_objects
from ibhelm_pipelines.privacy.findings import find
from ibhelm_pipelines.privacy.removal import KINDS, Placed, Removal, Unit, list_placed
from ibhelm_pipelines.register.people_forgetting import find_people
from ibhelm_pipelines.search.documents import correct_documents
from ibhelm_pipelines.share import Share

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Sequence

    from ibhelm_pipelines.db.connect import Connection
    from ibhelm_pipelines.privacy.findings import Findings
    from ibhelm_pipelines.settings import Settings

ROW_SIGNS = 320
"""The longest mail address (RFC 3696, erratum 1690)."""


@dataclass(frozen=True, kw_only=True)
class Report:
    """What goes, or went, and what stays.

    Attributes:
        removed: by kind, see removal.KINDS.
        stays: by reason: how many.
        files: what stays on the NAS although it came with these mails: path and reason.
        folders: of the inbox that could not be removed, because something else is in them.
        unknown: places (from 1) of the addresses of which nothing is stored and that are not noted.
        noted: how many of them were noted as forgotten before.
    """

    removed: dict[str, int]
    stays: dict[str, int]
    files: tuple[tuple[str, str], ...]
    folders: tuple[str, ...] = ()
    unknown: tuple[int, ...] = ()
    noted: int = 0


@dataclass(frozen=True, kw_only=True)
class _Look:
    """What was found, and what stands on the NAS of it."""

    findings: Findings
    placed: list[Placed] = field(default_factory=list)
    share: Share | None = None


def plan(settings: Settings, addresses: Sequence[str]) -> Report:
    """Find what would be removed; nothing is changed.

    Raises:
        ShareUnavailableError: files on the NAS are concerned, and it is not there.
        DatabaseUnavailableError: Postgres does not answer.
        ConfigurationError: an address is none.
    """
    wanted = _normal(addresses)
    with translated_errors(), _connected(settings) as connection:
        looked = _look(connection, settings, wanted)
        who = Forgotten.load(connection)
        noted = [who.entry_of(each) is not None for each in wanted]
        known = looked.findings.known
        unknown = (at for at, each in enumerate(wanted, 1) if each not in known and not noted[at - 1])
        return _planned(connection, looked, wanted, unknown=tuple(unknown), noted=sum(noted))


def forget(
    settings: Settings, addresses: Sequence[str], *, on_progress: Callable[[int, int], None] = lambda _done, _all: None
) -> Report:
    """Remove what is stored of some people, and keep it away.

    Args:
        settings: of this process.
        addresses: whose; of each nothing is stored from now on.
        on_progress: is told how many mails and comments of how many are removed.

    Raises:
        BusyError: another such run is under way, or somebody works on the same; run it again.
        ShareUnavailableError, FileUnreadableError, ContentChangedError: a file cannot be removed now; run it again.
        ObjectStoreUnavailableError: rows are gone, objects are left; run it again.
        DatabaseUnavailableError: Postgres does not answer.
        ConfigurationError: an address is none.
    """
    wanted = _normal(addresses)
    with translated_errors(), _only_run(settings) as connection:
        delete_objects(settings, connection)  # that an earlier run left
        numbers = _note(connection, wanted)
        looked = _look(connection, settings, wanted)
        planned = _planned(connection, looked, wanted)
        run = _begin(connection, len(wanted), planned.stays)
        removal = Removal(connection, settings, looked.share, Forgotten.load(connection), run)
        _remove_all(removal, looked.findings, wanted, on_progress)
        correct_documents(settings)
        gone = delete_objects(settings, connection)
        removal.count(objects=gone.objects, object_bytes=gone.object_bytes)
        _finish(connection, run, numbers)
    folders = tuple(sorted(removal.left_folders))
    return Report(removed=removal.removed, stays=planned.stays, files=planned.files, folders=folders)


def _normal(addresses: Sequence[str]) -> list[str]:
    found = list(dict.fromkeys(map(normal, addresses)))
    for at, each in enumerate(found, 1):
        if not each or len(each) > ROW_SIGNS or any(sign in each for sign in "<>,;\0\n"):
            raise ConfigurationError(
                f"Address {at} of {len(found)} is no address.",
                next_step="Give the bare address, without a name and angle brackets: --address max@example.org.",
            )
    return found


def _connected(settings: Settings) -> Connection:
    return connect(settings.require_database_url(), application="forget", autocommit=True)


@contextmanager
def _only_run(settings: Settings) -> Iterator[Connection]:
    with _connected(settings) as connection:
        [(alone,)] = connection.execute(load_queries("privacy")["lock_forgetting"]).fetchall()
        if not alone:
            raise BusyError("Another `ibhelm forget` is running.", next_step="Wait until it has ended.")
        yield connection


def _note(connection: Connection, addresses: Sequence[str]) -> list[int]:
    """Note those that are not noted yet, behind the lock of those who store what Missive says."""
    with connection.transaction():
        connection.execute(load_queries("vendors")["lock_writing"], {"source": "missive"})
        who = Forgotten.load(connection)
        return [(who.entry_of(each) or note(connection, each)).id for each in addresses]


def _look(connection: Connection, settings: Settings, addresses: Sequence[str]) -> _Look:
    findings = find(connection, addresses)
    has_files = bool(connection.execute(load_queries("privacy")["list_placed"], Unit().values).fetchall())
    share = Share.open(settings) if has_files else None
    looked = _Look(findings=findings, placed=list_placed(connection, share, Unit()), share=share)
    sql = load_queries("privacy")
    for each in looked.placed:
        if each.goes and each.raw_path:
            ids = [number for (number,) in connection.execute(sql["files_at"], {"raw_path": each.raw_path})]
            connection.execute(sql["doom_file"], {"ids": ids})
    return looked


def _planned(
    connection: Connection, looked: _Look, addresses: Sequence[str], *, unknown: tuple[int, ...] = (), noted: int = 0
) -> Report:
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
    }
    return Report(removed=removed, stays=stays, files=files, unknown=unknown, noted=noted)


def _files_that_stay(connection: Connection, looked: _Look) -> tuple[tuple[str, str], ...]:
    kept = {display(each.raw_path): _why(each) for each in looked.placed if each.raw_path and not each.goes}
    rows = connection.execute(load_queries("privacy")["files_that_stay"]).fetchall()
    others = {display(raw_path): "not put there for these mails, or moved by people" for (raw_path,) in rows}
    return tuple(sorted((others | kept).items()))


def _why(placed: Placed) -> str:
    return "other mails carry it, too" if placed.shared else "changed since it was put there"


def _begin(connection: Connection, addresses: int, stays: dict[str, int]) -> int:
    values = {"requested_by": _who(), "addresses": addresses, "stays": Jsonb(stays)}
    [(run,)] = connection.execute(load_queries("privacy")["begin_run"], values).fetchall()
    return int(run)


def _who() -> str:
    return f"{pwd.getpwuid(os.getuid()).pw_name}@{socket.gethostname()}"


def _remove_all(
    removal: Removal, found: Findings, addresses: Sequence[str], on_progress: Callable[[int, int], None]
) -> None:
    """Mails before conversations: whether a subject may stay is known when they are gone. People first: who they are is
    known by what goes.
    """
    removal.remove_people(addresses, users=found.users, contacts=found.contacts)
    units = [Unit(email=email, conversation=conversation) for email, conversation in found.emails]
    units += [Unit(comment=comment) for comment in found.comments]
    for done, unit in enumerate(units, 1):
        removal.remove(unit)
        on_progress(done, len(units))
    for contact in found.contacts:
        removal.remove_contact(contact)
    for user in found.users:
        removal.remove_user(user)
    for kind, vendor_id in found.named_in:
        removal.clean_body(kind, vendor_id)
    removal.remove_recipients(addresses)
    removal.remove_posts(found.posts)


def _finish(connection: Connection, run: int, numbers: Sequence[int]) -> None:
    sql = load_queries("privacy")
    with connection.transaction():
        connection.execute(sql["complete"], {"ids": list(numbers)})
        connection.execute(sql["finish_run"], {"id": run})
