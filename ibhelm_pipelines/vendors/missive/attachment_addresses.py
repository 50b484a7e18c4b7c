"""Where an attachment can be fetched: an address that Missive signs anew each time its mail is read (lesson 33)."""

from __future__ import annotations

from contextlib import ExitStack
from typing import TYPE_CHECKING

from ibhelm_pipelines.errors import TransientError
from ibhelm_pipelines.vendors.missive.api import Api
from ibhelm_pipelines.vendors.missive.fields import identifier, mappings

if TYPE_CHECKING:
    from collections.abc import Iterator
    from types import TracebackType
    from typing import Any, Self

    from ibhelm_pipelines.settings import Settings
    from ibhelm_pipelines.vendors.missive.attachment_ledger import Attachment


class FreshAddresses:
    """Asks Missive for new addresses; a context manager. The session is opened when it is first needed.

    One answer tells the addresses of all that hangs on a mail, or of all comments of a conversation: those of the last
    one are remembered, and each is given out once.
    """

    def __init__(self, settings: Settings) -> None:
        self._settings = settings
        self._open = ExitStack()
        self._api: Api | None = None
        self._fresh: dict[str, Any] = {}

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> None:
        self._open.close()

    def of(self, attachment: Attachment) -> str:
        """Return an address that was signed just now, or with the last one of the same mail.

        Raises:
            TransientError: the mail is there, and Missive tells no address. Else as `VendorClient.get`.
        """
        if attachment.missive_id not in self._fresh:
            self._fresh = dict(self._ask(attachment))
        url = self._fresh.pop(attachment.missive_id, None)
        if not isinstance(url, str):
            raise TransientError(
                "Missive tells no address from which it can be fetched.", next_step="It is asked again, at last daily."
            )
        return url

    def _ask(self, attachment: Attachment) -> Iterator[tuple[str, Any]]:
        if self._api is None:
            self._api = self._open.enter_context(Api(self._settings))
        if attachment.email is not None:
            said = [self._api.message(attachment.email)[0].get("attachments")]
        else:
            said = [comment.get("attachment") for comment in self._api.comments_of(attachment.conversation)]
        for each in said:
            for row in mappings(each if isinstance(each, list) else [each]):
                if (number := identifier(row)) is not None:
                    yield number, row.get("url")
