"""The search page as people use it: a real `ibhelm web` on a small office, a real browser, and somebody without one.

One office, one server and one signed-in browser serve all tests; each begins with a page of its own.
"""

from __future__ import annotations

import html
import importlib.resources
import json
import re
from typing import TYPE_CHECKING, Any

import page_office
import pytest
import tables
import web_visitor
from browser import CHROMIUM, Page, open_page
from page_office import READY, Office

from ibhelm_pipelines.search.finding import open_finder

if TYPE_CHECKING:
    from collections.abc import Iterator

    from ibhelm_pipelines.local.postgres import EmbeddedPostgres
    from ibhelm_pipelines.local.s3 import EmbeddedS3

pytestmark = pytest.mark.skipif(CHROMIUM is None, reason="Chromium is not on this machine")

WORD = "Brandschutzklappe"
PHONE = {"width": 390, "height": 844}
AXE = (importlib.resources.files("axe_core_python") / "axe.min.js").read_text()

HITS = "document.querySelectorAll('.hit').length"
OPEN = "(document.querySelector('#detail .panel')?.dataset.id ?? '')"
TYPED = "document.querySelector('#q').value"
FOCUS = "document.activeElement.id"
OFFERED = "[...document.querySelectorAll('#completions li')].map(each => each.textContent)"
CHOSEN = "document.querySelector('#completions [aria-selected=true]')?.textContent"
TROUBLE = "!document.querySelector('#trouble').hidden"


@pytest.fixture(scope="module")
def office(postgres: EmbeddedPostgres, s3: EmbeddedS3, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Office]:
    with page_office.opened(postgres, s3, tmp_path_factory.mktemp("office")) as office:
        yield office


def test_typing_finds_and_the_address_follows_so_that_back_leads_back(office: Office) -> None:
    page = office.show()
    assert page.ask(FOCUS) == "q"
    for letters in ("Brand", "schutz", "klappe"):
        page.type(letters)
    page.wait_for(f"location.search === '?q={WORD}' && {HITS} === 20")
    assert re.fullmatch(r"\d+ Treffer", page.ask("document.querySelector('#status').textContent"))
    assert page.ask(TYPED) == WORD
    page.press("Enter")
    page.ask("document.querySelector('#view-gallery').click()")
    page.wait_for("location.search.includes('view=gallery') && !!document.querySelector('.gallery')")
    page.ask("history.back()")
    page.wait_for("!!document.querySelector('.rows') && !location.search.includes('gallery')")
    assert page.ask(TYPED) == WORD
    page.ask("history.back()")
    page.wait_for("location.search === '' && !!document.querySelector('.start')")
    assert page.ask(TYPED) == ""


def test_typing_offers_how_the_last_word_goes_on_and_keys_take_it(office: Office) -> None:
    page = office.show()
    for letters in ("Kita Br", "andsch"):
        page.type(letters)
    page.wait_for(f"{OFFERED}.includes('{WORD}')")
    first, second = page.ask(OFFERED)[:2]
    assert all(each.startswith("Brandsch") for each in page.ask(OFFERED))
    assert page.ask("document.querySelector('[role=combobox][aria-controls=completions]').ariaExpanded") == "true"
    page.press("ArrowDown")
    page.press("ArrowDown")
    assert page.ask(CHOSEN) == second
    page.press("ArrowUp")
    assert page.ask("document.querySelector('#' + document.querySelector('#q').getAttribute('aria-activedescendant'))"
                    ".textContent") == page.ask(CHOSEN) == first  # fmt: skip
    assert page.ask(FOCUS) == "q"
    page.press("Enter")
    assert page.ask(TYPED) == f"Kita {first}"
    assert page.ask(OFFERED) == []
    page.wait_for(f"decodeURIComponent(location.search) === '?q=Kita {first}' && {HITS} > 0")


def test_escape_closes_what_is_offered_and_then_the_arrow_goes_to_the_hits(office: Office) -> None:
    page = office.show(f"/?open={office.id_of('Angebot Trox.pdf')}")
    page.ask("document.querySelector('#q').focus()")
    page.type("Brandsch")
    page.wait_for(f"{OFFERED}.length > 0 && {HITS} > 0")
    page.press("Escape")
    assert page.ask(f"[{OFFERED}.length, {TYPED}, {FOCUS}]") == [0, "Brandsch", "q"]
    assert page.ask("document.querySelector('#q').ariaExpanded") == "false"
    page.press("ArrowDown")
    assert page.ask(FOCUS) == page.ask("document.querySelector('.hit-link').id")


