"""What goes wrong on the way: probabilities of each fault, drawn from a seed."""

from __future__ import annotations

from dataclasses import asdict, dataclass, fields
from typing import TYPE_CHECKING, Any, Self

from ibhelm_pipelines.errors import ConfigurationError

if TYPE_CHECKING:
    from random import Random


@dataclass(frozen=True, kw_only=True)
class Faults:
    """How often each fault strikes a request or a webhook: 0 never, 1 always.

    Attributes:
        too_many_requests: answer 429, though the budget is not spent.
        too_many_requests_seconds: what such an answer says how long to wait.
        server_error: answer 500.
        bad_gateway: answer 502 with a page of HTML.
        unavailable: answer 503.
        slow: answer after `slow_seconds`.
        truncated_json: answer 200 with half of the JSON.
        cut: break the connection in the middle of the answer.
        reset: reset the connection without an answer.
        moving_rows: change `moving_rows_changes` rows after a page that is not the last.
        clock_skew_seconds: how much the vendor's clock is ahead; the only one that is no probability.
        webhook_duplicate: deliver a webhook twice, with the same delivery id.
        webhook_late: deliver it after `webhook_late_seconds`.
        webhook_reordered: let up to a second of other webhooks overtake it.
        webhook_missing: never deliver it.
        token_expired: answer 401 to everything.
        forbidden: paths (their beginnings) that are answered with 403.
    """

    too_many_requests: float = 0.0
    too_many_requests_seconds: float = 1.0
    server_error: float = 0.0
    bad_gateway: float = 0.0
    unavailable: float = 0.0
    slow: float = 0.0
    slow_seconds: float = 1.0
    truncated_json: float = 0.0
    cut: float = 0.0
    reset: float = 0.0
    moving_rows: float = 0.0
    moving_rows_changes: int = 3
    clock_skew_seconds: float = 0.0
    webhook_duplicate: float = 0.0
    webhook_late: float = 0.0
    webhook_late_seconds: float = 2.0
    webhook_reordered: float = 0.0
    webhook_missing: float = 0.0
    token_expired: bool = False
    forbidden: tuple[str, ...] = ()

    def changed(self, values: dict[str, Any]) -> Self:
        """Return these faults with some set anew.

        Raises:
            ConfigurationError: there is no such fault.
        """
        if unknown := values.keys() - {each.name for each in fields(self)}:
            raise ConfigurationError(
                f"No fault {', '.join(sorted(unknown))} exists.",
                next_step=f"The faults: {', '.join(each.name for each in fields(self))}.",
            )
        merged = {**asdict(self), **values}
        return type(self)(**{**merged, "forbidden": tuple(merged["forbidden"])})

    def draw(self, rng: Random) -> str:
        """Return the fault that strikes a request, or nothing; one at most."""
        for name in (
            "reset",
            "too_many_requests",
            "server_error",
            "bad_gateway",
            "unavailable",
            "truncated_json",
            "cut",
        ):
            if rng.random() < getattr(self, name):
                return name
        return ""
