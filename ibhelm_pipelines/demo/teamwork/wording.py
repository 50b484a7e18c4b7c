"""What the made-up office writes into Teamwork.com: names of tasks, descriptions, comments. Plain data, no logic.

Some of it is hard on purpose: umlauts in both Unicode forms, emoji of several code points, right-to-left text, control
pictures, HTML entities and names that look like something else.
"""

from __future__ import annotations

LISTS = (
    "LPH 1-3 Grundlagen und Entwurf",
    "LPH 5 Ausführungsplanung",
    "LPH 6-7 Vergabe",
    "LPH 8 Bauüberwachung",
    "Nachträge",
    "Mängel",
    "Besprechungspunkte",
)
MILESTONES = ("Abgabe Entwurf", "Baubeginn TGA", "Inbetriebnahme", "Abnahme")
TAGS = (
    "Anforderung",
    "Hinweis",
    "KGR 410",
    "KGR 420",
    "KGR 422",
    "KGR 430",
    "KGR 434",
    "KGR 440",
    "KGR 480",
    "Prüfung",
    "Mangel",
    "Bauherr",
    "Nachtrag",
    "dringend",
    "wartet auf Dritte",
    "KGR 4401 (alt)",
    "Gebäude: Haus A",
)
TAG_GROUPS = {
    "KGR 410": 410, "KGR 420": 420, "KGR 422": 422, "KGR 430": 430, "KGR 434": 434, "KGR 440": 440, "KGR 480": 480,
}  # fmt: skip
"""What those of TAGS mean that mean a cost group; `KGR 4401 (alt)` never meant one."""
TAG_BUILDINGS = {"Gebäude: Haus A": "Haus A"}
"""The same of those that mean a building, as the office wrote it before it wrote `O-Haus A`."""
GROUP_SPELLINGS = {
    410: ("KGR 410", "KG 410", "410 Sanitär"),
    420: ("KGR 420", "kgr 420", "420_Heizung"),
    422: ("KGR 422", "KG 422 Wärmeverteilnetze"),
    430: ("KGR 430 Lüftung", "KGR_430", "KG 430"),
    434: ("KGR 434", "KG 434", "434 Kälte", "kgr434", "KGR 434 Kälteanlagen"),
    440: ("KGR 440", "KG440 Elektro", "Kostengruppe 440"),
    442: ("KGR 442",),
    456: ("KGR 456 BMA", "KG 456"),
    480: ("KGR 480", "480 Automation", "kgr480"),
}
"""How people write the cost groups that they mean."""
FIELD_GROUPS = {("Kostengruppe", "422"): 422, ("Kostengruppe", "434"): 434}
"""What values of fields mean; that of `Raum` names no building, and so no place."""
FIELD_TRADES = {
    ("Gewerk", "Lüftung"): 430, ("Gewerk", "Sanitär"): 410, ("Kostengruppe", "Lüftung"): 430,
    ("Kostengruppe", "Sanitär"): 410,
}  # fmt: skip
"""The same of values that name a trade and no number."""
MEANINGLESS_TAGS = (
    "DN 434",
    "Raum 430",
    "KGR",
    "2434",
    "450 EUR",
    "KGR 4342",
    "KGR 999",
    "Otto",
    "O2-Messung",
    "Ortstermin",
    "O - offen",
    "Index 430",
)
"""What looks like a cost group or a place to a machine only."""
PLAIN_TASKS = (
    "Leistungsbild abstimmen",
    "Messreihe auswerten",
    "Prüfbericht schreiben",
    "Schulung vorbereiten",
    "Geräte bestellen",
    "Termin mit der Statik",
)
COLORS = ("#d84640", "#f78234", "#f4bd38", "#b1da34", "#53c944", "#37ced0", "#2f8de4", "#9b7cdb")
TEAMS = ("Heizung/Lüftung", "Elektro/GA", "Bauüberwachung")
TITLES = ("Projektleiterin", "Planer TGA", "Bauüberwacher", "Technische Systemplanerin", "")

TASKS = (
    "Heizlast {room} nachrechnen",
    "Schlitz- und Durchbruchsplan {level} freigeben",
    "Brandschutzklappen Achse {axis} prüfen",
    "Angebot {firm} prüfen",
    "Nachtrag {number} {firm} bewerten",
    "Kühlung Raum {room} klären",
    "Spülprotokoll Trinkwasser {level} anfordern",
    "Terminplan fortschreiben",
    "Kollision Schacht S{number} lösen",
    "Hydraulischer Abgleich Strang {number}",
    "Bemusterung Sanitärobjekte",
    "GA-Funktionsliste abstimmen",
    "Revisionsunterlagen {firm} prüfen",
    "Mängelliste Begehung {level}",
    "Rechnung {number} {firm} prüfen",
    "LV {trade} zusammenstellen",
    "Volumenströme {level} abgleichen",
    "Kernbohrung DN {number}0 abstimmen",
)
ODD_TASKS = (
    "Prüfen: „Wärmepumpe“ – 45 kW ≠ 54 kW 🔥👩🏽‍🔧",
    "Lu\u0308ftungsgera\u0308t in NFD geschrieben",
    "Zeile 1\nZeile 2\tmit Tabulator",
    "<b>fett?</b> & Söhne &amp; Co. \"KG\" 'x'",
    "שלום עולם مرحبا",
    "  Leerzeichen vorn und hinten  ",
    "ﬁ-Ligatur, ẞ, İ, ǆ, \u200bNullbreite, \u00adweiches Trennzeichen",
    "'; DROP TABLE tasks; --",
    "𝕸𝖆𝖙𝖍 𠮷野家 🏴󠁧󠁢󠁳󠁣󠁴󠁿",
    "null",
    "0",
    "%s {0} $1 \\n \\u0000",
    "Sehr lang " + "ä" * 240,
)
DESCRIPTIONS = (
    "",
    "<p>Bitte bis zum <strong>Jour fixe</strong> erledigen.</p>",
    "<p>Siehe Plan <em>H-{level}-{number:02d}</em>. Maße am Bau prüfen!</p>"
    "<ul><li>Gerät prüfen</li><li>Foto ablegen</li></ul>",
    "<div>Telefonat mit {firm}: Lieferung verzögert sich um {number}&nbsp;Wochen "
    "&ndash; Mehrkosten 1.250,00&nbsp;&euro;</div>",
    "<p>Raum {room}: 22&deg;C statt 20&deg;C gewünscht &amp; vom Bauherrn bestätigt 👍</p>"
    '<br /><a href="https://example.org/?a=1&amp;b=2">Protokoll</a>',
    "<p>K\u00e4lteleistung &lt; 6 kW, \u0394T = 6 K, \u2300 125 mm</p>"
    "<table><tr><td>Vorlauf</td><td>6 \u00b0C</td></tr></table>",
)
COMMENTS = (
    "Erledigt, Protokoll liegt im Ordner.",
    "@{staff} bitte noch die Maße aus {level} ergänzen.",
    "Firma {firm} hat zugesagt 👍🏽",
    "Rückfrage: Gilt das auch für Raum {room}?",
    "Geprüft. Keine Einwände.\n\nGrüße\n{staff}",
    "Δp = 250 Pa; siehe Anlage {number}",
)
WORK = (
    "Planprüfung",
    "Ortstermin {level}",
    "Abstimmung {firm}",
    "Telefonat",
    "Massenermittlung",
    "",
    "Bauüberwachung 🦺",
)
