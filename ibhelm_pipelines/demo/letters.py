"""Recipes for what offices write: offers, invoices, minutes, bills of quantities, heat loads, test reports.

All are PDFs with embedded text, up to eight pages long, with firms, persons, the project's number and cost groups.
"""

from __future__ import annotations

import datetime as dt
from random import Random
from typing import NamedTuple

from ibhelm_pipelines.demo.model import OfficeFile, Place, Project, euros, german
from ibhelm_pipelines.demo.sheet import Sheet
from ibhelm_pipelines.demo.vocabulary import (
    AGENDA,
    BOILERPLATE,
    COST_GROUPS,
    FIRM_CONTACTS,
    FIRMS,
    OFFICE_ADDRESS,
    OFFICE_NAME,
    OFFICE_SUBTITLE,
    ROOM_USES,
    STAFF,
    TESTS,
    CostGroup,
)

VAT = 0.19
Positions = list[tuple[str, float, str, float]]  # text, quantity, unit, unit price


def _office_sheet(project: Project, subject: str) -> Sheet:
    return Sheet(sender=OFFICE_NAME, subtitle=OFFICE_SUBTITLE, running_title=f"{project.title} - {subject}")


def _positions(group: CostGroup, count: int, rng: Random) -> Positions:
    positions = []
    for text, unit, price in (rng.choice(group.positions) for _ in range(count)):
        most = 3 if price > 2000 else 40 if unit == "St" else 400  # nobody buys forty chillers
        positions.append((text, float(rng.randrange(1, most)), unit, round(price * rng.uniform(0.86, 1.21), 2)))
    return positions


def _priced(positions: Positions) -> list[list[str]]:
    return [
        [
            f"{number // 10 + 1:02d}.{number % 10 + 1:02d}",
            text,
            euros(quantity),
            unit,
            euros(price),
            euros(quantity * price),
        ]
        for number, (text, quantity, unit, price) in enumerate(positions)
    ]


def _net(positions: Positions) -> float:
    return sum(round(quantity * price, 2) for _, quantity, _, price in positions)


def _price_table(sheet: Sheet, positions: Positions) -> float:
    """Set the positions and their sums; return the gross sum."""
    sheet.table(
        ("Pos.", "Kurztext", "Menge", "Einh.", "EP EUR", "GP EUR"), _priced(positions), (44, 222, 48, 36, 62, 71)
    )
    net = _net(positions)
    for label, amount in (("Summe netto", net), ("zzgl. 19 % USt.", net * VAT), ("Summe brutto", net * (1 + VAT))):
        sheet.line(f"{label}: {euros(amount)} EUR", bold=label == "Summe brutto")
    return net * (1 + VAT)


def _address(sheet: Sheet, lines: tuple[str, ...], place_and_day: str) -> None:
    for line in lines:
        sheet.line(line)
    sheet.gap(16)
    sheet.line(place_and_day)


class Offer(NamedTuple):
    """Who offers what for which project."""

    project: Project
    group: CostGroup
    firm: tuple[str, str, str]
    day: dt.date
    number: str


def offer(project: Project, rng: Random) -> list[OfficeFile]:
    """An offer of a firm, sometimes with the older one that it replaced beside it."""
    group, firm, day = project.cost_group(rng), rng.choice(FIRMS), project.day(rng)
    number = f"A-{day.year}-{rng.randrange(100, 999)}"
    positions = _positions(group, rng.randrange(6, 30), rng)
    stem = f"Angebot {firm[0]} KGR {group.number}"
    facts = Offer(project, group, firm, day, number)
    files = [_offer_file(facts, positions, f"{stem}.pdf")]
    if rng.random() < 0.25:
        dearer = [(text, quantity, unit, round(price * 1.08, 2)) for text, quantity, unit, price in positions]
        earlier = day - dt.timedelta(days=rng.randrange(10, 40))
        files.append(_offer_file(facts._replace(day=earlier), dearer, f"{stem}_alt.pdf"))
    return files


