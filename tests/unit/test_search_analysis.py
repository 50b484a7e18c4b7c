"""A text, a query and what is highlighted are taken apart in one way, and every spelling of a thing is one lexeme."""

from __future__ import annotations

import re
import unicodedata

import pytest
from hypothesis import given
from hypothesis import strategies as st

from ibhelm_pipelines.search.analysis import MAX_POSITION, MAX_POSITIONS, MAX_TSVECTOR_BYTES, analyse, tokens

PIECES = st.sampled_from(
    ["Lüftung", "Lu\u0308ftung", "Brandschutz-Klappe", "DN 50", "KGR434", "2,5 kW", "1.234,56", "H07V-K", "die", "und",
     "2301_LV_V3.docx", "GrundrissEG.dwg", "24.12.2025", "m²", "CO₂", "⌀ 50",
     "Bran\u00add", "Schutz-\nklappe", "ﬁ", "٤٣٤",
     "-", "'", "\\", "\f", "\x00", "😀", "漢字", "İ", "ǅ", "ß", " ", "\n", "_", "."]
)  # fmt: skip
TEXTS = st.lists(PIECES | st.text(max_size=8), max_size=30).map("".join)


def _all(text: str) -> set[str]:
    return {lexeme for token in tokens(text) for lexeme in token.lexemes}


def _wholes(text: str) -> list[str]:
    return [token.lexemes[0] for token in tokens(text) if token.lexemes]


@pytest.mark.parametrize(
    "spellings",
    [
        ["Lüftung", "LÜFTUNG", "Lueftung", "luftung", unicodedata.normalize("NFD", "Lüftung"), "Lüf\u00adtung"],
        ["Lüftung", "Lüf-\ntung", "Lüf\u00ad\ntung"],
        ["Kälte", "Kaelte", "Kalte", "KÄLTE"],
        ["Straße", "Strasse", "STRASSE", "Straßen"],
        ["Geräte", "Gerät", "Geraete", "Geräten"],
        ["Haus", "Häuser", "Haeuser"],
        ["Café", "Cafe", "CAFÉ"],
        ["Größe", "Groesse", "Grösse", "GROESSE"],
        ["Brandschutzklappe", "Brandschutzklappen", "Brandschutz-\nklappe", "Brandschutz-\r\n   klappen"],
        ["Brandschutzklappe", "BRANDSCHUTZKLAPPE"],
        ["Zähler", "Zählern", "Zaehlers", "Zahler"],
        ["Wärmemengenzähler", "Wärmemengenzählern", "WAERMEMENGENZAEHLER"],
        ["Profil", "Proﬁl"],
        ["pump", "Pumps"],
    ],
)  # fmt: skip
def test_every_spelling_of_a_word_is_one_lexeme(spellings: list[str]) -> None:
    assert len({tuple(_wholes(spelling)) for spelling in spellings}) == 1


@pytest.mark.parametrize(
    ("word", "other"),
    [("Zähler", "Zahl"), ("Bauer", "Bau"), ("Müller", "Müll"), ("Lüfter", "Luft"), ("Träger", "tragen"),
     ("Steuer", "stur"), ("neue", "nur"), ("Quelle", "Quälle"), ("Heizung", "heizen")],
)  # fmt: skip
def test_two_words_are_two_lexemes(word: str, other: str) -> None:
    assert _wholes(word) != _wholes(other)


@pytest.mark.parametrize("word", ["Steuer", "neue", "Quelle", "Israel", "Poesie", "Koeffizient", "aktuell", "Michael"])
def test_ae_oe_and_ue_that_are_no_umlauts_are_found_by_themselves(word: str) -> None:
    assert _wholes(word) == _wholes(word.upper()) == _wholes(f"die {word}, und")


@pytest.mark.parametrize(
    ("text", "lexeme"),
    [
        *[(text, "dn50") for text in ("DN 50", "DN50", "DN-50", "DN_50", "dn 50", "DN\u00a050")],
        ("Rohr DN 50, verzinkt", "dn50"), ("DN 50/65", "dn50"),
        *[(text, "kg434") for text in ("KG 434", "KGR 434", "KGR434", "KG-434", "Kostengruppe 434", "KG: 434")],
        *[(text, "2.5kw") for text in ("2,5 kW", "2.5 kW", "2,5kW", "2.5 KW")],
        *[(text, "o50") for text in ("Ø 50", "ø50", "⌀50", "⌀ 50")],
        *[(text, "co2") for text in ("CO2", "CO₂", "CO2-Fühler", "CO₂-Fühler")],
        *[(text, "r32") for text in ("R32", "R 32", "R-32")],
        ("RAL 9010", "ral9010"), ("RAL9010", "ral9010"), ("F90", "f90"), ("EI 30-S", "ei30"), ("IP54", "ip54"),
        ("H07V-K", "h07vk"), ("M8x40", "m8x40"), ("2301-HZ-004", "2301hz004"), ("PN 16", "pn16"),
        ("DIN EN 12056-2", "en12056"), ("DIN EN 12056-2", "en12056-2"), ("VDE 0100-410", "vde0100"),
        ("DIN 276", "din276"),
        *[(text, "2025-12-24") for text in ("24.12.2025", "24.12.25", "2025-12-24", "20251224")],
        *[(text, "1234.56") for text in ("1.234,56 €", "1234,56", "1,234.56", "1234.56")],
        *[(text, "030123456") for text in ("030 123456", "030/123456", "030-123456", "+49 30 123456")],
        *[(text, "030123456") for text in ("+49 (0)30 12 34 56", "Tel.: +49(30)123456, Fax 1")],
        *[(text, "030123456") for text in ("0049 30 1234-56", "030123456", "(030) 123 456")],
        ("1.234", "1234"), ("450 m²", "450m2"),
    ],
)  # fmt: skip
def test_what_belongs_together_is_one_lexeme(text: str, lexeme: str) -> None:
    assert lexeme in _all(text)


