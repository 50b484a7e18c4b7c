"""The tree of errors. Who catches one decides by its family alone what happens next.

    IbhelmError
    ├── PermanentError       the same input will fail again: record it, do not retry
    │   ├── VendorMissingError
    │   ├── VendorRequestError
    │   ├── ObjectRottenError
    │   └── BackupDamagedError
    ├── TransientError       the world was not ready: retry later, nothing is lost
    │   ├── ShareUnavailableError
    │   ├── BusyError
    │   │   ├── ScanBusyError
    │   │   └── ContentBusyError
    │   ├── DatabaseUnavailableError
    │   ├── ObjectStoreUnavailableError
    │   ├── VendorUnavailableError
    │   ├── FileUnreadableError
    │   ├── AccessNotLoggedError
    │   └── ContentChangedError
    ├── SuspectFileError     this one file is hostile, broken or too big: a result row, and on with the next
    └── ConfigurationError   a person must change a setting; nothing runs until then
        └── VendorRefusedError
            └── VendorForbiddenError

Every error says in one sentence what is wrong and in a second one what to do next.
"""

from __future__ import annotations


class IbhelmError(Exception):
    """Base of all errors that this platform raises on purpose.

    Args:
        problem: one sentence: what is wrong, with the names and numbers of this case.
        next_step: one sentence: what the reader should do now.
    """

    def __init__(self, problem: str, *, next_step: str = "") -> None:
        super().__init__(problem)
        self.problem = problem
        self.next_step = next_step

    def __str__(self) -> str:
        return f"{self.problem} {self.next_step}".strip()

    def __reduce__(self) -> tuple[object, ...]:
        return (_rebuild, (type(self), self.problem, self.next_step))


def _rebuild(kind: type[IbhelmError], problem: str, next_step: str) -> IbhelmError:
    """Keyword-only arguments do not survive pickling by themselves, and errors cross process borders here."""
    return kind(problem, next_step=next_step)


class PermanentError(IbhelmError):
    """The same input will fail again; it is recorded and not retried."""


class TransientError(IbhelmError):
    """The world was not ready; the unit of work fails whole and is retried later."""


class ShareUnavailableError(TransientError):
    """The NAS share is not there, or not whole: nothing may be concluded from what is missing on it."""


class BusyError(TransientError):
    """Somebody else is at the same thing just now; it is over soon."""


class ScanBusyError(BusyError):
    """Another scan owns this folder; one writer a folder."""


class ContentBusyError(BusyError):
    """Another run has a step on these contents in its hands."""


class DatabaseUnavailableError(TransientError):
    """Postgres does not answer."""


class ObjectStoreUnavailableError(TransientError):
    """The S3 server does not answer, or answered with a server error."""


class VendorUnavailableError(TransientError):
    """Teamwork or Missive does not answer, is overloaded, or says something that cannot be understood."""


class VendorMissingError(PermanentError):
    """The vendor does not know this one thing (404, 410): it was deleted, or is hidden from us."""


class VendorRequestError(PermanentError):
    """The vendor does not accept the request; our code or a parameter is wrong."""


class ObjectRottenError(PermanentError):
    """The object store holds other bytes than those that were put there."""


class ContentChangedError(TransientError):
    """A file no longer holds the bytes that were hashed; the next scan records what it holds now."""


class FileUnreadableError(TransientError):
    """One file cannot be read now, for a reason that lies outside its bytes; everything else goes on."""


class AccessNotLoggedError(TransientError):
    """Who reads cannot be written down; so nothing is given until it can."""


class BackupDamagedError(PermanentError):
    """A backup is not what it was when it was made, or is not all there: nothing may be restored from it."""


class SuspectFileError(IbhelmError):
    """This one file is hostile, broken or too big; it costs nobody else anything."""


class ConfigurationError(IbhelmError):
    """A setting is missing or wrong; a person must change it."""


class VendorRefusedError(ConfigurationError):
    """The vendor refuses our token (401), or shows it less than it must (403)."""


class VendorForbiddenError(VendorRefusedError):
    """The vendor knows our token, but does not let it see or do this one thing (403)."""
