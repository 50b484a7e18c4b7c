"""The second host, which has the attachments: addresses are signed and expire, and no token is wanted there."""

from __future__ import annotations

import asyncio
import hmac
from random import Random
from typing import TYPE_CHECKING

from starlette.responses import Response

from ibhelm_pipelines.demo.vendor.broken import BrokenAnswer

if TYPE_CHECKING:
    from collections.abc import Callable

    from starlette.requests import Request

    from ibhelm_pipelines.demo.missive.faults import MissiveFaults
    from ibhelm_pipelines.demo.missive.rows import Rows
    from ibhelm_pipelines.demo.missive.state import Office
    from ibhelm_pipelines.demo.vendor.request_log import RequestLog

_DENIED = (
    '<?xml version="1.0" encoding="UTF-8"?><Error><Code>AccessDenied</Code><Message>Access denied</Message></Error>'
)


class AttachmentHost:
    """Answers downloads.

    Args:
        office: whose attachments they are.
        rows: knows the signatures.
        faults: what goes wrong right now.
        seed: of the faults.
        log: counts downloads; the host limits none.
        monotonic: the clock of the log.
    """

    def __init__(
        self,
        office: Office,
        rows: Rows,
        *,
        faults: Callable[[], MissiveFaults],
        seed: int,
        log: RequestLog,
        monotonic: Callable[[], float],
    ) -> None:
        self._office, self._rows, self._faults, self._monotonic = office, rows, faults, monotonic
        self._rng = Random(f"{seed} attachments")
        self.log = log

    async def respond(self, request: Request) -> Response:
        """Answer a download, or fail as the faults will it."""
        self.log.begin(request.path_params["attachment"], self._monotonic())
        status = 0
        try:
            response = await self._respond(request)
            status = 0 if isinstance(response, BrokenAnswer) else response.status_code
        finally:
            self.log.end(status)
        return response

    async def _respond(self, request: Request) -> Response:
        faults = self._faults()
        fault = faults.draw_for_attachment(self._rng)
        if self._rng.random() < faults.attachment_slow:
            await asyncio.sleep(faults.slow_seconds)
        if fault == "reset":
            return BrokenAnswer(b"", 0)
        if fault == "server_error":
            return Response("Internal Server Error", 500, media_type="text/plain")
        with self._office.lock:
            row = self._office.attachments.get(request.path_params["attachment"])
            if row is None or fault == "expired" or not self._is_good(request):
                return Response(_DENIED, 403, media_type="application/xml")
            data = self._office.contents.data(row["_content"])
        if fault == "wrong_size":
            data = data[: len(data) * 2 // 3]
        if fault == "cut" and len(data) > 1:
            return BrokenAnswer(data, len(data) // 2)
        media_type = f"{row['media_type'] or 'application'}/{row['sub_type'] or 'octet-stream'}"
        return Response(data, media_type=media_type)

    def _is_good(self, request: Request) -> bool:
        query = request.query_params
        expires = query.get("Expires", "")
        signature = self._rows.signature(request.path_params["attachment"], expires)
        is_signed = hmac.compare_digest(signature.encode(), query.get("Signature", "").encode())
        return is_signed and self._office.now() <= int(expires)
