"""Somebody at the search page: a browser with its cookies, and an `ibhelm web` whose pages are on."""

from __future__ import annotations

import base64
import contextlib
import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import requests
import web_desk
from webhook_sender import PATIENCE_SECONDS

from ibhelm_pipelines.settings import Settings

USER, PASSWORD = "buero", "geheim, aber für alle: 4711"
TOKEN = "planted token with which scripts of the tests ask"
COOKIE = "ibhelm_web"


class Visitor:
    """A browser.

    Args:
        web: the server.
        address: as the reverse proxy names it; limits are kept by it.
    """

    def __init__(self, web: web_desk.Gateway, address: str = "") -> None:
        self._url = web.url
        self.browser = requests.Session()
        self.browser.trust_env = False
        if address:
            self.browser.headers["X-Forwarded-For"] = address

    def ask(self, method: str, path: str, **values: Any) -> requests.Response:
        """Ask for a page; redirects are not followed."""
        return self.browser.request(method, self._url + path, allow_redirects=False, timeout=PATIENCE_SECONDS, **values)

    def get(self, path: str, **values: Any) -> requests.Response:
        return self.ask("GET", path, **values)

    def post(self, path: str, **form: str) -> requests.Response:
        """Send a form of this session."""
        return self.ask("POST", path, data={"csrf": self.csrf, **form})

    @property
    def cookie(self) -> str:
        return self.browser.cookies.get(COOKIE, "")

    @cookie.setter
    def cookie(self, value: str) -> None:
        self.browser.cookies.clear()
        self.browser.cookies.set(COOKIE, value, domain="127.0.0.1", path="/")

    @property
    def session(self) -> dict[str, Any]:
        """What the cookie says; it is signed and not secret."""
        return json.loads(base64.b64decode(self.cookie.split(".")[0])) if self.cookie else {}

    @property
    def csrf(self) -> str:
        return self.session.get("csrf", "")

    def sign_in(self, password: str = PASSWORD, user: str = USER, wanted: str = "/") -> requests.Response:
        """Open the form, fill it in, send it."""
        self.get("/login", params={"next": wanted})
        return self.post("/login", user=user, password=password, next=wanted)

    def is_in(self) -> bool:
        return self.get("/api").status_code == 200


@contextlib.contextmanager
def running(settings: Settings, folder: Path, **changed: str) -> Iterator[web_desk.Gateway]:
    """Run `ibhelm web` with a password and a token for the length of the block."""
    ours = {"WEB_USER": USER, "WEB_PASSWORD": PASSWORD, "API_TOKEN": TOKEN}
    with web_desk.running(settings, folder, **{**ours, **changed}) as web:
        yield web
    assert not [line for line in web.log if PASSWORD in line or TOKEN in line]


def signed_in(web: web_desk.Gateway, address: str = "") -> Visitor:
    visitor = Visitor(web, address)
    assert visitor.sign_in().status_code == 303
    return visitor
