"""The list of whom to keep away, in the bucket too: an older backup of the database does not know who was forgotten
after it was made.

Invariants: as in the database no address can be read there. Writing it only adds; whoever is on it stays, until a
person takes a note back (`forget.take_back`).
"""

from __future__ import annotations

import hashlib
import json
from typing import TYPE_CHECKING

from ibhelm_pipelines.db.forgotten import Entry, Forgotten
from ibhelm_pipelines.db.queries import load_queries
from ibhelm_pipelines.errors import PermanentError
from ibhelm_pipelines.objects.store import ObjectStore

if TYPE_CHECKING:
    from collections.abc import Collection

    from ibhelm_pipelines.db.connect import Connection
    from ibhelm_pipelines.settings import Settings

KEY = "privacy/forgotten.json"
FORMAT = 1


def keep_list(settings: Settings, connection: Connection) -> int:
    """Add to the list what the database has noted; return how many addresses it holds.

    Args:
        settings: with the bucket.
        connection: in autocommit mode.

    Raises:
        ObjectStoreUnavailableError: the bucket does not answer.
        PermanentError: the list that is there cannot be read.
    """
    with ObjectStore(settings) as store, connection.transaction():
        connection.execute(load_queries("forgotten")["lock_list"])
        kept = _read(store)
        both = {entry.digest: entry for entry in (*kept, *Forgotten.load(connection).entries)}
        if len(both) != len(kept):
            _write(store, both.values())
    return len(both)


def take_over_list(settings: Settings, connection: Connection) -> int:
    """Note in the database whom only the list knows; return how many. Errors as of `keep_list`."""
    with ObjectStore(settings) as store, connection.transaction():
        connection.execute(load_queries("vendors")["lock_writing"], {"source": "missive"})
        known = {entry.digest for entry in Forgotten.load(connection).entries}
        new = [entry for entry in _read(store) if entry.digest not in known]
        for entry in new:
            values = {"salt": entry.salt, "digest": entry.digest}
            connection.execute(load_queries("forgotten")["note_forgotten"], values)
    return len(new)


def take_from_list(settings: Settings, connection: Connection, addresses: Collection[str]) -> int:
    """Take addresses off the list; return how many entries went. Errors as of `keep_list`."""
    with ObjectStore(settings) as store, connection.transaction():
        connection.execute(load_queries("forgotten")["lock_list"])
        kept = _read(store)
        stay = [entry for entry in kept if not any(entry.is_of(each) for each in addresses)]
        if len(stay) != len(kept):
            _write(store, stay)
    return len(kept) - len(stay)


def _read(store: ObjectStore) -> list[Entry]:
    opened = store.open(KEY)
    if opened is None:
        return []
    try:
        said = json.loads(b"".join(iter(lambda: opened.read(1024 * 1024), b"")))
        return [
            Entry(id=0, salt=bytes.fromhex(each["salt"]), digest=bytes.fromhex(each["digest"]))
            for each in said["forgotten"]
        ]
    except (ValueError, KeyError, TypeError) as error:
        raise PermanentError(
            f"The list of forgotten addresses in the bucket, {KEY}, cannot be read.",
            next_step="Bring an earlier version of it back; or, if the database was never restored from an older"
            " backup, delete it: the next `ibhelm forget` writes it anew.",
        ) from error
    finally:
        opened.close()


def _write(store: ObjectStore, entries: Collection[Entry]) -> None:
    said = [{"salt": entry.salt.hex(), "digest": entry.digest.hex()} for entry in entries]
    data = json.dumps({"format": FORMAT, "forgotten": said}, indent=1).encode()
    store.put_bytes(KEY, data, sha256=hashlib.sha256(data).hexdigest(), media_type="application/json")