def _offer_file(facts: Offer, positions: Positions, name: str) -> OfficeFile:
    project, group, firm, day, number = facts
    subject = f"Angebot {number}"
    sheet = Sheet(sender=firm[0], subtitle=f"{firm[1]}, {firm[2]}", running_title=f"{subject} - {project.title}")
    _address(
        sheet,
        (OFFICE_NAME, f"z. Hd. {project.lead.name}", *OFFICE_ADDRESS),
        f"{firm[2].split(' ', 1)[1]}, {german(day)}",
    )
    sheet.heading(f"{subject}: {group.title}")
    sheet.line(f"Bauvorhaben: {project.site.name}, {project.site.street}, Berlin - Projekt-Nr. {project.number}")
    sheet.line(f"Kostengruppe {group.number} nach DIN 276")
    sheet.gap(10)
    sheet.paragraph(
        "Sehr geehrte Damen und Herren, wir danken für Ihre Anfrage und bieten Ihnen die nachstehenden Leistungen "
        "freibleibend auf der Grundlage der uns übergebenen Planunterlagen wie folgt an:"
    )
    _price_table(sheet, positions)
    sheet.gap(10)
    for clause in BOILERPLATE[:4]:
        sheet.paragraph(clause)
    sheet.paragraph(f"An dieses Angebot halten wir uns bis zum {german(day + dt.timedelta(days=60))} gebunden.")
    sheet.line("Mit freundlichen Grüßen")
    sheet.line(FIRM_CONTACTS[FIRMS.index(firm)].split()[1])
    data = sheet.finish(title=f"{subject} {project.site.name}", author=firm[0], day=day)
    return OfficeFile(
        folder="01_Verträge/Angebote",
        name=name,
        data=data,
        kind="Angebot",
        day=day,
        cost_group=group.number,
        text_tells=("cost_group",),
    )


def invoice(project: Project, rng: Random) -> list[OfficeFile]:
    """A part invoice of a firm."""
    group, firm, day, count = project.cost_group(rng), rng.choice(FIRMS), project.day(rng), rng.randrange(1, 6)
    number = f"{day.year}{rng.randrange(1000, 9999)}"
    sheet = Sheet(
        sender=firm[0], subtitle=f"{firm[1]}, {firm[2]}", running_title=f"Rechnung {number} - {project.title}"
    )
    _address(sheet, (project.site.client, f"über {OFFICE_NAME}", *OFFICE_ADDRESS), f"Rechnungsdatum: {german(day)}")
    sheet.heading(f"{count}. Abschlagsrechnung Nr. {number}")
    sheet.line(f"Projekt {project.title}, KGR {group.number} {group.title}, Leistungsstand {german(day)}")
    gross = _price_table(sheet, _positions(group, rng.randrange(3, 12), rng))
    sheet.line(f"abzüglich 5 % Sicherheitseinbehalt: {euros(gross * 0.05)} EUR")
    sheet.line(f"Auszahlungsbetrag: {euros(gross * 0.95)} EUR", bold=True)
    sheet.paragraph(
        f"Zahlbar innerhalb von 18 Werktagen nach Prüfung ohne Abzug. Steuernummer 29/{rng.randrange(100, 999)}/05512."
    )
    name = f"{day:%y%m%d}_{count}. AR {firm[0].split()[0]} Nr. {number}.pdf"
    data = sheet.finish(title=f"Rechnung {number}", author=firm[0], day=day)
    return [
        OfficeFile(
            folder="01_Verträge/Rechnungen",
            name=name,
            data=data,
            kind="Rechnung",
            day=day,
            cost_group=group.number,
            text_tells=("cost_group",),
        )
    ]


def _agenda_item(project: Project, rng: Random) -> str:
    return rng.choice(AGENDA).format(
        level=rng.choice(("UG", "EG", "1. OG", "2. OG")),
        axis=f"{rng.choice('ABCDEF')}/{rng.randrange(1, 12)}",
        firm=rng.choice(FIRMS)[0],
        count=rng.randrange(2, 9),
        percent=rng.randrange(12, 58),
        room=project.place(rng, room=True).room,
        system=rng.choice(("Heizung", "Lüftung", "Sanitär", "Kälte")),
    )


