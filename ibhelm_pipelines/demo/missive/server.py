"""The simulator as two servers: the API, and the host of the attachments; both with ports of their own on 127.0.0.1.

    with MissiveSimulator(seed=7, conversations=60) as missive:
        headers = {"Authorization": f"Bearer {missive.token}"}
        requests.get(f"{missive.url}/conversations?all=true", headers=headers, timeout=10)

What controls the simulator stands below `/_simulator/` of the API's host (`control_url`): it is never counted, never
fails and asks for no token.
"""

from __future__ import annotations

import datetime as dt
import time
from random import Random
from typing import TYPE_CHECKING, Any, Self

from starlette.routing import Route

from ibhelm_pipelines.demo.missive.api import PREFIX, Api
from ibhelm_pipelines.demo.missive.attachment_host import AttachmentHost
from ibhelm_pipelines.demo.missive.contents import Contents
from ibhelm_pipelines.demo.missive.faults import MissiveFaults
from ibhelm_pipelines.demo.missive.filing import conversations_meant, file_conversations
from ibhelm_pipelines.demo.missive.gateway import MissiveGateway
from ibhelm_pipelines.demo.missive.malformed import seed_malformed
from ibhelm_pipelines.demo.missive.mutations import mutate
from ibhelm_pipelines.demo.missive.rows import Rows
from ibhelm_pipelines.demo.missive.seed import seed_office
from ibhelm_pipelines.demo.missive.state import Office
from ibhelm_pipelines.demo.missive.switches import Switches
from ibhelm_pipelines.demo.missive.truth import truth
from ibhelm_pipelines.demo.missive.webhooks import Webhooks
from ibhelm_pipelines.demo.vendor.control import Control
from ibhelm_pipelines.demo.vendor.request_log import RequestLog, Window
from ibhelm_pipelines.demo.vendor.serving import Served

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence
    from pathlib import Path

    from starlette.requests import Request
    from starlette.responses import Response

    from ibhelm_pipelines.demo.register_truth import About

TOKEN = "missive_pat-simulated"  # noqa: S105 - the token of a made-up office
RETRY_SECONDS = (15.0, 45.0, 90.0, 150.0, 180.0)
"""Five retries within eight minutes."""

LIMITS = ((300, 60.0), (900, 900.0))
"""Requests that the vendor allows, and in how many seconds."""

CONCURRENT = 5
_UNLIMITED = 10**9
_METHODS = ["GET", "POST", "PUT", "PATCH", "DELETE"]


def _real_clock() -> dt.datetime:
    return dt.datetime.now(dt.UTC)


class MissiveRequests(RequestLog):
    """Requests to the API, and with them what went to the host of the attachments."""

    def __init__(self, *, rate_limit: float, window_factor: float) -> None:
        windows = [Window(int(limit * rate_limit) or _UNLIMITED, seconds * window_factor) for limit, seconds in LIMITS]
        super().__init__(*windows)
        self._limits = rate_limit > 0
        self.attachments = RequestLog(Window(_UNLIMITED, LIMITS[0][1]))
        self.attachments_with_token = 0
        """Downloads that carried an Authorization header: the token has no business there."""

    def refuses_more_at_once(self, refuses: bool) -> None:
        """Say whether more than five requests at once are refused."""
        self.concurrent = CONCURRENT if refuses and self._limits else None

    @property
    def most_in_60_seconds(self) -> int:
        """Requests in the busiest minute, refused ones included."""
        return self.windows[0].most

    @property
    def most_in_900_seconds(self) -> int:
        """Requests in the busiest quarter of an hour, refused ones included."""
        return self.windows[1].most

    def as_counters(self) -> dict[str, Any]:
        """Return all counts, those of the host of the attachments under their own key."""
        attachments = {**self.attachments.as_counters(), "with_token": self.attachments_with_token}
        return {**super().as_counters(), "attachments": attachments}


