"""Forgets people: what would go and what would stay (`plan`), and the removal itself (`forget`).

The addresses are noted first, so that nothing of theirs is stored any more while the rest is removed. What is left to
do is never written down but found anew: a run that was interrupted is finished by running it again. What the search
holds of them goes with their rows; documents of others that name them are made anew.
"""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING

from psycopg.types.json import Jsonb

from ibhelm_pipelines.db.connect import translated_errors
from ibhelm_pipelines.db.forgotten import Forgotten, note
from ibhelm_pipelines.db.queries import load_queries
from ibhelm_pipelines.objects.disposal import delete_objects
from ibhelm_pipelines.privacy.kept_list import keep_list, take_from_list
from ibhelm_pipelines.privacy.outside import clean_manifests
from ibhelm_pipelines.privacy.planning import Report, look, planned
from ibhelm_pipelines.privacy.removal import Removal, Unit
from ibhelm_pipelines.privacy.runs import connected, normal_addresses, only_run, who_runs
from ibhelm_pipelines.search.documents import correct_documents

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from ibhelm_pipelines.db.connect import Connection
    from ibhelm_pipelines.privacy.findings import Findings
    from ibhelm_pipelines.settings import Settings


def plan(settings: Settings, addresses: Sequence[str]) -> Report:
    """Find what would be removed; nothing is changed.

    Raises:
        ShareUnavailableError: files on the NAS are concerned, and it is not there.
        DatabaseUnavailableError: Postgres does not answer.
        ConfigurationError: an address is none.
    """
    wanted = normal_addresses(addresses)
    with translated_errors(), connected(settings) as connection:
        looked = look(connection, settings, wanted)
        who = Forgotten.load(connection)
        noted = [who.entry_of(each) is not None for each in wanted]
        known = looked.findings.known
        unknown = (at for at, each in enumerate(wanted, 1) if each not in known and not noted[at - 1])
        return planned(connection, settings, looked, wanted, unknown=tuple(unknown), noted=sum(noted))


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
    wanted = normal_addresses(addresses)
    with translated_errors(), only_run(settings) as connection:
        delete_objects(settings, connection)  # that an earlier run left
        numbers = _note(connection, wanted)
        keep_list(settings, connection)
        looked = look(connection, settings, wanted)
        report = planned(connection, settings, looked, wanted)
        run = _begin(connection, len(wanted), report.stays)
        removal = Removal(connection, settings, looked.share, Forgotten.load(connection), run)
        _remove_all(removal, looked.findings, wanted, on_progress)
        correct_documents(settings)
        gone = delete_objects(settings, connection)
        removal.count(objects=gone.objects, object_bytes=gone.object_bytes)
        clean_manifests(settings, connection)
        _finish(connection, run, numbers)
    folders = tuple(sorted(removal.left_folders))
    return replace(report, removed=removal.removed, folders=folders, unknown=(), noted=0)


def take_back(settings: Settings, addresses: Sequence[str]) -> int:
    """Take notes back, so that mails of these addresses are stored again; return how many there were.

    Nothing that was removed comes back by it but what Missive still has, when it is read in full.

    Raises:
        BusyError, DatabaseUnavailableError, ObjectStoreUnavailableError, ConfigurationError: as of `forget`.
    """
    wanted = normal_addresses(addresses)
    with translated_errors(), only_run(settings) as connection:
        who = Forgotten.load(connection)
        numbers = [entry.id for entry in who.entries if any(entry.is_of(each) for each in wanted)]
        listed = take_from_list(settings, connection, wanted)
        connection.execute(load_queries("forgotten")["take_back"], {"ids": numbers})
    return max(len(numbers), listed)


def _note(connection: Connection, addresses: Sequence[str]) -> list[int]:
    """Note those that are not noted yet, behind the lock of those who store what Missive says."""
    with connection.transaction():
        connection.execute(load_queries("vendors")["lock_writing"], {"source": "missive"})
        who = Forgotten.load(connection)
        return [(who.entry_of(each) or note(connection, each)).id for each in addresses]


def _begin(connection: Connection, addresses: int, stays: dict[str, int]) -> int:
    values = {"requested_by": who_runs(), "addresses": addresses, "stays": Jsonb(stays)}
    [(run,)] = connection.execute(load_queries("privacy")["begin_run"], values).fetchall()
    return int(run)


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
    removal.remove_accesses(addresses)


def _finish(connection: Connection, run: int, numbers: Sequence[int]) -> None:
    sql = load_queries("privacy")
    with connection.transaction():
        connection.execute(sql["complete"], {"ids": list(numbers)})
        connection.execute(sql["finish_run"], {"id": run})
