"""What people write in the mails of the made-up office. Plain data, no logic."""

from __future__ import annotations

ORGANIZATION = "Ingenieurbüro Helm"
TEAMS = ("Projekte", "Buchhaltung", "Vergabe", "Geschäftsleitung")
"""The token's user is in all but the last one."""

LABELS = (
    ("Projekte", None),
    ("Kunden", None),
    ("Dringend", None),
    ("Angebot", "Kunden"),
    ("Rechnung", "Kunden"),
    ("Bauphase", "Projekte"),
    ("LP 5", "Projekte"),
    ("Abnahme", "Bauphase"),
    ("Mängel", "Bauphase"),
)
COLORS = ("#c0392b", "#27ae60", "#2980b9", "#f39c12", "#8e44ad")

SUBJECTS = (
    "{project} - Angebot {trade}",
    "{project}: Planstand {trade} Index {letter}",
    "{number} {trade} - Rückfrage zur Kernbohrung Achse {letter}",
    "{project} - {count}. Abschlagsrechnung",
    "Protokoll Jour fixe Nr. {count} {project}",
    "{number}-{site}-{initials} Nachtrag {count} {trade}",
    "BV {site}: Terminverschiebung Rohmontage",
    "{project} / Brandschutzklappen / Abnahme",
    "Fotos Begehung {site}",
    "Heizlastberechnung {site} - offene Räume",
    "AW: {project} Druckprüfung Trinkwasser",
    "Prüfung Nachtrag {count}, KGR {group}",
)
UNRELATED_SUBJECTS = (
    "Ihre Bestellung 4500{count}",
    "Newsletter: Neue Förderung für Wärmepumpen",
    "Urlaub KW {count}",
    "Einladung Sommerfest",
    "Kündigung Wartungsvertrag Kopierer",
    "",
)
PERSONAL_SUBJECTS = ("Krankmeldung", "Gehaltsabrechnung Oktober", "Kita schließt heute früher", "Arzttermin Donnerstag")

TRADES = ("Heizung", "Lüftung", "Sanitär", "Kälte", "Elektro", "MSR/GA")

TRADE_GROUPS = {"Heizung": 420, "Lüftung": 430, "Sanitär": 410, "Kälte": 434, "Elektro": 440, "MSR/GA": 480}
"""The cost group that who names a trade means."""
GROUP_LABELS = {
    410: "KGR 410 Sanitär",
    420: "KG 420",
    430: "KGR 430 Lüftung",
    434: "434 Kälte",
    440: "kgr440",
    450: "KGR 450",
    480: "KGR 480 Automation",
}
MEANINGLESS_LABELS = ("Rechnungen 2024", "KGR", "DN 434", "KGR 4401 (alt)", "Otto", "Raum 430")
"""What looks like a project, a cost group or a place to a machine only."""
MISLEADING_SUBJECTS = (
    "Ihre Bestellung 4500{number}",
    "Zahlungserinnerung über {number},50 EUR",
    "Gutschrift {number} EUR",
    "Inventur {year}",
    "O-Ring Pumpe P2 bestellen",
    "Kopierer: Zählerstand 43{number}",
    "Katalog DN 430 und Schrauben 8.8",
    "Otto fragt nach dem Schlüssel",
)
"""Subjects of mails that belong to no project and no cost group, whatever numbers stand in them."""

GREETINGS = (
    "Sehr geehrte Damen und Herren,",
    "Sehr geehrte Frau Köhler,",
    "Hallo zusammen,",
    "Guten Tag Herr Schäfer,",
    "Moin,",
)
SENTENCES = (
    "anbei erhalten Sie das Angebot über die Leistungen {trade} für das Bauvorhaben {site}.",
    "wie heute telefonisch besprochen übersenden wir den aktuellen Planstand im Index {letter}.",
    "bitte prüfen Sie die Massen in Position 01.{count}; aus unserer Sicht fehlen 45 m Kaltwasserleitung DN 65.",
    "Die Brandschutzklappen in Achse {letter}/4 sind nicht zugänglich. Wir bitten um Revisionsöffnungen 40 x 40 cm.",
    "Der Bauherr hat die Bemusterung freigegeben, das Protokoll liegt bei.",
    "Die Druckprüfung findet am Donnerstag um 9:30 Uhr statt; bitte bestätigen Sie den Termin bis morgen.",
    "Die Heizlast im Raum {count}.07 beträgt nach DIN EN 12831 jetzt 1.240 W statt 980 W.",
    "Für die Rückkühler auf dem Dach fehlt uns noch die statische Freigabe.",
    "Die Rechnung wurde sachlich und rechnerisch geprüft, Auszahlungsbetrag 18.412,37 EUR.",
    "Können Sie uns bitte die DWG zum Grundriss UG schicken? Im PDF sind die Schächte nicht lesbar.",
    "Wir melden hiermit Bedenken gemäß § 4 Abs. 3 VOB/B gegen die vorgesehene Ausführung der Dämmung an.",
    "Der Liefertermin der Wärmepumpe verschiebt sich um drei Wochen auf die KW {count}.",
    "Grüße vom Jobsite – the crane operator only speaks English, please call him directly.",
    "Das Thema „Schallschutz Technikzentrale“ nehmen wir in den nächsten Jour fixe auf 🙂",
)
CLOSINGS = ("Mit freundlichen Grüßen", "Mit freundlichem Gruß", "Viele Grüße", "MfG", "Beste Grüße aus Berlin")
DISCLAIMER = (
    "Diese E-Mail enthält vertrauliche und/oder rechtlich geschützte Informationen. Wenn Sie nicht der richtige "
    "Adressat sind oder diese E-Mail irrtümlich erhalten haben, informieren Sie bitte sofort den Absender und "
    "vernichten Sie diese E-Mail. Das unerlaubte Kopieren sowie die unbefugte Weitergabe ist nicht gestattet."
)
COMMENTS = (
    "Kann das jemand bis morgen prüfen?",
    "@{name} schaust du dir die Massen an?",
    "Habe ich freigegeben, Rechnung kann raus.",
    "Ruft der Bauherr nochmal an, bitte {project} nennen",
    "👍",
    "@{name}: Nachtrag {count} ist dem Grunde nach ok, der Höhe nach nicht.\nBitte mit Herrn Rösler klären.",
)
TASKS = ("Angebot prüfen", "Planstand einpflegen", "Rückruf {name}", "Rechnung {count} anweisen", "Freigabe einholen")
ODD_FILENAMES = (
    "../../etc/passwd",
    "..\\..\\windows\\system32\\x.pdf",
    "CON.pdf",
    "nul",
    "a:b?.pdf",
    "Angebot .pdf. . ",
    "x" * 296 + ".pdf",
    "",
    "Rechnung\u202efdp.exe",
    "Plan.PDF",
    "plan.pdf",
    "Gru\u0308ße.pdf",
    "Grüße.pdf",
    "/absolut.pdf",
    "Zeile\nUmbruch.pdf",
    "~$Kosten.xlsx",
    ".versteckt.pdf",
    "Tab\tim Namen.pdf",
    "Null\x00.pdf",
    "halb\ud83d.pdf",
    "😀🏗.pdf",
)
SMS = ("Bin in 10 Min auf der Baustelle", "Schlüssel liegt beim Hausmeister", "Kran steht still, bitte zurückrufen")
