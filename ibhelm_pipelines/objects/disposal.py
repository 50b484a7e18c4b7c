"""Contents that nothing carries any more: rows first, in the transaction of whoever removed the last carrier; then the
objects in S3, from a list that outlives whatever kills us.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from ibhelm_pipelines.db.queries import load_queries
from ibhelm_pipelines.objects.store import ObjectStore, original_key, thumbnail_key

if TYPE_CHECKING:
    from collections.abc import Sequence

    from ibhelm_pipelines.db.connect import Connection
    from ibhelm_pipelines.settings import Settings

DERIVED = ("forget_events", "forget_texts", "forget_results", "forget_objects", "forget_accesses")
"""What hangs on a content, in the order in which it goes. Whoever derives more from contents (search documents, chunks)
adds a statement to sql/queries/contents.sql and its name here."""


@dataclass(frozen=True, kw_only=True)
class Gone:
    """What was removed with contents, or of the store."""

    contents: int = 0
    texts: int = 0
    objects: int = 0
    object_bytes: int = 0


def permit_rewriting(connection: Connection) -> None:
    """Let versions of files be removed until the transaction ends: history is for good but for what must go."""
    connection.execute(load_queries("contents")["permit_rewriting"])


def lock_contents(connection: Connection, hashes: Sequence[str]) -> None:
    """Keep all others from referring to some contents, and from making objects of them, until the transaction ends.

    Raises:
        LockNotAvailable: of psycopg; somebody works on one of them.
    """
    if hashes:
        sql = load_queries("contents")
        connection.execute(sql["lock_content_steps"], {"hashes": list(hashes)})
        connection.execute(sql["lock_contents_table"])


def remove_unreferenced(connection: Connection, hashes: Sequence[str]) -> Gone:
    """Remove those of some contents that nothing refers to; note their objects.

    The caller's transaction holds the locks of the contents (`lock_contents`).
    """
    sql = load_queries("contents")
    gone = [found for (found,) in connection.execute(sql["unreferenced"], {"hashes": list(hashes)})]
    if not gone:
        return Gone()
    keys = [(key(each), each) for each in gone for key in (original_key, thumbnail_key)]
    noted: dict[str, Any] = {"keys": [key for key, _ in keys], "hashes": [each for _, each in keys]}
    connection.execute(sql["note_objects"], noted)
    counts = {name: connection.execute(sql[name], {"hashes": gone}).rowcount for name in DERIVED}
    connection.execute(sql["forget_contents"], {"hashes": gone})
    return Gone(contents=len(gone), texts=counts["forget_texts"])


def delete_objects(settings: Settings, connection: Connection) -> Gone:
    """Delete every object that is noted, those of earlier runs too.

    Raises:
        ObjectStoreUnavailableError: the store does not answer; what is left stays noted.
    """
    sql = load_queries("contents")
    count = size = 0
    after = ""
    with ObjectStore(settings) as store:
        while rows := connection.execute(sql["next_objects"], {"after": after}).fetchall():
            for key, content_hash, known_size in rows:
                if _delete(connection, store, key, content_hash) and known_size is not None:
                    count, size = count + 1, size + known_size
            after = rows[-1][0]
    return Gone(objects=count, object_bytes=size)


def _delete(connection: Connection, store: ObjectStore, key: str, content_hash: str) -> bool:
    """Delete one object, unless its content came back meanwhile: then it is that one's again."""
    sql = load_queries("contents")
    with connection.transaction():
        connection.execute(sql["lock_content_steps"], {"hashes": [content_hash]})
        [(is_back,)] = connection.execute(sql["is_content_back"], {"hash": content_hash}).fetchall()
        if not is_back:
            store.delete(key)
        connection.execute(sql["object_is_gone"], {"key": key})
    return not is_back
