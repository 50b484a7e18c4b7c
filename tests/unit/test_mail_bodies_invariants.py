"""What holds for every body: no word lost or doubled, nothing shown that acts or asks, no exception."""

from __future__ import annotations

import email
import email.policy
import re
import unicodedata
from collections import Counter
from html import escape
from html.parser import HTMLParser
from typing import TYPE_CHECKING

import pytest
from hypothesis import HealthCheck, example, given, settings
from hypothesis import strategies as st
from mail_samples import BILL, SAMPLES

from ibhelm_pipelines.mail_body import MailBody, read_body
from ibhelm_pipelines.mail_body.bounding import bounded
from ibhelm_pipelines.mail_body.cleaning import clean
from ibhelm_pipelines.plain_text import html_to_text

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

LINK = re.compile(r"<https?://[^\s>]+>")
INVISIBLE = re.compile("[\u00ad\u034f\u200b\u2060\ufeff]")
CONTROLS = re.compile(r"[\x00-\x1f\x7f-\x9f]")


def words(text: str) -> Counter[str]:
    """The words that a person sees, by the older reader of plain_text."""
    seen = CONTROLS.sub(" ", INVISIBLE.sub("", text))
    return Counter(re.findall(r"\w+", unicodedata.normalize("NFC", LINK.sub(" ", seen))))


def visible(html: str | None) -> str:
    """The older reader takes these blocks for parts of a line."""
    return html_to_text(re.sub(r"<(/?)(?:center|caption|details|summary)\b", r"<\1div", html or ""))


def assert_each_word_once(body: MailBody) -> None:
    assert words(f"{body.text}\n{body.quoted}\n{body.signature}") == words(visible(body.html))


def letters(html: str) -> Counter[str]:
    return Counter("".join(visible(html).split()))


class Loads(HTMLParser):
    """Collects what a browser would run or ask for."""

    def __init__(self) -> None:
        super().__init__()
        self.found: list[str] = []

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        if tag in (
            "script",
            "style",
            "iframe",
            "object",
            "embed",
            "link",
            "meta",
            "base",
            "form",
            "input",
            "svg",
            "video",
        ):
            self.found.append(tag)
        for name, value in attrs:
            told = re.sub(r"[\s\x00-\x1f]", "", value or "").lower()
            is_link = tag == "a" and name == "href" and told.startswith(("http:", "https:", "mailto:", "tel:"))
            is_picture = tag == "img" and name == "src" and told.startswith(("cid:", "data:image/"))
            if name.startswith("on") or "javascript:" in told or (name == "style" and ("url" in told or "\\" in told)):
                self.found.append(f"{tag} {name}={value}")
            if name in ("src", "href", "srcset", "background", "poster", "action") and not (is_link or is_picture):
                self.found.append(f"{tag} {name}={value}")


def assert_harmless(body: MailBody) -> None:
    parser = Loads()
    parser.feed(body.html or "")
    parser.close()
    assert parser.found == []


TAGS = st.sampled_from(
    ["p", "div", "span", "b", "table", "tr", "td", "ul", "li", "blockquote", "pre", "a", "font", "h1", "o:p", "center"]
)
ATTRIBUTES = st.sampled_from([
    "", ' type="cite"', ' class="gmail_quote"', ' class="moz-signature"', ' id="Signature"', ' class="moz-cite-prefix"',
    ' style="border-left:1px solid"', ' style="white-space: pre-wrap"', ' style="background:url(http://x)"',
    ' onclick="x()"', ' href="https://example.org/a"', ' href="javascript:x()"', ' href=" jAvascript:x"',
    ' src="http://example.org/p.gif"', " data-missive-attachment-id=x",
])  # fmt: skip
LINES = st.sampled_from([
    "Viele Grüße", "-- ", "> was", "Von: Max", "Gesendet: Montag, 9. März 2026", "An: Erika", "Betreff: AW: Plan",
    "Am 12.03.2026 um 10:12 schrieb Max <max@example.org>:", "-----Ursprüngliche Nachricht-----",
    "Anfang der weitergeleiteten Nachricht:", "Von meinem iPhone gesendet", "PS: noch etwas", "Lüf\u00adtung",
    "Diese Nachricht ist vertraulich und nur für den Empfänger bestimmt.",
])  # fmt: skip


@st.composite
def nodes(draw: st.DrawFn, content: st.SearchStrategy[str]) -> str:
    tag = draw(TAGS)
    return f"<{tag}{draw(ATTRIBUTES)}>{draw(content)}</{tag}>"


LEAVES = st.one_of(
    LINES.map(escape),
    st.just("<br>"),
    st.just("&nbsp;"),
    st.text(max_size=8).map(escape),
    st.just("<img src=cid:a.png>"),
)
TREES = st.recursive(
    LEAVES, lambda inner: st.one_of(nodes(inner), st.lists(inner, max_size=5).map("".join)), max_leaves=40
)
BROKEN = st.lists(
    st.one_of(
        st.sampled_from(
            [
                "<",
                ">",
                "</",
                "<!--",
                "-->",
                "<![CDATA[",
                "<a b='",
                '"',
                "&",
                "&#x",
                "<script>",
                "<p",
                "\0",
                "\ud800",
                "<svg>",
                "<title>",
                "<table>",
                "</p>",
            ]
        ),
        LEAVES,
    ),
    max_size=30,
).map("".join)
CALM = settings(max_examples=150, deadline=None, suppress_health_check=[HealthCheck.too_slow])


