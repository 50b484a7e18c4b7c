"""The pages of an export in a real browser: from the disk, without a network, without JavaScript, for everybody."""

from __future__ import annotations

import datetime as dt
import importlib.resources
from typing import TYPE_CHECKING

import pytest
from browser import CHROMIUM, Page, open_page

from ibhelm_pipelines.export.run import export

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from export_office import Office

pytestmark = pytest.mark.skipif(CHROMIUM is None, reason="Chromium is not on this machine")

NOW = dt.datetime(2026, 11, 23, 12, tzinfo=dt.UTC)
AXE = (importlib.resources.files("axe_core_python") / "axe.min.js").read_text()
VIOLATIONS = "axe.run().then(r => r.violations.map(v => [v.id, v.nodes.map(n => n.html)]))"
WHOLE = "document.readyState === 'complete' && [...document.images].every(each => each.complete)"


@pytest.fixture(scope="module")
def exported(office: Office, tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("exports") / "100 % Kita #1"
    export(office.settings, "2301", folder, now=NOW, with_deleted=True)
    return folder


@pytest.fixture(scope="module")
def page(exported: Path) -> Iterator[Page]:
    with open_page() as page, page.offline():
        yield page


def show(page: Page, path: Path) -> None:
    page.open("about:blank")
    page.wait_for("location.href === 'about:blank'")
    page.open(path.as_uri())
    page.wait_for(f"location.protocol === 'file:' && {WHOLE}")


KINDS = (
    "aufgaben", "beteiligte", "dateien", "ereignisse", "kostengruppen", "kostengruppen-liste", "ordner", "umbenannt",
    "unterhaltung-*", "unterhaltungen", "verlauf", "zeiten",
)  # fmt: skip


def pages(exported: Path) -> list[Path]:
    """Return one page of each kind."""
    return [exported / "index.html", *(next((exported / "seiten").glob(f"{kind}.html")) for kind in KINDS)]


def test_every_kind_of_page_can_be_read_by_everybody_on_a_phone_too_and_obeys_nobody(
    page: Page, exported: Path
) -> None:
    found = {}
    for path in pages(exported):
        page.look()
        show(page, path)
        broken = "[...document.images].filter(i => !i.naturalWidth && !i.src.endsWith('-Foto.png')).length"
        assert page.ask(broken) == 0, path
        assert page.ask("window.hit") is None
        assert page.ask("performance.getEntriesByType('resource').every(each => each.name.startsWith('file:'))")
        page.ask(f"{AXE}; 0")
        if violations := page.ask(VIOLATIONS):
            found[path.name] = violations
        page.look(width=390, height=844)
        assert page.ask("document.documentElement.scrollWidth") <= 390, path.name
    assert found == {}


def test_the_index_shows_the_project_and_leads_on_without_javascript(page: Page, exported: Path) -> None:
    page.allow_scripts(allowed=False)
    try:
        show(page, exported / "index.html")
        assert page.ask("document.querySelector('h1').textContent") == "2301 Kita Lindenhof"
        assert page.ask("getComputedStyle(document.querySelector('.counts')).display") == "grid"
        page.ask("document.querySelector('.gallery a').focus()")
        href = page.ask("document.activeElement.href")
        assert href.startswith("file:")
        assert page.ask("document.querySelectorAll('.strip li').length") > 1
    finally:
        page.allow_scripts(allowed=True)
