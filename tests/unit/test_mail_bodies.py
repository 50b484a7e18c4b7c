"""What read_body makes of mails as people write them."""

from __future__ import annotations

import re
from html import unescape

import pytest
from mail_samples import BILL, SAMPLES, WORD

from ibhelm_pipelines import mail_body
from ibhelm_pipelines.mail_body import cleaning, read_body


def marked(text: str, start: str) -> list[str]:
    return re.findall(rf"\b{start}\w+", text)


@pytest.mark.parametrize("name", SAMPLES)
def test_each_word_is_found_in_the_part_it_was_written_for(name: str) -> None:
    body = read_body(SAMPLES[name])
    visible = unescape(re.sub(r"<[^@>]*>", " ", SAMPLES[name]))
    assert marked(body.text, "eigen") == marked(visible, "eigen")
    assert marked(body.quoted, "zitat") == marked(visible, "zitat")
    assert marked(body.signature, "gruss") == marked(visible, "gruss")


@pytest.mark.parametrize("name", SAMPLES)
def test_a_large_mail_is_read_as_a_small_one(name: str, monkeypatch: pytest.MonkeyPatch) -> None:
    small = read_body(SAMPLES[name])
    monkeypatch.setattr(cleaning, "MAX_UNBOUNDED_CHARS", 0)
    large = read_body(SAMPLES[name])
    assert (large.text, large.quoted, large.signature) == (small.text, small.quoted, small.signature)


def test_text_is_clean_and_composed() -> None:
    body = read_body(WORD.replace("die eigenpr", "die e\u0301 eigenpr"))
    assert "é" in body.text
    assert "Lüftung." in body.text
    assert "unsichtbar" not in body.text + body.quoted + body.signature + (body.html or "")
    assert "mso" not in (body.html or "").lower()


def test_a_bill_of_quantities_keeps_its_rows_and_columns() -> None:
    assert read_body(BILL).text == "Pos.\tText\tMenge\n1.1\tRohr DN 100\t25,00 m\n1.2\t\t3"


def test_a_table_that_lays_out_a_mail_is_read_line_by_line() -> None:
    laid_out = (
        "<table><tr><td>Logo</td><td><p>Guten Tag,</p><p>anbei.</p><p>Mit freundlichen Grüßen</p></td></tr></table>"
    )
    assert read_body(laid_out).signature == "Mit freundlichen Grüßen"


def test_lists_and_links_keep_what_they_tell() -> None:
    body = read_body(
        "<ul><li><p>eins</p></li><li>zwei</li></ul><a href='https://example.org/plan'>Plan laden</a>"
        " <a href='https://example.org/'>example.org</a> <a href='mailto:a@example.org'>schreiben</a>"
    )
    assert body.text == "- eins\n- zwei\nPlan laden <https://example.org/plan> example.org schreiben"


def test_a_mail_that_outlook_forwarded_is_known_by_its_subject() -> None:
    mail = SAMPLES["Outlook, German"]
    assert "zitattext" in read_body(mail, subject="WG: Plan").text
    assert "zitattext" in read_body(mail, subject="AW: WG: Plan").quoted
    assert "grussname" in read_body(mail, subject="WG: Plan").signature


def test_a_chat_has_neither_quotes_nor_signatures() -> None:
    body = read_body("Passt\n> 5 kW\nViele Grüße\nMax", kind="whatsapp")
    assert body.text == "Passt\n5 kW\nViele Grüße\nMax"
    assert (body.quoted, body.signature) == ("", "")


def test_inline_pictures_are_known_by_attachment_and_by_name() -> None:
    body = read_body(
        '<p>Plan</p><img data-missive-attachment-id="a-1"><blockquote type="cite">'
        '<img src="cid:image001.png@01D%20x"><img data-missive-attachment-id="a-2" src="https://example.org/x.png">'
    )
    assert body.inline_attachment_ids == {"a-1", "a-2", "image001.png@01D x"}
    assert 'data-missive-attachment-id="a-1"' in (body.html or "")
    assert "https://example.org" not in (body.html or "")


@pytest.mark.parametrize(
    ("text", "language"),
    [
        ("Anbei der geänderte Plan mit der Bitte um Freigabe.", "de"),
        ("BITTE UM FREIGABE DER GEÄNDERTEN PLÄNE", "de"),
        ("Please find the revised drawings attached.", "en"),
        ("Veuillez trouver ci-joint le plan révisé.", "fr"),
        ("W załączeniu przesyłam zmieniony projekt.", "pl"),
        ("ok", None),
        ("1.1 25,00 m 12.03.2026 https://example.org/some/long/path/of/words", None),
        ("", None),
    ],
)
def test_language_is_told_when_there_is_enough_to_tell(text: str, language: str | None) -> None:
    assert read_body(text).language == language


def test_the_language_is_that_of_the_writer_not_of_the_quote() -> None:
    quote = "<blockquote type=cite>Please find the revised drawings of the second floor attached.</blockquote>"
    assert read_body(f"<p>Danke, die Pläne sind angekommen und freigegeben.</p>{quote}").language == "de"


def test_the_snippet_is_one_line_of_whole_words() -> None:
    snippet = read_body("<p>Guten Tag,</p><p>" + "Lüftungsanlage " * 60).snippet
    assert snippet.startswith("Guten Tag, Lüftungsanlage")
    assert len(snippet) <= mail_body.SNIPPET_CHARS
    assert snippet.endswith("Lüftungsanlage")


@pytest.mark.parametrize("nothing", [None, "", " \n ", "<div></div>", "<!-- -->", "\0", "\ud800"])
def test_a_mail_without_words_has_empty_parts(nothing: str | None) -> None:
    body = read_body(nothing)
    assert (body.text, body.quoted, body.signature, body.snippet, body.language) == ("", "", "", "", None)


def test_signs_of_all_scripts_stay() -> None:
    body = read_body("<p>Passt 👍🏽 👩‍🔧 &amp; شكرا &lt;3 Ω Ⅳ</p>")
    assert body.text == "Passt 👍🏽 👩‍🔧 & شكرا <3 Ω Ⅳ"


def test_an_address_in_brackets_is_no_tag() -> None:
    assert read_body("Bitte an <max@example.org> senden,\na < b.").text == "Bitte an <max@example.org> senden,\na < b."