@pytest.mark.parametrize("text", ["2434", "4345", "434,50", "1.434", "434.5", "04.434", "0434", "2.434.000"])
def test_a_number_is_whole(text: str) -> None:
    assert "434" not in _all(text)


@pytest.mark.parametrize(
    "text", ["434", "KG434", "KGR 434", "434_Kälte.pdf", "2301-434-01", "(434)", "434.", "Raum 434,Flur"]
)
def test_a_number_is_found_by_itself(text: str) -> None:
    assert "434" in _all(text)


@pytest.mark.parametrize(
    ("text", "part"),
    [("Brandschutzklappen", "Klappe"), ("Brandschutzklappe", "Brandschutz"), ("Lüftungsgeräte", "Gerät"),
     ("RLT-Anlage", "Anlagen"),
     ("Trinkwasserleitung", "Wasser"), ("Trinkwasserleitung", "Wasserleitungen"), ("Trinkwasserleitung", "Trinkwasser"),
     ("Brandschutz-Klappe", "Brandschutzklappe"), ("2301_LV_Lüftung_V3.docx", "lüftung"),
     ("2301_LV_Lüftung_V3.docx", "2301"),
     ("GrundrissEG.dwg", "Grundriss"), ("GrundrissEG.dwg", "EG"), ("RLTAnlage", "RLT"),
     ("anna.mueller@lindenhof.de", "Müller"),
     ("Kälteanlagen/Lüftung", "Lüftung"), ("PlanGrundrissOG", "Grundriss"), ("Wärmemengenzähler", "Zähler")],
)  # fmt: skip
def test_a_word_is_found_by_its_parts(text: str, part: str) -> None:
    assert _wholes(part)[0] in _all(text)


@pytest.mark.parametrize("text", ["Heizungs-\nund Lüftungsanlagen", "Heizungs- und Lüftungsanlagen"])
def test_a_hyphen_that_stands_for_a_part_joins_no_words(text: str) -> None:
    assert [token.word for token in tokens(text)] == ["heizungs", "und", "lüftungsanlagen"]


def test_function_words_have_a_place_but_no_lexemes() -> None:
    assert [(token.word, bool(token.lexemes)) for token in tokens("Die Klappe in the DUCT")] == [
        ("die", False), ("klappe", True), ("in", False), ("the", False), ("duct", True)
    ]  # fmt: skip


def test_labels_and_places_are_those_of_the_fields() -> None:
    found = analyse([("A", "Klappe"), ("B", "die DN 50"), ("C", "Klappe"), ("D", "Klappe")])
    assert found.tsvector == "'klapp':1A,21C,30 'dn':11B 'dn50':11B,12B '50':12B"
    assert found.lexemes == {"klapp", "dn", "dn50", "50"}
    assert found.words == {"klappe"}


def test_a_long_text_stays_within_the_limits_of_postgres() -> None:
    found = analyse(
        [("C", "Pumpe Rohr " * 20_000 + " ".join(f"{number}wort{'x' * 60}{number}" for number in range(12_000)))]
    )
    places = re.findall(r":([\dC,]+)", found.tsvector)
    assert max(each.count(",") for each in places) == MAX_POSITIONS - 1
    assert max(int(place) for each in places for place in each.replace("C", "").split(",")) == MAX_POSITION
    assert len(found.tsvector.encode()) <= MAX_TSVECTOR_BYTES
    assert {"pump", "rohr", "wort" + "x" * 60} <= found.lexemes
    assert "11999" not in found.lexemes


@given(TEXTS)
def test_places_are_those_of_the_words(text: str) -> None:
    end = 0
    for token in tokens(text):
        assert end <= token.start < token.end <= len(text)
        assert not text[end : token.start].strip("⌀").isalnum()
        written = text[token.start : token.end]
        assert not written[0].isspace()
        assert not written[-1].isspace()
        assert token.joined in ("", *token.lexemes)
        end = token.end
    assert not any(character.isalnum() for character in text[end:])


@given(TEXTS, TEXTS)
def test_texts_one_after_the_other_have_the_words_of_both(first: str, second: str) -> None:
    both = [token.word for token in tokens(f"{first}\n\n;\n\n{second}")]
    assert both == [token.word for token in (*tokens(first + "\n\n;"), *tokens("\n\n" + second))]


@given(TEXTS)
def test_the_index_holds_what_a_query_of_the_same_text_looks_for(text: str) -> None:
    assert analyse([("C", text)]).lexemes == _all(text)


@given(TEXTS)
def test_a_lexeme_is_plain(text: str) -> None:
    for lexeme in _all(text):
        assert re.fullmatch(r"[^\W_]+(?:[.-][^\W_]+)*", lexeme)
        assert lexeme == lexeme.lower()
        assert len(lexeme) <= 200
