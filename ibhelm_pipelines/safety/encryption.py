"""Encryption of backups in the format of the `age` program, so that ten years from now nothing of ours is needed to
open one: `age -d -i KEYFILE BACKUP.dump.age | pg_restore ...`.

Invariants: whoever makes backups needs only public keys; nothing is held whole; what was changed or cut off is refused,
never passed on as if it were whole.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Protocol, cast

import pyrage
from pyrage import x25519

from ibhelm_pipelines.errors import BackupDamagedError, ConfigurationError

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence
    from typing import BinaryIO

    from ibhelm_pipelines.settings import Settings

_KEYS = "Make a pair with `age-keygen -o KEYFILE`: it prints the public one."


class Source(Protocol):
    """What can be read."""

    def read(self, size: int, /) -> bytes: ...


class Sink(Protocol):
    """What can be written to."""

    def write(self, data: bytes, /) -> int: ...


def read_recipients(settings: Settings) -> list[x25519.Recipient]:
    """Return for whom backups are encrypted; none when they are not.

    Raises:
        ConfigurationError: one of them is no public key of age. A mistyped one would be noticed on the day of need.
    """
    recipients = []
    for number, text in enumerate(settings.backup_recipients or (), start=1):
        try:
            recipients.append(x25519.Recipient.from_str(text))
        except pyrage.RecipientError as error:
            raise ConfigurationError(
                f"Entry number {number} of IBHELM_BACKUP_RECIPIENTS is no public key of age (age1...).", next_step=_KEYS
            ) from error
    return recipients


def read_identities(settings: Settings) -> list[x25519.Identity]:
    """Return the secret keys that this machine has; none when no file is set.

    Raises:
        ConfigurationError: the file cannot be read, or holds no key.
    """
    path = settings.backup_identity_file
    if path is None:
        return []
    try:
        lines = [line.strip() for line in path.read_text(encoding="ascii").splitlines()]
        identities = [x25519.Identity.from_str(line) for line in lines if line and not line.startswith("#")]
    except (OSError, UnicodeDecodeError, pyrage.IdentityError) as error:
        reason = error.strerror if isinstance(error, OSError) else "it holds something that is no secret key of age"
        raise _unusable(str(reason)) from error
    if not identities:
        raise _unusable("it is empty")
    return identities


def _unusable(reason: str) -> ConfigurationError:
    return ConfigurationError(
        f"The file in IBHELM_BACKUP_IDENTITY_FILE cannot be used: {reason}.",
        next_step="Name the file that `age-keygen -o` made: one line AGE-SECRET-KEY-1..., readable by this user.",
    )


def opens_all(settings: Settings) -> bool:
    """Return whether a key of this machine opens what is encrypted now.

    Raises:
        ConfigurationError: as of `read_recipients` and `read_identities`.
    """
    ours = {str(identity.to_public()) for identity in read_identities(settings)}
    return not read_recipients(settings) or any(str(recipient) in ours for recipient in read_recipients(settings))


def encrypt(source: Source, sink: Sink, recipients: Sequence[x25519.Recipient]) -> None:
    """Encrypt all of a stream; errors of the two ends pass as they are."""
    _pump(source, sink, lambda reader, writer: pyrage.encrypt_io(reader, writer, recipients))


def decrypt(source: Source, sink: Sink, identities: Sequence[x25519.Identity]) -> None:
    """Decrypt all of a stream; errors of the two ends pass as they are.

    Raises:
        ConfigurationError: it was not encrypted for any of these keys.
        BackupDamagedError: it is not what was encrypted, or not all of it; what was written until then is no backup.
    """
    try:
        _pump(source, sink, lambda reader, writer: pyrage.decrypt_io(reader, writer, identities))
    except _StreamError as error:
        if "No matching keys" in str(error):
            raise ConfigurationError(
                "The key in IBHELM_BACKUP_IDENTITY_FILE does not open this backup: it was made for another one.",
                next_step="Name the file with the key whose public part was in IBHELM_BACKUP_RECIPIENTS that day.",
            ) from error
        raise BackupDamagedError(
            f"The encrypted backup was changed, or is not all there: {error}.",
            next_step="Take another one: `ibhelm backups` lists them.",
        ) from error


class _StreamError(Exception):
    """The library says that a stream is not what it should be."""


def _pump(source: Source, sink: Sink, work: Callable[[BinaryIO, BinaryIO], None]) -> None:
    """Let the library read and write; it wraps what our ends raise, so that is remembered and raised as it was."""
    reader, writer = _Reader(source), _Writer(sink)
    try:
        work(cast("BinaryIO", reader), cast("BinaryIO", writer))
    except (pyrage.EncryptError, pyrage.DecryptError, OSError) as error:
        if failure := reader.failure or writer.failure:
            raise failure from None
        raise _StreamError(str(error)) from error


class _Reader:
    def __init__(self, source: Source) -> None:
        self._source = source
        self.failure: BaseException | None = None

    def read(self, size: int = -1) -> bytes:
        try:
            return self._source.read(size)
        except BaseException as error:
            self.failure = error
            raise


class _Writer:
    def __init__(self, sink: Sink) -> None:
        self._sink = sink
        self.failure: BaseException | None = None

    def write(self, data: bytes) -> int:
        try:
            return self._sink.write(data)
        except BaseException as error:
            self.failure = error
            raise

    def flush(self) -> None:
        """Do nothing: the sink sends what it wants when it wants."""
