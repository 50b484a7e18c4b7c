"""The simulator as a server: an office, a thread with a port of its own on 127.0.0.1, and addresses to control it.

    with TeamworkSimulator(seed=7, tasks=300) as teamwork:
        requests.get(f"{teamwork.url}/projects/api/v3/tasks.json", auth=(teamwork.token, "x"), timeout=10)

What controls the simulator stands below `/_simulator/`: it is never counted, never fails and asks for no token.
"""

from __future__ import annotations

import datetime as dt
import time
from random import Random
from typing import TYPE_CHECKING, Any, Self

from starlette.routing import Route

from ibhelm_pipelines.demo.teamwork.filing import file_tasks
from ibhelm_pipelines.demo.teamwork.gateway import TeamworkGateway
from ibhelm_pipelines.demo.teamwork.mutations import mutate
from ibhelm_pipelines.demo.teamwork.seed import seed_office
from ibhelm_pipelines.demo.teamwork.state import Office
from ibhelm_pipelines.demo.teamwork.switches import Switches
from ibhelm_pipelines.demo.teamwork.truth import truth
from ibhelm_pipelines.demo.teamwork.webhooks import Webhooks
from ibhelm_pipelines.demo.vendor.control import Control
from ibhelm_pipelines.demo.vendor.faults import Faults
from ibhelm_pipelines.demo.vendor.request_log import RequestLog, Window
from ibhelm_pipelines.demo.vendor.serving import Served

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

TOKEN = "twp_simulated_key"  # noqa: S105 - the key of a made-up office
RETRY_SECONDS = (60.0, 300.0, 600.0)
"""The schedule of the vendor's older guide: 1, 5 and 10 minutes."""

_METHODS = ["GET", "POST", "PUT", "PATCH", "DELETE"]


def _real_clock() -> dt.datetime:
    return dt.datetime.now(dt.UTC)


class TeamworkSimulator:
    """Teamwork.com with a made-up office in it; a context manager that starts and stops it.

    Args:
        seed: another seed makes another office; its projects are those of the demo NAS of that seed.
        projects: how many, at least 3.
        tasks: how many; there are half as many comments and half as many time entries.
        filed: whether its people tag tasks with cost groups and places, see `filing.py`.
        switches: the vendor's habits, as far as they are unknown.
        faults: what goes wrong; nothing by default.
        token: the API key.
        port: 0 takes a free one.
        rate_limit: requests that the vendor allows in a window.
        window_seconds: how long a window is.
        clock: the vendor's clock.
        monotonic: the clock of the request budget.
        webhook_retry_seconds: pauses before a webhook is tried again.
    """

    def __init__(
        self,
        *,
        seed: int = 7,
        projects: int = 6,
        tasks: int = 200,
        filed: bool = False,
        switches: Switches | None = None,
        faults: Faults | None = None,
        token: str = TOKEN,
        port: int = 0,
        rate_limit: int = 150,
        window_seconds: float = 60.0,
        clock: Callable[[], dt.datetime] = _real_clock,
        monotonic: Callable[[], float] = time.monotonic,
        webhook_retry_seconds: Sequence[float] = RETRY_SECONDS,
    ) -> None:
        self.token = token
        self.office = Office(clock=clock, switches=switches)
        seed_office(self.office, seed=seed, projects=projects, tasks=tasks)
        if filed:
            file_tasks(self.office, seed=seed, projects=projects)
        self.webhooks = Webhooks(self.office, seed=seed, retry_seconds=webhook_retry_seconds)
        self.webhooks.faults = lambda: self._gateway.faults
        self._gateway = TeamworkGateway(
            self.office,
            self.webhooks,
            token=token,
            seed=seed,
            log=RequestLog(Window(rate_limit, window_seconds)),
            monotonic=monotonic,
        )
        self.faults = faults or Faults()
        api = Route("/{path:path}", self._gateway.respond, methods=_METHODS)
        self._served = Served([Control(self).mounted(), api], port=port, service="The simulator of Teamwork")
        self.url = self._served.url

    def start(self) -> Self:
        """Serve from now on, and deliver webhooks."""
        self.webhooks.start()
        self._served.start()
        return self

    def stop(self) -> None:
        """Serve no more."""
        self._served.stop()
        self.webhooks.stop()

    def __enter__(self) -> Self:
        return self.start()

    def __exit__(self, *_error: object) -> None:
        self.stop()

    @property
    def faults(self) -> Faults:
        """What goes wrong; set it to change it."""
        return self._gateway.faults

    @faults.setter
    def faults(self, faults: Faults) -> None:
        with self.office.lock:
            self._gateway.faults = faults
            self.office.skew_seconds = faults.clock_skew_seconds

    @property
    def switches(self) -> Switches:
        """The vendor's habits; set it to change them."""
        return self.office.switches

    @switches.setter
    def switches(self, switches: Switches) -> None:
        with self.office.lock:
            self.office.switches = switches

    @property
    def requests(self) -> RequestLog:
        """What was asked for so far."""
        return self._gateway.log

    @property
    def after_page(self) -> Callable[[], None] | None:
        """Called after each page that is not the last, to move rows between the pages of one listing."""
        return self._gateway.after_page

    @after_page.setter
    def after_page(self, hook: Callable[[], None] | None) -> None:
        self._gateway.after_page = hook

    def mutate(self, *, seed: int | str, count: int, names: Sequence[str] = ()) -> list[str]:
        """Let the office live: change it so many times, in ways of these names; return what was done."""
        return mutate(self.office, Random(f"{seed} mutations"), count, names)

    def as_json(self) -> dict[str, Any]:
        """Return the office and its webhooks, to be kept in a file."""
        return {"office": self.office.as_json(), "webhooks": self.webhooks.as_json()}

    def take(self, kept: dict[str, Any]) -> None:
        """Go on from what `as_json` kept, before anybody asks."""
        self.office.take(kept["office"])
        self.webhooks.take(kept["webhooks"])

    def truth(self) -> dict[str, list[dict[str, Any]]]:
        """Return what a perfect mirror would hold; `truth.py` says in which shape."""
        return truth(self.office)