@CALM
@given(TREES)
@example("<p>e</p>\u0301")
@example("<table><tr><td>a<table><tr><td>b</td><td>c</td></tr></table></td><td>d</td></tr></table>")
def test_every_word_of_a_mail_is_in_exactly_one_part(html: str) -> None:
    assert_each_word_once(read_body(html))


@CALM
@given(BROKEN)
def test_whatever_comes_is_read_and_made_harmless(html: str) -> None:
    body = read_body(html)
    assert_harmless(body)
    assert_each_word_once(body)
    "".join([body.text, body.quoted, body.signature, body.html or ""]).encode("utf-8")


@CALM
@given(st.text(max_size=200), st.sampled_from(["email", "sms", "whatsapp", ""]))
def test_any_text_of_any_kind_is_read(text: str, kind: str) -> None:
    assert_each_word_once(read_body(text, kind=kind))


@CALM
@given(TREES)
def test_what_is_bounded_says_the_same(html: str) -> None:
    # What stands in a table outside of its cells is moved before the table by the one, and kept in its place by the
    # other: the words may meet others, and their letters stay.
    assert letters(clean(bounded(html))) == letters(clean(html))


ATTACKS = [
    "<script>alert(1)</script><p onmouseover=alert(1)>a",
    "<img src=x onerror=alert(1)><img srcset='https://example.org/a 2x'><img src=//example.org/a>",
    "<a href=javascript:alert(1)>a</a><a href='&#106;avascript:alert(1)'>b</a><a href='java\nscript:x'>c</a>",
    "<iframe src=https://example.org></iframe><object data=x>o</object><embed src=x><video poster=https://x/x>v",
    "<div style='background:url(https://example.org/x)'>a</div><div style='background-image:u\\72l(https://example.org)'>b",
    "<ul style='list-style-type:url(https://example.org/x)'><li style='color:u\\72l(https://example.org/x)'>a</ul>",
    "<table background=https://example.org/x><td background=https://example.org/x>a",
    "<style>@import 'https://example.org/x';</style><link rel=stylesheet href=https://example.org/x>",
    "<meta http-equiv=refresh content='0;url=https://example.org'><base href=https://example.org>",
    "<svg><script>alert(1)</script><image href=https://example.org/x /></svg><math><mtext><img src=x onerror=a></math>",
    "<form action=https://example.org><input type=image src=https://example.org/x><button formaction=x>b</form>",
    "<noscript><p title='</noscript><img src=x onerror=alert(1)>'>",
    "<img src='data:image/svg+xml,<svg onload=alert(1)>'><a href='data:text/html,<script>x</script>'>a</a>",
    "<p style='position:fixed;top:0;display:none'>a</p>",
]  # fmt: skip


@pytest.mark.parametrize("attack", ATTACKS)
@pytest.mark.parametrize("padding", ["", "<p>viel Text</p>" * 5_000], ids=["small", "large"])
def test_nothing_that_is_shown_runs_or_asks_anybody(attack: str, padding: str) -> None:
    body = read_body(attack + padding)
    assert_harmless(body)
    assert "alert" not in (body.html or "")
    assert not re.search(r"position|display", body.html or "")
    assert_each_word_once(body)


def test_the_check_for_what_acts_sees_what_acts() -> None:
    for attack in ATTACKS[:3]:
        parser = Loads()
        parser.feed(attack)
        assert parser.found


@pytest.mark.parametrize("name", [*SAMPLES, "bill"])
def test_the_samples_keep_each_word_once(name: str) -> None:
    body = read_body(SAMPLES.get(name, BILL))
    assert_each_word_once(body)
    assert_harmless(body)


def corpus_bodies(corpus: Path) -> Iterator[tuple[str, str]]:
    for path in sorted((corpus / "mail").iterdir()):
        message = email.message_from_bytes(path.read_bytes(), policy=email.policy.compat32)
        for part in message.walk():
            if part.get_content_maintype() == "text":
                payload = part.get_payload(decode=True)
                yield path.name, payload.decode("utf-8", "replace") if isinstance(payload, bytes) else ""
    for path in sorted((corpus / "text").glob("*.htm*")):
        yield path.name, path.read_bytes().decode("utf-8", "replace")


def test_real_mails_keep_each_word_once_and_are_harmless(shared_corpus: Path) -> None:
    read = 0
    for _name, html in corpus_bodies(shared_corpus):
        body = read_body(html)
        assert_each_word_once(body)
        assert_harmless(body)
        read += 1
    assert read > 100


def test_answers_in_real_mails_are_parted_from_what_they_answer(shared_corpus: Path) -> None:
    bodies: dict[str, list[MailBody]] = {}
    for name, html in corpus_bodies(shared_corpus):
        bodies.setdefault(name.partition("-")[2], []).append(read_body(html))
    for name in ("gmail.eml", "hotmail.eml", "comcast.eml", "apple_mail.eml"):
        assert {body.text for body in bodies[name]} == {"Hello"}
        assert all(body.quoted.endswith("Hi") for body in bodies[name])
    assert bodies["ms_outlook_2003.html"][0].text.startswith("Hi. I am fine.")
    assert "Hello! How are you?" in bodies["thunderbird.html"][0].quoted
    assert bodies["german.msg"][0].signature.startswith("Freundliche Gruesse")
