"""What goes wrong with Missive beyond what goes wrong everywhere: its second host, which has the attachments."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from ibhelm_pipelines.demo.vendor.faults import Faults

if TYPE_CHECKING:
    from random import Random

_ATTACHMENT_FAULTS = ("reset", "expired", "server_error", "cut", "wrong_size")


@dataclass(frozen=True, kw_only=True)
class MissiveFaults(Faults):
    """How often each fault strikes; those that begin with `attachment_` strike downloads.

    Attributes:
        attachment_expired: answer 403 as if the address were too old.
        attachment_server_error: answer 500.
        attachment_cut: break the connection in the middle of the file.
        attachment_reset: reset the connection without an answer.
        attachment_wrong_size: send fewer bytes than the message says, in good order.
        attachment_slow: answer after `slow_seconds`.
    """

    attachment_expired: float = 0.0
    attachment_server_error: float = 0.0
    attachment_cut: float = 0.0
    attachment_reset: float = 0.0
    attachment_wrong_size: float = 0.0
    attachment_slow: float = 0.0

    def draw_for_attachment(self, rng: Random) -> str:
        """Return the fault that strikes a download, or nothing; one at most."""
        return next((name for name in _ATTACHMENT_FAULTS if rng.random() < getattr(self, f"attachment_{name}")), "")
