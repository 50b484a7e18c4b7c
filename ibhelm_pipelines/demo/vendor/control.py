"""The addresses below `/_simulator/` that control a simulator: never counted, never failing, without a token."""

from __future__ import annotations

from dataclasses import asdict
from typing import TYPE_CHECKING, Any, Protocol

from starlette.responses import JSONResponse, Response
from starlette.routing import Mount, Route

from ibhelm_pipelines.demo.vendor.exchange import json_bytes
from ibhelm_pipelines.errors import ConfigurationError

if TYPE_CHECKING:
    from collections.abc import Sequence

    from starlette.requests import Request

    from ibhelm_pipelines.demo.vendor.faults import Faults
    from ibhelm_pipelines.demo.vendor.request_log import RequestLog
    from ibhelm_pipelines.demo.vendor.switches import VendorSwitches


class Controlled(Protocol):
    """What a simulator lets others see and do."""

    faults: Any
    switches: Any

    @property
    def requests(self) -> RequestLog:
        """What was asked for so far."""

    def mutate(self, *, seed: int | str, count: int, names: Sequence[str] = ()) -> list[str]:
        """Let the office live."""

    def truth(self) -> dict[str, list[dict[str, Any]]]:
        """Return what a perfect mirror would hold."""


class Control:
    """Serves the addresses that control a simulator."""

    def __init__(self, simulator: Controlled) -> None:
        self._simulator = simulator

    def mounted(self) -> Mount:
        """Return the addresses, to be put before those of the vendor."""
        routes = [
            Route("/truth", self._get_truth, methods=["GET"]),
            Route("/mutate", self._post_mutate, methods=["POST"]),
            Route("/faults", self._faults, methods=["GET", "PUT"]),
            Route("/switches", self._switches, methods=["GET", "PUT"]),
            Route("/requests", self._get_requests, methods=["GET"]),
        ]
        return Mount("/_simulator", routes=routes)

    async def _get_truth(self, _request: Request) -> Response:
        return Response(json_bytes(self._simulator.truth()), media_type="application/json")

    async def _post_mutate(self, request: Request) -> Response:
        wish = await request.json()
        seed, count, names = wish.get("seed", 0), int(wish.get("count", 1)), tuple(wish.get("names", ()))
        return JSONResponse({"done": self._simulator.mutate(seed=seed, count=count, names=names)})

    async def _faults(self, request: Request) -> Response:
        return await self._read_or_change(request, "faults")

    async def _switches(self, request: Request) -> Response:
        return await self._read_or_change(request, "switches")

    async def _read_or_change(self, request: Request, name: str) -> Response:
        if request.method == "PUT":
            current: Faults | VendorSwitches = getattr(self._simulator, name)
            try:
                setattr(self._simulator, name, current.changed(await request.json()))
            except ConfigurationError as error:
                return JSONResponse({"error": str(error)}, 400)
        return JSONResponse(asdict(getattr(self._simulator, name)))

    async def _get_requests(self, _request: Request) -> Response:
        return JSONResponse(self._simulator.requests.as_counters())