def test_a_finger_takes_what_is_offered_and_the_keyboard_stays(office: Office) -> None:
    page = office.show(**PHONE)
    page.type("Brandsch")
    page.wait_for(f"{OFFERED}.length > 1")
    left, top, width, height = page.ask(
        "(b => [b.left, b.top, b.width, b.height])(document.querySelector('#completions li').getBoundingClientRect())"
    )
    assert left >= 0
    assert left + width <= PHONE["width"]
    second = page.ask(OFFERED)[1]
    page.click(left + width / 2, top + height * 1.5)
    assert page.ask(f"[{TYPED}, {FOCUS}, {OFFERED}.length]") == [second, "q", 0]
    page.wait_for(f"location.search === '?q={second}'")


def test_what_is_offered_is_text_and_when_nothing_can_be_the_search_goes_on(office: Office) -> None:
    url, hostile = office.settings.require_database_url(), f"zzklappe{page_office.ATTACK}"
    tables.ask(url, "insert into search.vocabulary (word, documents) values (%s, 9) returning 1", hostile)
    page = office.show()
    page.type("zzkl")
    page.wait_for(f"{OFFERED}.length === 1")
    assert page.ask(OFFERED) == [hostile]
    assert page.ask("[window.hit, document.querySelectorAll('#completions img').length]") == [None, 0]
    page.ask("Promise.all(Array.from({length: 90}, () => fetch('/api/suggest?q='))).then(() => 0)")
    page.ask("document.querySelector('#q').select()")
    page.type("Brandschutz")
    page.wait_for(f"location.search === '?q=Brandschutz' && {HITS} > 0")
    assert not page.ask(TROUBLE)


def test_more_hits_come_below_those_that_are_there_and_none_twice(office: Office) -> None:
    page = office.show(f"/?q={WORD}")
    total = int(page.ask("document.querySelector('.count').textContent.match(/\\d+/)[0]"))
    assert total > 20
    while page.ask("!!document.querySelector('#more a')"):
        before = page.ask(HITS)
        page.ask("document.querySelector('#more a').click()")
        page.wait_for(f"{HITS} > {before}")
    ids = page.ask("[...document.querySelectorAll('.hit')].map(hit => hit.dataset.id)")
    assert len(ids) == len(set(ids)) == total


def test_filters_are_taken_and_let_go_with_what_was_typed(office: Office) -> None:
    page = office.show(f"/?q={WORD}")
    count = "Number(document.querySelector('.count').textContent.match(/\\d+/)?.[0] ?? 0)"
    everything = page.ask(count)
    facet = "[...document.querySelectorAll('.facet a')].find(a => a.textContent.includes('2301 Kita Lindenhof'))"
    promised = int(page.ask(f"{facet}.querySelector('.facet-count').textContent"))
    page.ask(f"{facet}.click()")
    page.wait_for(f"{TYPED} === '{WORD} projekt:2301'")
    assert page.ask(count) == promised < everything
    assert page.ask("document.querySelector('.chip').innerText.trim()").startswith("Projekt: 2301 Kita Lindenhof")
    assert page.ask(f"{facet}.getAttribute('aria-current')") == "true"
    page.type("")
    page.ask(f"{facet}.click()")
    page.wait_for(f"{TYPED} === '{WORD}' && {count} === {everything}")
    assert page.ask("document.querySelectorAll('.chip').length") == 0