class MissiveSimulator:
    """Missive with a made-up office in it; a context manager that starts and stops it.

    Args:
        seed: another seed makes another office; its projects are those of the demo NAS of that seed.
        projects: how many the NAS has, at least 3.
        conversations: how many; at least 21 to have every kind, 4 mails each.
        ties: so many of them were active in one and the same second.
        malformed: whether there is one of each malformed mail, too.
        filed: whether its people label conversations with projects, cost groups and places, see `filing.py`.
        contents_seed: of projects and attachments, where they are to be those of another office: to make them takes
            longer than all the rest.
        files: a folder (a NAS); some attachments are files that lie below it, byte for byte.
        switches: the vendor's habits, as far as they are unknown.
        faults: what goes wrong; nothing by default.
        token: the personal token.
        port: of the API; 0 takes a free one.
        attachments_port: of the host of the attachments.
        rate_limit: True for the vendor's limits, False for none, or a factor: 10 allows ten times as much.
        window_factor: how long the windows of the limits are beside the real ones: 0.01 makes 9 seconds of 15 minutes.
        clock: the vendor's clock.
        monotonic: the clock of the limits.
        webhook_retry_seconds: pauses before a webhook is tried again.
    """

    def __init__(
        self,
        *,
        seed: int = 7,
        projects: int = 6,
        conversations: int = 60,
        ties: int = 0,
        malformed: bool = False,
        filed: bool = False,
        contents_seed: int | None = None,
        files: Path | None = None,
        switches: Switches | None = None,
        faults: MissiveFaults | None = None,
        token: str = TOKEN,
        port: int = 0,
        attachments_port: int = 0,
        rate_limit: bool | float = True,
        window_factor: float = 1.0,
        clock: Callable[[], dt.datetime] = _real_clock,
        monotonic: Callable[[], float] = time.monotonic,
        webhook_retry_seconds: Sequence[float] = RETRY_SECONDS,
    ) -> None:
        self.token = token
        contents = Contents(seed=seed if contents_seed is None else contents_seed, projects=projects, files=files)
        self.office = Office(clock=clock, contents=contents, seed=seed, switches=switches)
        seed_office(self.office, seed=seed, conversations=conversations, ties=ties)
        if malformed:
            seed_malformed(self.office, Random(f"{seed} malformed"))
        self.requests = MissiveRequests(rate_limit=float(rate_limit), window_factor=window_factor)
        self._host = Served(
            [Route("/{attachment}/{filename:path}", self._download, methods=["GET"])],
            port=attachments_port,
            service="The simulator of Missive's attachments",
        )
        self.attachments_url = self._host.url
        self._rows = Rows(self.office, attachments_url=self.attachments_url, secret=token)
        if filed:
            file_conversations(self.office, self._rows, seed=seed)
        self.webhooks = Webhooks(self.office, self._rows, seed=seed, retry_seconds=webhook_retry_seconds)
        self.webhooks.faults = lambda: self._gateway.faults
        api = Api(self.office, self._rows, self.webhooks)
        self._gateway = MissiveGateway(self.office, api, token=token, seed=seed, log=self.requests, monotonic=monotonic)
        self._attachments = AttachmentHost(
            self.office,
            self._rows,
            faults=lambda: self._gateway.faults,
            seed=seed,
            log=self.requests.attachments,
            monotonic=monotonic,
        )
        self.faults = faults or MissiveFaults()
        self.switches = self.office.switches
        everything = Route("/{path:path}", self._gateway.respond, methods=_METHODS)
        self._served = Served([Control(self).mounted(), everything], port=port, service="The simulator of Missive")
        self.url = self._served.url + PREFIX
        self.control_url = f"{self._served.url}/_simulator"

    def start(self) -> Self:
        """Serve from now on, and deliver webhooks."""
        self.webhooks.start()
        self._host.start()
        self._served.start()
        return self

    def stop(self) -> None:
        """Serve no more."""
        self._served.begin_to_stop()
        self._host.begin_to_stop()
        self._served.stop()
        self._host.stop()
        self.webhooks.stop()

    def __enter__(self) -> Self:
        return self.start()

    def __exit__(self, *_error: object) -> None:
        self.stop()

    @property
    def faults(self) -> MissiveFaults:
        """What goes wrong; set it to change it."""
        return self._gateway.faults

    @faults.setter
    def faults(self, faults: MissiveFaults) -> None:
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
            self.requests.refuses_more_at_once(switches.too_many_at_once == "refused")

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
        """Return the office and its rules, to be kept in a file."""
        return {"office": self.office.as_json(), "webhooks": self.webhooks.as_json()}

    def take(self, kept: dict[str, Any]) -> None:
        """Go on from what `as_json` kept, before anybody asks."""
        self.office.take(kept["office"])
        self.webhooks.take(kept["webhooks"])

    def meant(self) -> dict[str, About]:
        """Return what each conversation that can be read is about, by its id."""
        return conversations_meant(self.office, self._rows)

    def truth(self) -> dict[str, list[dict[str, Any]]]:
        """Return what a perfect mirror would hold; `truth.py` says in which shape."""
        return truth(self.office, self._rows)

    async def _download(self, request: Request) -> Response:
        self.requests.attachments_with_token += "authorization" in request.headers
        return await self._attachments.respond(request)