def minutes(project: Project, rng: Random) -> list[OfficeFile]:
    """The minutes of a site meeting."""
    day, number = project.day(rng), rng.randrange(1, 48)
    subject = f"Protokoll Jour fixe Nr. {number:02d}"
    sheet = _office_sheet(project, subject)
    sheet.heading(f"{subject} - Technische Gebäudeausrüstung", size=14)
    sheet.line(f"Bauvorhaben: {project.title}    Bauherr: {project.site.client}")
    sheet.line(f"Besprechung am {german(day)}, 10:00 Uhr, Baubüro {project.site.street}")
    people = [(project.lead.name, OFFICE_NAME, "anwesend")]
    people += [
        (FIRM_CONTACTS[i], FIRMS[i][0], rng.choice(("anwesend", "entschuldigt"))) for i in rng.sample(range(8), 4)
    ]
    sheet.heading("Teilnehmer")
    sheet.table(("Name", "Firma", "Teilnahme"), people, (150, 240, 93))
    sheet.heading("Besprechungspunkte")
    rows = []
    for index in range(rng.randrange(8, 26)):
        due = german(day + dt.timedelta(days=rng.randrange(3, 30)))
        rows.append((f"{number}.{index + 1:02d}", _agenda_item(project, rng), rng.choice(FIRMS)[0].split()[0], due))
    sheet.table(("TOP", "Inhalt", "Wer", "Termin"), rows, (44, 284, 90, 65))
    sheet.paragraph("Einwände gegen dieses Protokoll sind innerhalb von einer Woche schriftlich mitzuteilen.")
    sheet.line(f"Aufgestellt: {project.lead.name}, Berlin, {german(day + dt.timedelta(days=2))}")
    data = sheet.finish(title=f"{subject} {project.title}", author=project.lead.name, day=day)
    name = f"{day:%Y-%m-%d} {subject}.pdf"
    return [OfficeFile(folder="04_Protokolle/Jour fixe", name=name, data=data, kind="Protokoll", day=day)]


def bill_of_quantities(project: Project, rng: Random) -> list[OfficeFile]:
    """A bill of quantities without prices, with long texts over several pages."""
    group, day = project.cost_group(rng), project.day(rng)
    sheet = _office_sheet(project, f"LV KGR {group.number}")
    sheet.heading("Leistungsverzeichnis", size=16)
    sheet.heading(f"KGR {group.number} {group.title}")
    sheet.line(f"Projekt {project.title}, Bauherr: {project.site.client}")
    sheet.heading("Vorbemerkungen")
    for clause in BOILERPLATE:
        sheet.paragraph(clause)
    for title in range(1, rng.randrange(3, 6)):
        sheet.heading(
            f"Titel {title:02d} {rng.choice(('Anlagen', 'Leitungen', 'Einbauteile', 'Regelung', 'Stundenlohn'))}"
        )
        rows = []
        for index, (text, quantity, unit, _) in enumerate(_positions(group, rng.randrange(6, 14), rng), 1):
            long_text = f"{text}. Liefern, montieren und betriebsfertig anschließen. {rng.choice(BOILERPLATE)}"
            rows.append((f"{title:02d}.{index:02d}", long_text, euros(quantity), unit, "........", "........"))
        sheet.table(("OZ", "Leistung", "Menge", "Einh.", "EP", "GP"), rows, (44, 260, 52, 37, 45, 45))
    name = f"LV_{project.number}_KGR{group.number}_{group.title.split(',')[0].split()[0]}.pdf"
    data = sheet.finish(title=f"LV {group.title}", author=project.lead.name, day=day)
    return [
        OfficeFile(
            folder="06_LV und Vergabe",
            name=name,
            data=data,
            kind="LV",
            day=day,
            cost_group=group.number,
            text_tells=("cost_group",),
        )
    ]


def heat_load(project: Project, rng: Random) -> list[OfficeFile]:
    """A heat load calculation, room by room."""
    day, building = project.day(rng), rng.choice(project.site.buildings)
    sheet = _office_sheet(project, "Heizlastberechnung")
    sheet.heading("Heizlastberechnung nach DIN EN 12831-1", size=14)
    sheet.line(f"Projekt {project.title}, {building}, KGR 420 Wärmeversorgungsanlagen")
    sheet.line("Norm-Außentemperatur Berlin: -11,9 °C    Wärmebrückenzuschlag: 0,05 W/(m²K)")
    rows, total = [], 0.0
    for index in range(rng.randrange(22, 90)):
        area, specific = rng.uniform(4, 62), rng.uniform(31, 78)
        total += area * specific
        room = f"{index // 18}.{index % 18 + 1:02d}"
        inside = rng.choice(("20", "20", "22", "24", "15"))
        rows.append((room, rng.choice(ROOM_USES), euros(area), inside, euros(specific), euros(area * specific)))
    sheet.table(("Raum", "Nutzung", "A in m²", "Ti in °C", "W/m²", "Phi HL in W"), rows, (60, 143, 70, 60, 70, 80))
    sheet.line(f"Norm-Heizlast des Gebäudes: {euros(total / 1000)} kW", bold=True)
    sheet.paragraph("Die U-Werte sind dem Wärmeschutznachweis entnommen. Aufheizzuschläge sind nicht vereinbart.")
    data = sheet.finish(title=f"Heizlast {project.title} {building}", author=rng.choice(STAFF).name, day=day)
    name = f"Heizlastberechnung {building} {day:%Y-%m-%d}.pdf"
    place = Place(building=building)
    return [
        OfficeFile(
            folder="07_Berechnungen",
            name=name,
            data=data,
            kind="Berechnung",
            day=day,
            cost_group=420,
            place=place,
            text_tells=("cost_group", "building"),
        )
    ]


