"""Compounds are found by their parts, and nothing is a part that is none."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from ibhelm_pipelines.search.compounds import parts, split
from ibhelm_pipelines.search.folds import folded

SPLIT = """
Brand|schutz|klappe Brand|schutz|klappen Brand|schutz|tür Rauch|schutz|tür Brand|melde|anlage Brand|melde|zentrale
Lüftungs|gerät Lüftungs|geräte Lüftungs|geräten Lueftungs|geraete Luftungs|gerat Zentral|lüftungs|gerät
Lüftungs|anlage Lüftungs|zentrale Raum|luft|technik Raum|luft|technische Abluft|ventilator Zuluft|kanal
Umluft|kühl|gerät Trink|wasser|leitung Trink|wasser|leitungen Trink|wasser Kalt|wasser|satz Warm|wasser|bereiter
Schmutz|wasser|leitung Schmutz|wasser|hebe|anlage Regen|wasser|nutzung Lösch|wasser|leitung Wasser|zähler
Wärme|mengen|zähler Wärme|mengen|zählern Heiz|kreis|verteiler Heiz|last|berechnung Heizungs|pumpe Fußboden|heizung
Wärme|pumpe Wärme|pumpen Kälte|maschine Kälte|anlagen Kälte|mittel Kälte|zentrale Volumen|strom|regler
Volumen|strom|begrenzer Rauch|melder Rauch|abzug Rohr|leitung Rohr|leitungs|bau Rohr|netz Absperr|klappe
Absperr|ventil Kugel|hahn Strang|schema Strang|regulier|ventil Rückschlag|klappe Drossel|klappe Kondensat|pumpe
Kondensat|ableitung Öl|abscheider Sicherheits|beleuchtung Sicherheits|beleuchtungs|anlage Not|beleuchtung Not|strom
Kabel|trasse Kabel|pritsche Kabel|rinne Elektro|installation Elektro|verteiler Schalt|schrank Schalt|schränke
Nieder|spannungs|haupt|verteilung Steck|dose Leitungs|schutz|schalter Blitz|schutz Potential|ausgleich
Sprinkler|anlage Hydranten|anlage Entrauchungs|anlage Druck|minderer Druck|prüfung Dichtheits|prüfung Spül|protokoll
Prüf|bericht Abnahme|protokoll Mängel|liste Leistungs|verzeichnis Kosten|berechnung Kosten|gruppe Schluss|rechnung
Nachtrags|angebot Wartungs|vertrag Bau|besprechung Bau|zeiten|plan Durchbruchs|plan Revisions|unterlagen
Bestands|unterlagen Bezirks|amt Rat|haus Schall|schutz Schall|dämpfer Telefon|schall|dämpfer Sonnen|schutz
Keller|geschoss Gebäude|automation Temperatur|fühler Raum|temperatur|fühler Transport|anlagen Linden|hof Kita|neubau
Wasch|becken Wickel|falz|rohr Eigen|strom|versorgungs|anlagen
"""
WHOLE = """
Bericht Urlaub Kondensat Transport Material Eigenschaft Ventilator Temperatur Temperaturen Installation Generator
Kompressor Reparatur Armatur Literatur Verbrauch Verteiler Verteilung Regelung Steuerung Angebot Vertrag Anlage Lüftung
Heizung Leitung Widerstand Gegenstand Unterlagen Unterricht Nachricht Übersicht Überprüfung Dokumente Dokumentation
Konstruktionen Versionen Beschreibung Kommunikation Buchstaben Information Protokoll Parameter Gesellschaft Wirtschaft
Gemeinschaft Dringlichkeit Sicherheit Ingenieur Hersteller Mitteilung Speicher Abteilung Bestellung Estrich Sanitär
Kontrolle Element Termine Kalender Generates Starting Questions Workspace Definition Verwaltung Bauer Zähler Klappe
vereinbart bestellen klimatische
"""


@pytest.mark.parametrize("word", SPLIT.split())
def test_a_compound_is_parted(word: str) -> None:
    expected = [folded(part) for part in word.lower().split("|")]
    assert list(split("".join(expected))) == expected


@pytest.mark.parametrize("word", WHOLE.split())
def test_what_is_no_compound_stays_whole(word: str) -> None:
    assert split(folded(word.lower())) == ()


def test_parts_come_with_what_neighbours_make_together() -> None:
    assert set(parts("trinkwasserleitung")) == {"trink", "wasser", "leitung", "trinkwasser", "wasserleitung"}


@given(st.text(alphabet="abdefghiklmnoprstuvwz", max_size=40) | st.sampled_from(SPLIT.replace("|", "").split()))
def test_parts_make_the_word_again(word: str) -> None:
    plain = folded(word.lower())
    assert "".join(split(plain)) in ("", plain)


def test_a_page_of_letters_is_no_word() -> None:
    assert split("brandschutz" * 1_000) == ()
