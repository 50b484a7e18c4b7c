"""Links to previews and originals as browsers get them from the gateway (`ibhelm web`): how they are signed and where
they stand.

Invariants: a link opens one preview or one original, and whoever has it can make no other one of it. The secret never
reaches Postgres: objects are signed here, and what Postgres keeps is the signature. The columns `thumbnail` and
`download_url` are functions of a file's name, its content, the secret and the gateway's address; a process that knows
no secret leaves them alone.
"""

from __future__ import annotations

import base64
import hmac
from typing import TYPE_CHECKING, Any, Literal

from psycopg import errors as postgres_errors

from ibhelm_pipelines.db.connect import translated_errors
from ibhelm_pipelines.db.queries import load_queries
from ibhelm_pipelines.errors import DatabaseUnavailableError

if TYPE_CHECKING:
    from collections.abc import Sequence

    from ibhelm_pipelines.db.connect import Connection
    from ibhelm_pipelines.settings import Settings

Kind = Literal["thumbnail", "original"]

SIGNATURE_BYTES = 16
"""Of the HMAC: 128 bits, which nobody guesses; the link stays shorter."""

BATCH = 10_000
"""Objects that are signed in one statement; after a rotation all of them are."""

DEADLOCK_RETRIES = 5

_LINKED: dict[Kind, tuple[str, ...]] = {
    "thumbnail": ("link_thumbnail",),
    "original": ("link_original", "link_attachments"),
}


class Signer:
    """Signs links, and tells its own signatures from others.

    Args:
        secret: IBHELM_WEB_SECRET.
    """

    def __init__(self, secret: str) -> None:
        self._secret = secret.encode()
        self.id = self._mac("id")
        """Tells which secret this is without saying it."""

    def sign(self, kind: Kind, content_hash: str) -> str:
        """Return the signature of a link to the preview or the original of a content."""
        return self._mac(f"{kind}/{content_hash}")

    def is_signed(self, kind: Kind, content_hash: str, signature: str) -> bool:
        """Return whether the signature is ours, in a time that does not tell how much of it is."""
        return hmac.compare_digest(self.sign(kind, content_hash).encode(), signature.encode("utf-8", "replace"))

    def _mac(self, message: str) -> str:
        digest = hmac.digest(self._secret, message.encode("utf-8", "replace"), "sha256")
        return base64.urlsafe_b64encode(digest[:SIGNATURE_BYTES]).rstrip(b"=").decode()


def renew_links(
    connection: Connection,
    settings: Settings,
    kind: Kind,
    *,
    hashes: Sequence[str] | None = None,
    folders: Sequence[str] | None = None,
) -> None:
    """Let files and attachments of mails link to what is stored, where they do not.

    Args:
        connection: in autocommit mode.
        settings: with the secret; without one, nothing is done.
        kind: of which objects.
        hashes: only links to these contents.
        folders: only links of files in these project folders, and to their contents.

    Raises:
        DatabaseUnavailableError: it can be tried again.
    """
    if settings.web_secret is None or hashes == []:
        return
    signer = Signer(settings.web_secret.get_secret_value())
    scope = {"hashes": None if hashes is None else list(hashes), "folders": None if folders is None else list(folders)}
    _sign(connection, signer, kind, hashes=scope["hashes"])
    values = {**scope, "base_url": settings.web_address, "signed_with": signer.id}
    for name in _LINKED[kind]:
        _execute(connection, name, values)


def _sign(connection: Connection, signer: Signer, kind: Kind, *, hashes: list[str] | None) -> None:
    scope = {"kind": kind, "signed_with": signer.id, "hashes": hashes, "limit": BATCH}
    after = ""
    while rows := _execute(connection, "unsigned", {**scope, "after": after}):
        signatures = [signer.sign(kind, content_hash) for _, content_hash in rows]
        keys = [key for key, _ in rows]
        _execute(connection, "sign", {"keys": keys, "signatures": signatures, "signed_with": signer.id})
        after = keys[-1]


def _execute(connection: Connection, name: str, values: dict[str, Any]) -> list[tuple[Any, ...]]:
    """Execute a query. A scan may be writing the same rows in another order; whoever Postgres picks as the victim of a
    deadlock tries again.
    """
    for attempt in range(1, DEADLOCK_RETRIES + 1):
        try:
            with translated_errors():
                cursor = connection.execute(load_queries("links")[name], values)
                return cursor.fetchall() if cursor.description else []
        except DatabaseUnavailableError as error:
            if attempt == DEADLOCK_RETRIES or not isinstance(error.__cause__, postgres_errors.DeadlockDetected):
                raise
    raise AssertionError("the last attempt returns or raises")
