"""Names, numbers and phrases of the made-up office.

Persons, firms and buildings are invented; cost groups are those of DIN 276; what documents say is what such documents
say. Plain data, no logic, so that whoever finds the office unbelievable knows where to look.
"""

from __future__ import annotations

from typing import NamedTuple

OFFICE_NAME = "Ingenieurbüro Helm GmbH"
OFFICE_SUBTITLE = "Technische Gebäudeausrüstung - Planung und Bauüberwachung"
OFFICE_ADDRESS = ("Fasanenweg 12", "12459 Berlin")
OFFICE_MAIL_DOMAIN = "ib-helm.example"


class Staff(NamedTuple):
    """Someone who works in the office; the initials end the names of the projects that they lead."""

    name: str
    initials: str


class CostGroup(NamedTuple):
    """A cost group of DIN 276 with the name of its folder in a project, and what is offered and built in it."""

    number: int
    title: str
    folder: str
    positions: tuple[tuple[str, str, float], ...]  # text, unit, price in EUR


class Site(NamedTuple):
    """A building project and who pays for it."""

    name: str
    client: str
    street: str
    buildings: tuple[str, ...]


STAFF = (
    Staff("Martina Köhler", "MK"),
    Staff("Henrik Schäfer", "HS"),
    Staff("Tomasz Baranowski", "TB"),
    Staff("Özlem Aydin", "OeA"),
)
DRAUGHTSMEN = ("J. Krüger", "S. Voß", "A. Wojcik", "P. Thür")

SITES = (
    Site("Kita Lindenhof", "Bezirksamt Lichtenhain, SE Facility Management", "Lindenallee 4", ("Haus A",)),
    Site("DESY San-Heiz", "Forschungsverbund Süd e. V.", "Platanenring 6", ("Geb. 3", "Geb. 7")),
    Site("Rathaus Köpenick", "Bezirksamt Treptow-Süd", "Alter Markt 21", ("Altbau", "Neubau")),
    Site(
        "Grundschule am Weißen See",
        "Bezirksamt Pankow-Ost, Schulamt",
        "Seestraße 88",
        ("Haus A", "Haus B", "Turnhalle"),
    ),
    Site("Labor Adlershof", "Biotechpark Entwicklungs GmbH", "Rudower Weg 17", ("Laborbau",)),
    Site("HZB Kälte", "Helmzentrum Berlin gGmbH", "Kekuléstraße 5", ("Kältezentrale", "Halle 2")),
    Site("Wohnpark Müggelsee", "Seeblick Wohnungsbau eG", "Uferpromenade 31-39", ("Haus A", "Haus B", "Haus C")),
    Site("Charité Süd [Umbau]", "Klinikverbund Süd AöR", "Hindenburgdamm 30", ("Bettenhaus", "Funktionstrakt")),
    Site(
        "Bürohaus Schöneberg", "Spree Grund Immobilien GmbH & Co. KG", "Hauptstraße 117", ("Vorderhaus", "Hofgebäude")
    ),
    Site("Feuerwache Nord", "Landesamt für Gefahrenabwehr", "Germanenstraße 2", ("Fahrzeughalle", "Wachgebäude")),
    Site("Museumshöfe", "Stiftung Stadtgeschichte", "Am Kupfergraben 9", ("Depot", "Ausstellung")),
    Site("Klinikum Buch (BA 2)", "Klinikum Nordost gGmbH", "Schwanebecker Chaussee 50", ("Haus 1", "Haus 4")),
)

LEVELS = ("UG", "EG", "1. OG", "2. OG", "DG")
ROOM_USES = (
    "Büro",
    "Flur",
    "WC Herren",
    "WC Damen",
    "Technik",
    "Teeküche",
    "Besprechung",
    "Lager",
    "Gruppenraum",
    "Labor",
)

FIRMS = (
    ("Wärmetechnik Brandt GmbH", "Industriestraße 14", "15366 Hoppegarten"),
    ("Lüftungsbau Özdemir & Söhne", "Köpenicker Landstraße 210", "12437 Berlin"),
    ("Sanitär Groß KG", "Gewerbepark 3", "16321 Bernau"),
    ("Elektro Kühnel GmbH", "Siemensdamm 88", "13629 Berlin"),
    ("KMR Kälte- und Klimaanlagenbau GmbH", "Am Güterbahnhof 7", "15562 Rüdersdorf"),
    ("Gebäudeautomation Weiß AG", "Wilhelmstraße 45", "10117 Berlin"),
    ("Dämmtechnik Fröhlich", "Straße der Einheit 2", "15711 Königs Wusterhausen"),
    ("Rohrleitungsbau Märkisch GmbH", "Chausseestraße 19", "14943 Luckenwalde"),
)
FIRM_CONTACTS = (
    "Frau Brandt",
    "Herr Özdemir",
    "Frau Groß",
    "Herr Kühnel",
    "Herr Rösler",
    "Frau Weiß",
    "Herr Fröhlich",
    "Frau Jahn",
)