def test_a_document_opens_beside_the_hits_with_all_that_there_is_to_say(office: Office) -> None:
    page = office.show(f"/?q={WORD}+Wartungszugang")
    name = page_office.LIST.rpartition("/")[2]
    page.ask(f"[...document.querySelectorAll('.hit-link')].find(a => a.innerText === '{name}').click()")
    page.wait_for(f"{OPEN} !== ''")
    shown = page.ask("document.querySelector('#detail').innerText")
    for expected in ("Seite 3", "Wartungszugang", page_office.COPY, "Versionen", "2301 Kita Lindenhof", "431 "):
        assert expected in shown, expected
    marked = page.ask("[...document.querySelectorAll('#detail .body mark')].map(mark => mark.textContent)")
    assert "Wartungszugang" in marked
    assert page.ask("document.querySelectorAll('#detail .versions li').length") == 2
    links = page.ask("[...document.querySelectorAll('#detail .actions a')].map(a => a.getAttribute('href'))")
    assert links[0].startswith("/files/")
    assert "smb://nas/projekte/projekte/2301%20Kita%20Lindenhof/KGR%20431/" in links
    page.wait_for("document.querySelector('.big-picture img').naturalWidth > 0")
    assert page.ask(f"fetch('{links[0]}').then(answer => answer.status)") == 200
    page.ask("document.querySelector('#close').click()")
    page.wait_for(f"{OPEN} === '' && !location.search.includes('open=')")


def test_an_address_shows_the_same_page_to_whom_it_is_sent(office: Office) -> None:
    number = office.id_of("Angebot Trox.pdf")
    page = office.show(f"/?q={WORD}&view=gallery&open={number}")
    assert page.ask(OPEN) == str(number)
    assert page.ask("document.querySelector('.hit[aria-current]').dataset.id") == str(number)
    assert page.ask("document.querySelector('#view-gallery').getAttribute('aria-current')") == "true"


def test_everything_can_be_done_with_keys(office: Office) -> None:
    page = office.show(f"/?q={WORD}")
    page.press("/")
    assert page.ask(FOCUS) == "q"
    page.press("ArrowDown")
    page.press("j")
    second = page.ask("document.querySelectorAll('.hit-link')[1].id")
    assert page.ask(FOCUS) == second
    page.press("k")
    page.press("ArrowDown")
    page.press("Enter")
    page.wait_for(f"'hit-' + ({OPEN}) === '{second}' && {FOCUS} === 'panel-title'")
    page.press("j")  # looks at the next one while the panel is open
    third = page.ask("document.querySelectorAll('.hit-link')[2].id")
    page.wait_for(f"'hit-' + ({OPEN}) === '{third}'")
    page.press("Escape")
    page.wait_for(f"{OPEN} === '' && {FOCUS} === '{third}'")
    page.press("?", shift=True)
    page.wait_for("document.querySelector('#help').open")
    page.press("Escape")
    page.wait_for("!document.querySelector('#help').open")
    page.press("Tab")
    assert page.ask("document.activeElement.matches('a, button, summary, input')")
    assert page.ask("getComputedStyle(document.activeElement).outlineStyle !== 'none'"
                    " || getComputedStyle(document.activeElement, '::after').outlineStyle !== 'none'")  # fmt: skip


def test_the_gallery_shows_pictures_in_boxes_that_were_there_before(office: Office) -> None:
    page = office.show(f"/?q={WORD}&view=gallery")
    page.wait_for("[...document.querySelectorAll('.card-picture img')].filter(i => i.naturalWidth > 0).length >= 3")
    boxes = page.ask("[...document.querySelectorAll('.card-picture')].map(box => Math.round(box.clientHeight / 10))")
    assert len(set(boxes)) == 1
    assert page.ask("document.querySelectorAll('.card-picture use').length") > 0  # mails and tasks have icons


STATES = {
    "start": "/",
    "results": f"/?q={WORD}+kg:431",
    "everything": f"/?q={WORD}",
    "gallery": f"/?q={WORD}&view=gallery",
    "nothing": "/?q=xqzvwk+projekt:2301",
    "not understood": "/?q=projekt:9999+seit:gestern",
}


def _states(office: Office) -> dict[str, str]:
    """Every look of the page, hostile names included."""
    mail, long = office.id_of(page_office.SUBJECT), office.id_of(page_office.HOSTILE["long"])
    listed = office.id_of(page_office.LIST.rpartition("/")[2])
    return {**STATES, "mail": f"/?q={WORD}&open={mail}", "long": f"/?q={WORD}&open={long}",
            "detail": f"/?q={WORD}+Wartungszugang&open={listed}"}  # fmt: skip