def test_report(project: Project, rng: Random) -> list[OfficeFile]:
    """The protocol of a pressure, tightness or function test, with its measurements."""
    title, unit, target, group = rng.choice(TESTS)
    day, place, firm = project.day(rng), project.place(rng), rng.choice(FIRMS)
    sheet = Sheet(sender=firm[0], subtitle=f"{firm[1]}, {firm[2]}", running_title=f"Prüfprotokoll - {project.title}")
    sheet.heading("Prüfprotokoll", size=16)
    sheet.line(title, bold=True)
    sheet.line(f"Projekt {project.title}, {place.building}, {place.level}, KGR {group}")
    tester = FIRM_CONTACTS[FIRMS.index(firm)]
    sheet.line(f"Prüfer: {tester}    Prüfdatum: {german(day)}    Messgerät: Nr. {rng.randrange(1000, 9999)}")
    sheet.gap(10)
    rows = []
    for index in range(rng.randrange(8, 40)):
        value = target * rng.uniform(0.93, 1.3)
        verdict = "in Ordnung" if value >= target else "Mangel, nachgearbeitet"
        rows.append(
            (f"{index + 1}", f"Strang {index // 4 + 1} / {index % 4 + 1}", euros(target), euros(value), unit, verdict)
        )
    sheet.table(("Nr.", "Prüfabschnitt", "Soll", "Ist", "Einheit", "Ergebnis"), rows, (36, 130, 65, 65, 55, 132))
    sheet.paragraph(
        "Die Prüfung wurde ohne sichtbare Undichtigkeiten bestanden. Mängel wurden sofort beseitigt und erneut geprüft."
    )
    sheet.line("Unterschrift Auftragnehmer: ____________________      Bauüberwachung: ____________________")
    name = f"Prüfprotokoll {title.split(' nach')[0]} {place.building} {place.level}.pdf"
    data = sheet.finish(title=title, author=firm[0], day=day)
    return [
        OfficeFile(
            folder=f"08_Abnahme/{place.folder}",
            name=name,
            data=data,
            kind="Prüfprotokoll",
            day=day,
            cost_group=group,
            place=place,
            text_tells=("cost_group", "building", "level"),
        )
    ]


def supplement(project: Project, rng: Random) -> list[OfficeFile]:
    """A supplement (Nachtrag) with the office's verdict on it."""
    group, firm, day, number = rng.choice(COST_GROUPS), rng.choice(FIRMS), project.day(rng), rng.randrange(1, 12)
    sheet = _office_sheet(project, f"Nachtrag {number:02d}")
    sheet.heading(f"Prüfung Nachtrag {number:02d} - {firm[0]}", size=14)
    sheet.line(f"Projekt {project.title}, KGR {group.number} {group.title}, Eingang {german(day)}")
    sheet.paragraph(_agenda_item(project, rng))
    _price_table(sheet, _positions(group, rng.randrange(2, 7), rng))
    sheet.paragraph(
        "Dem Grunde nach anerkannt gemäß § 2 Abs. 6 VOB/B; der Höhe nach auf Basis der Urkalkulation geprüft."
    )
    name = f"Nachtrag {number:02d} {firm[0].split()[0]} (geprüft).pdf"
    data = sheet.finish(title=f"Nachtrag {number:02d}", author=project.lead.name, day=day)
    return [
        OfficeFile(
            folder="01_Verträge/Nachträge",
            name=name,
            data=data,
            kind="Nachtrag",
            day=day,
            cost_group=group.number,
            text_tells=("cost_group",),
        )
    ]