_SANITARY = (
    ("Trinkwasserleitung Edelstahl 1.4401, Pressverbindung, DN 25", "m", 41.80),
    ("Wand-WC, tiefspülend, weiß, mit Unterputz-Spülkasten", "St", 486.00),
    ("Waschtisch 60 x 46 cm mit Einhebelmischer", "St", 372.50),
    ("Abwasserleitung SML DN 100 einschl. Formstücke", "m", 63.40),
    ("Hygienespülung mit Temperaturfühler, BUS-fähig", "St", 1180.00),
    ("Rückspülfilter mit Druckminderer DN 50", "St", 914.20),
)
_HEATING = (
    ("Gas-Brennwertkessel 120 kW, Kaskade, einschl. Regelung", "St", 14870.00),
    ("Luft-Wasser-Wärmepumpe 45 kW, schallgedämmt, Außenaufstellung", "St", 32450.00),
    ("Plattenheizkörper Typ 22, 600 x 1200 mm, mit Thermostatventil", "St", 318.60),
    ("Stahlrohr nahtlos DN 50, geschweißt, grundiert", "m", 52.90),
    ("Umwälzpumpe, elektronisch geregelt, DN 40", "St", 1265.00),
    ("Strangregulierventil DN 32 mit Messnippeln", "St", 148.30),
    ("Pufferspeicher 1000 l mit Schichtladelanze", "St", 2790.00),
)
_AIR = (
    ("Zentrallüftungsgerät 8.500 m³/h mit Rotationswärmerückgewinnung", "St", 41200.00),
    ("Luftkanal verzinkt, Kantenlänge bis 1.000 mm", "m²", 58.70),
    ("Wickelfalzrohr DN 250 einschl. Formstücke", "m", 37.20),
    ("Brandschutzklappe K90, motorisch, 400 x 300 mm", "St", 742.00),
    ("Volumenstromregler variabel DN 200", "St", 563.40),
    ("Drallauslass 600 x 600 mm mit Anschlusskasten", "St", 214.90),
    ("Schalldämpfer rechteckig, Kulisse 200 mm, l = 1,5 m", "St", 688.00),
)
_COOLING = (
    ("Kaltwassersatz luftgekühlt 180 kW, Kältemittel R290", "St", 88400.00),
    ("Deckensegel Kühlen/Heizen 2,4 m²", "St", 694.00),
    ("Kaltwasserleitung DN 65, diffusionsdicht gedämmt", "m", 96.50),
    ("Umluftkühlgerät 6 kW mit Kondensatpumpe", "St", 2380.00),
    ("Rückkühler 240 kW, adiabatisch", "St", 51900.00),
)
_POWER = (
    ("NYM-J 5 x 2,5 mm² in vorhandenem Kanal", "m", 3.95),
    ("Niederspannungshauptverteilung 400 A, typgeprüft", "St", 18600.00),
    ("Unterverteilung 4-reihig, IP 44", "St", 1240.00),
    ("LED-Einbauleuchte 4.000 K, DALI", "St", 187.00),
    ("Kabelrinne 300 mm mit Trennsteg", "m", 42.10),
)
_ALARM = (
    ("Brandmeldezentrale, 4 Ringe, nach DIN 14675", "St", 9650.00),
    ("Datenleitung Cat 7 AWG 23, duplex", "m", 2.35),
    ("Optischer Rauchmelder mit Sockel", "St", 96.40),
    ("19-Zoll-Verteiler 42 HE", "St", 1580.00),
)
_AUTOMATION = (
    ("Automationsstation BACnet/IP, 64 Datenpunkte", "St", 4720.00),
    ("Feldgerät Raumtemperaturfühler, Aufputz", "St", 84.50),
    ("Inbetriebnahme und Datenpunkttest je Datenpunkt", "DP", 18.90),
    ("Schaltschrank MSR 2000 x 800 x 400 mm", "St", 6890.00),
    ("Managementbedieneinrichtung, Anlagenbild", "St", 640.00),
)

