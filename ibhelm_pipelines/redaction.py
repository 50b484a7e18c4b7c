"""Takes what must not be read out of a log line, an error report or the metadata of a run.

Two things never leave the process: secrets (every SecretStr of the settings, passwords inside URLs) and what is in
documents. The second is kept out at its source, because nothing here logs text; only Postgres repeats the row that it
refuses in the details of its errors, so those are cut.
"""

from __future__ import annotations

import json
import re
from typing import TYPE_CHECKING, Any
from urllib.parse import parse_qsl, quote, unquote, urlsplit

from pydantic import SecretStr

if TYPE_CHECKING:
    from collections.abc import Iterator

    from ibhelm_pipelines.settings import Settings

STARS = "***"

URLS_FULL_OF_SECRETS = ("alert_urls", "heartbeat_urls", "sentry_dsn")
"""Settings whose URLs carry tokens anywhere: as user, host, path or query."""

SHORTEST_TOKEN = 8
"""Characters from which on a piece of such a URL is taken for a token; "api" or "hooks" is none."""

_PASSWORD_IN_URL = re.compile(r"(?<=://)([^\s:/@]*):([^\s/@]+)@")
_POSTGRES_DETAIL = re.compile(
    r"^(DETAIL|CONTEXT|QUERY): .*?(?=\n(?:HINT:|Traceback |The above exception|During handling|\Z)|\Z)",
    re.MULTILINE | re.DOTALL,
)


class Redactor:
    """Replaces secrets by stars, in any value.

    Args:
        settings: whose secrets are meant; a secret that has its published default is none.
    """

    def __init__(self, settings: Settings) -> None:
        secrets = {form for secret in _secrets(settings) for form in _forms(secret)}
        # The longest first: a whole URL goes before the password in it.
        longest_first = sorted(secrets, key=lambda secret: (-len(secret), secret))
        self._secrets = re.compile("|".join(map(re.escape, longest_first))) if secrets else None

    def text(self, text: str) -> str:
        """Return the text without secrets and without rows that Postgres quotes."""
        if self._secrets is not None:
            text = self._secrets.sub(STARS, text)
        return _POSTGRES_DETAIL.sub(rf"\1: {STARS}", _PASSWORD_IN_URL.sub(rf"\1:{STARS}@", text))

    def value(self, value: object) -> Any:
        """Return the value in JSON's types, without secrets at any depth."""
        if value is None or isinstance(value, bool | int | float):
            return value
        if isinstance(value, str):
            return self.text(value)
        if isinstance(value, bytes | bytearray):
            return self.text(bytes(value).decode("utf-8", "backslashreplace"))
        if isinstance(value, dict):
            return {self.text(str(key)): self.value(each) for key, each in value.items()}
        if isinstance(value, list | tuple | set | frozenset):
            return [self.value(each) for each in value]
        return self.text(str(value))


def _secrets(settings: Settings) -> Iterator[str]:
    for name, field in type(settings).model_fields.items():
        value = getattr(settings, name)
        if isinstance(value, SecretStr) and value != field.default:
            secret = value.get_secret_value()
            yield secret
            for word in secret.split():
                yield from _parts(word.partition("=")[2] if name == "heartbeat_urls" else word, name)


def _parts(url: str, name: str) -> Iterator[str]:
    """Yield what is secret inside a secret URL: its password, and of some URLs every longer piece."""
    if "://" not in url:
        return
    parts = urlsplit(url)
    user, _, password = parts.netloc.rpartition("@")[0].partition(":")
    yield password
    if name in URLS_FULL_OF_SECRETS:
        yield url
        host = parts.netloc.rpartition("@")[2]
        pieces = [user, host, *parts.path.split("/"), *(value for _, value in parse_qsl(parts.query))]
        yield from (piece for piece in pieces if len(piece) >= SHORTEST_TOKEN)


def _forms(secret: str) -> set[str]:
    """Return the secret as it is, as URLs carry it, and as repr() and JSON write it."""
    forms: set[str] = set()
    for plain in (secret, unquote(secret)):
        written = (json.dumps(plain), json.dumps(plain, ensure_ascii=False), repr(plain), ascii(plain))
        forms |= {plain, quote(plain, safe=""), *(quoted[1:-1] for quoted in written)}
    return {form for form in forms if form.strip()}
