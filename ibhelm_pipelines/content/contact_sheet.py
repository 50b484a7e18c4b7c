"""One page of HTML with the previews of a folder, to be looked at: by family, each with its state and its first words.

The page needs nothing beside it: pictures are within it, there is no script, and it asks no server for anything.
Invariant: what a file says or how it is named is shown, never obeyed; a page made of hostile files is harmless.
"""

from __future__ import annotations

import base64
from functools import cache
from itertools import groupby
from pathlib import Path
from typing import TYPE_CHECKING

from jinja2 import Environment, FileSystemLoader, StrictUndefined

from ibhelm_pipelines.content.coverage import add_up, share
from ibhelm_pipelines.wording import size, visible

if TYPE_CHECKING:
    from collections.abc import Sequence

    from ibhelm_pipelines.content.trying import Tried


def contact_sheet(title: str, tried: Sequence[Tried]) -> str:
    """Return the page; the families stand in the order of their table, the files by name."""
    families = add_up(tried)
    of_family = {
        family: list(group)
        for family, group in groupby(sorted(tried, key=lambda t: (t.kind.family, t.name)), key=lambda t: t.kind.family)
    }
    return (
        _environment()
        .get_template("contact_sheet.html")
        .render(
            title=title,
            files=len(tried),
            previews=share(sum(each.previews.ok for each in families), len(tried)),
            texts=share(sum(each.texts.ok for each in families), len(tried)),
            groups=[(each, of_family[each.family]) for each in families],
            share=share,
        )
    )


@cache
def _environment() -> Environment:
    environment = Environment(
        loader=FileSystemLoader(Path(__file__).parent), autoescape=True, undefined=StrictUndefined
    )
    environment.filters.update(base64=lambda data: base64.b64encode(data).decode(), size=size, words=_words)
    return environment


def _words(text: str) -> str:
    """Return a text without empty lines, and with what nobody would see made visible."""
    lines = (visible(line.strip()) for line in text.replace("\f", "\n").splitlines())
    return "\n".join(line for line in lines if line)