COST_GROUPS = (
    CostGroup(410, "Abwasser-, Wasser-, Gasanlagen", "KGR 410 Sanitär", _SANITARY),
    CostGroup(420, "Wärmeversorgungsanlagen", "KGR 420 Heizung", _HEATING),
    CostGroup(430, "Raumlufttechnische Anlagen", "KGR 430 Lüftung", _AIR),
    CostGroup(434, "Kälteanlagen", "KGR 434 Kälte", _COOLING),
    CostGroup(440, "Elektrische Anlagen", "KGR 440 Elektro", _POWER),
    CostGroup(450, "Kommunikationstechnische Anlagen", "KGR 450 Fernmelde- und Sicherheitstechnik", _ALARM),
    CostGroup(480, "Gebäude- und Anlagenautomation", "KGR 480 Automation", _AUTOMATION),
)

AGENDA = (
    "Die Schlitz- und Durchbruchsplanung für {level} liegt vor und wurde dem Tragwerksplaner zur Freigabe übergeben.",
    "Die Brandschutzklappen in der Achse {axis} sind nicht zugänglich. Revisionsöffnungen 40 x 40 cm nachrüsten.",
    "Das Angebot der Firma {firm} für den Nachtrag {count} wurde geprüft; die Mengen sind um {percent} % zu hoch.",
    "Der Bauherr wünscht im Raum {room} eine zusätzliche Kühlung. Das IB Helm prüft die Lastannahmen.",
    "Die Spülung der Trinkwasserleitungen nach VDI 6023 ist vor der Inbetriebnahme zu protokollieren.",
    "Der Terminplan wurde fortgeschrieben. Die Rohmontage {system} verschiebt sich um {count} Wochen.",
    "Die Steigleitungen in Schacht S{count} kollidieren mit der Kabeltrasse. Klärung bis zum nächsten Jour fixe.",
    "Der hydraulische Abgleich nach Verfahren B ist für alle Stränge nachzuweisen; Protokolle sind vorzulegen.",
    "Die Dämmstärken in {level} entsprechen nicht dem GEG. Die Firma {firm} bessert bis zum genannten Termin nach.",
    "Bemusterung der Sanitärobjekte ist erfolgt. Freigabe des Bauherrn liegt schriftlich vor.",
    "Die Schallmessung an der Außeneinheit ergab {percent} dB(A) am Immissionsort; der Grenzwert ist eingehalten.",
    "Die Wand- und Deckendurchführungen sind zu beschildern. Muster siehe Anlage {count}.",
    "Für die Technikzentrale fehlt die statische Freigabe der Gerätesockel (Betriebsgewicht {percent}0 kg).",
    "Die GA-Funktionsliste wurde abgestimmt. Offen sind {count} Datenpunkte der Lüftung.",
)

BOILERPLATE = (
    "Es gelten die VOB/B und VOB/C in der bei Auftragserteilung gültigen Fassung.",
    "Die angegebenen Massen sind am Bau zu prüfen. Abweichungen sind der Bauüberwachung schriftlich anzuzeigen.",
    "Alle Leitungen sind nach DIN 4140 und den Vorgaben des Gebäudeenergiegesetzes zu dämmen.",
    "Durchdringungen von Bauteilen mit Feuerwiderstand sind nach MLAR zu schotten und zu kennzeichnen.",
    "Die Dokumentation ist in zweifacher Ausfertigung in Papierform und digital (PDF, DWG, GAEB) zu übergeben.",
    "Einbringöffnungen und Transportwege sind vor der Bestellung der Geräte örtlich zu prüfen.",
    "Die Inbetriebnahme erfolgt durch den Werkskundendienst im Beisein der Bauüberwachung.",
)

TESTS = (
    ("Druckprüfung Trinkwasser nach ZVSHK-Merkblatt", "bar", 15.0, 410),
    ("Dichtheitsprüfung Heizung nach DIN EN 14336", "bar", 6.0, 420),
    ("Luftdichtheit Kanalnetz nach DIN EN 1507, Klasse C", "Pa", 400.0, 430),
    ("Funktionsprüfung Brandschutzklappen", "s", 25.0, 430),
    ("Druckprüfung Kältekreis mit Stickstoff", "bar", 28.0, 434),
    ("Isolationswiderstand nach DIN VDE 0100-600", "MOhm", 500.0, 440),
)

NOTES = (
    "Bestand aufgenommen, Fotos liegen im Ordner. Leitungsführung in der Abhangdecke weicht vom Bestandsplan ab.",
    "Telefonat mit der Bauleitung: Zugang nur mit Voranmeldung, Schlüssel beim Hausmeister.",
    "Pumpe P2 läuft dauerhaft auf Stufe 3, Regler nachstellen lassen.",
    "Kernbohrungen DN 160 in Achse C/4 freigegeben.",
    "Wasserzähler getauscht, Zählerstand notiert. Bitte in die Liste übernehmen.",
    "Nachtrag nur dem Grunde nach anerkannt; Höhe prüfen.",
)
