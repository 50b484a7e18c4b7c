"""What a reader would see of HTML, whatever is written there."""

from __future__ import annotations

import resource
import subprocess
import sys

import pytest
from hypothesis import given
from hypothesis import strategies as st

from ibhelm_pipelines.plain_text import HtmlText, html_to_text

CPU_SECONDS = 20
"""What takes quadratic time does not end within it."""

HOSTILE = {
    "attributes without an end": "<a b='" * 100_000,
    "tags without an end": "<a " * 300_000,
    "comments without an end": "<!-- " * 300_000,
    "declarations": "<![if a]>" * 100_000,
    "a declaration that html.parser gives up on": "<![x" + "<p>Text",
    "deep": "<div>" * 500_000,
    "references": "&amp;&#x110000;&#0;&nope;" * 100_000,
}


@pytest.mark.parametrize("name", list(HOSTILE))
def test_hostile_html_is_read_in_time_that_grows_with_its_length(name: str) -> None:
    def limit() -> None:
        resource.setrlimit(resource.RLIMIT_CPU, (CPU_SECONDS, CPU_SECONDS))

    read = "import sys; from ibhelm_pipelines.plain_text import html_to_text; html_to_text(sys.stdin.read())"
    subprocess.run(
        [sys.executable, "-c", read], input=HOSTILE[name], text=True, check=True, preexec_fn=limit, timeout=120
    )


@given(st.text(st.sampled_from("<>!/[]-'\"= ap&;#\n\0\ud83d")))
def test_nothing_that_looks_like_html_is_refused(source: str) -> None:
    html_to_text(source)


def test_a_page_says_its_title_its_author_and_what_is_visible() -> None:
    page = HtmlText()
    source = """<html><head><title>Angebot &amp; Plan</title><meta name="author" content="K&ouml;hler">
        <style>p { color: red }</style><script>if (1 < 2) alert("<p>nein</p>")</script></head>
        <body><h1>Lüftung</h1><p>KGR&nbsp;430<br>Raum&shy;liste<!-- Kommentar --></p>
        <table><tr><td>Pos.</td><td>1 &lt; 2</td></tr></table></body></html>"""
    assert page.read(source)
    assert ("".join(page.title), page.author) == ("Angebot & Plan", "Köhler")
    text = html_to_text(source)
    assert text.splitlines() == ["Lüftung", "KGR 430", "Raum\u00adliste", "Pos. 1 < 2"]


def test_reading_ends_where_there_is_enough() -> None:
    page = HtmlText()
    assert not page.read("<p>eins</p>" * 1000, lambda: page.chars > 50)
    assert 50 < page.chars < 100