def test_nothing_needs_scrolling_sideways_on_a_phone_or_elsewhere(office: Office) -> None:
    sideways = "[document.documentElement, document.querySelector('#detail')].some(e => e.scrollWidth > e.clientWidth)"
    for name, path in _states(office).items():
        page = office.show(path)
        for width in (390, 700, 1000, 1440):
            page.look(width=width)
            assert not page.ask(sideways), (name, width)


def test_a_phone_shows_a_document_on_the_whole_screen_and_filters_when_asked(office: Office) -> None:
    page = office.show(f"/?q={WORD}", **PHONE)
    assert page.ask("getComputedStyle(document.querySelector('.facets')).display") == "none"
    page.ask("document.querySelector('[data-do=filters]').click()")
    assert page.ask("getComputedStyle(document.querySelector('.facets')).display") == "block"
    page.ask("document.querySelector('.hit-link').click()")
    page.wait_for(f"{OPEN} !== ''")
    box = page.ask(
        "(b => [b.left, b.top, b.width, b.height])(document.querySelector('#detail').getBoundingClientRect())"
    )
    assert box == [0, 0, 390, 844]
    assert page.ask("document.querySelector('#shell').inert")
    page.press("Escape")
    page.wait_for(f"{OPEN} === '' && !document.querySelector('#shell').inert")


def test_dark_is_what_the_machine_says_until_somebody_chooses(office: Office) -> None:
    background = "getComputedStyle(document.querySelector('.top')).backgroundColor"
    light, dark = (office.show("/", is_dark=is_dark).ask(background) for is_dark in (False, True))
    assert light != dark
    office.page.ask("document.querySelector('[data-do=theme]').click()")
    assert office.page.ask(background) == light
    assert office.show("/", is_dark=True).ask(background) == light
    office.page.ask("localStorage.clear()")


def test_a_search_is_saved_run_and_deleted(office: Office) -> None:
    name = "Klappen im Kita <b>"
    page = office.show(f"/?q={WORD}+projekt:2301")
    page.ask("document.querySelector('#save summary').click()")
    page.ask(f"document.querySelector('#save-name').value = '{name}'")
    page.ask("document.querySelector('#save form').requestSubmit()")
    page.wait_for("!!document.querySelector('.saved a')")
    assert page.ask("location.search").startswith(f"?q={WORD}")
    page = office.show()
    assert page.ask("document.querySelector('.saved a').textContent") == name
    page.ask("document.querySelector('.saved a').click()")
    page.wait_for(f"{TYPED} === '{WORD} projekt:2301' && {HITS} > 0")
    page.ask("document.querySelector('.saved form').requestSubmit()")
    page.wait_for(f"{READY} && !document.querySelector('.saved a')")
    assert page.ask(TYPED) == f"{WORD} projekt:2301"


def test_what_strangers_send_runs_nothing_and_hides_nothing(office: Office) -> None:
    for name, path in _states(office).items():
        page = office.show(path)
        assert page.ask("window.hit") is None, name
        assert page.ask("[...document.scripts].every(s => s.src.startsWith(location.origin + '/static/'))"), name
        assert page.ask("document.querySelectorAll('#results script, #detail script, img[src=x]').length") == 0, name
        schemes = set(page.ask("[...document.links].map(a => a.protocol)"))
        assert schemes <= {"http:", "https:", "smb:"}, name
    page = office.show(f"/?q={WORD}+projekt:2301&view=gallery")
    text = page.ask("document.querySelector('#hits').textContent")
    assert page_office.HOSTILE["markup"] in text
    assert "Brandschutzklappe ⟨U+202E⟩fdp.exe" in text
    assert "\u202e" not in page.ask("document.documentElement.outerHTML")


def test_a_task_whose_address_runs_a_script_cannot_be_opened(office: Office) -> None:
    number = office.id_of(page_office.LONG_TASK)
    with open_finder(office.settings) as finder:
        detail = finder.detail(number)
    assert detail is not None
    assert detail.hit.url == page_office.JAVASCRIPT
    page = office.show(f"/?open={number}")
    assert page.ask(OPEN) == str(number)
    assert page.ask("[...document.querySelectorAll('#detail .actions a')].length") == 0


def test_what_was_typed_runs_nothing_whatever_it_is(office: Office) -> None:
    for typed in (
        "%22%3E%3Cscript%3Ewindow.hit=6%3C/script%3E",
        "'%3B+drop+table+x--",
        "a+%26+%21%28b%3A*",
        "%00%FF",
        "%22",
    ):
        page = office.show(f"/?q={typed}")
        assert page.ask("window.hit") is None
        assert page.ask("!!document.querySelector('.count')"), typed


def test_without_scripts_links_and_forms_do_the_same(office: Office) -> None:
    visitor = web_visitor.signed_in(office.web)
    page = visitor.get(f"/?q={WORD}").text
    assert "combobox" not in page
    assert re.search(r'<ul id="completions"[^>]* hidden></ul>', page)
    [following] = re.findall(r'<a class="button" href="(/\?[^"]*after=[^"]*)"', page)
    facet = re.search(r'href="([^"]*projekt%3A2301[^"]*)"', page)
    opened = re.search(r'class="hit-link"[^>]* href="([^"]*open=\d+)"', page)
    assert facet
    assert opened
    first, second = (set(re.findall(r'data-id="(\d+)"', visitor.get(html.unescape(path)).text))
                     for path in (f"/?q={WORD}", following))  # fmt: skip
    assert second
    assert not first & second
    assert "Projekt: 2301 Kita Lindenhof" in visitor.get(html.unescape(facet[1])).text
    assert 'id="panel-title"' in visitor.get(html.unescape(opened[1])).text
    assert (
        visitor.post("/saved-searches", name="Ohne Skript", query=WORD, back=f"/?q={WORD}").headers["Location"]
        == f"/?q={WORD}"
    )
    [saved] = re.findall(r'action="(/saved-searches/\d+/delete)"', visitor.get("/").text)
    assert visitor.post(saved, back="//evil.test/").headers["Location"] == "/"
    assert "Ohne Skript" not in visitor.get("/").text


def test_what_goes_wrong_is_said_and_goes_on_when_it_is_over(office: Office) -> None:
    page = office.show(f"/?q={WORD}")
    with page.offline():
        page.ask("document.querySelector('#view-gallery').click()")
        page.wait_for("document.querySelector('#trouble').innerText.includes('nicht erreichbar')")
    page.ask("document.querySelector('#view-gallery').click()")
    page.wait_for("!!document.querySelector('.gallery') && document.querySelector('#trouble').hidden")


def test_axe_finds_nothing_serious_in_light_and_dark(office: Office) -> None:
    states = {name: (path, 1440) for name, path in _states(office).items() if name not in ("everything", "long")}
    states |= {f"{name} on a phone": (_states(office)[name], 390) for name in ("results", "detail", "gallery")}
    found = {}
    for name, (path, width) in states.items():
        page = office.show(path, width=width)
        found[name] = _violations(page)
        page.look(width=width, is_dark=True)
        found[f"{name}, dark"] = _violations(page, "{runOnly: ['color-contrast']}")
    for is_dark in (False, True):
        page = office.show(is_dark=is_dark)
        page.type("Brandsch")
        page.wait_for(f"{OFFERED}.length > 0")
        page.press("ArrowDown")
        found[f"completions, dark: {is_dark}"] = _violations(page)
    assert {name: problems for name, problems in found.items() if problems} == {}


def test_axe_finds_nothing_serious_where_people_sign_in_and_get_help(office: Office) -> None:
    page = office.show()
    page.press("Escape")
    page.ask("document.querySelector('[data-do=help]').click()")
    assert _violations(page) == []
    with open_page() as stranger:
        stranger.open(f"{office.web.url}/login")
        stranger.wait_for(READY)
        assert _violations(stranger) == []


def _violations(page: Page, options: str = "{resultTypes: ['violations']}") -> list[str]:
    page.ask(f"window.axe ? null : (() => {{ {AXE} }})()")
    found: list[dict[str, Any]] = json.loads(page.ask(f"axe.run({options}).then(f => JSON.stringify(f.violations))"))
    return [f"{each['id']}: {each['nodes'][0]['html'][:200]} {each['nodes'][0]['failureSummary']}"
            for each in found if each["impact"] in ("serious", "critical")]  # fmt: skip
