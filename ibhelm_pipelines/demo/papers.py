"""Recipes for everyday files: Office documents, notes, lists, exports and mails."""

from __future__ import annotations

import csv
import datetime as dt
import io
from email.message import EmailMessage
from email.utils import format_datetime
from random import Random
from xml.sax.saxutils import escape

from ibhelm_pipelines.demo import letters, ooxml
from ibhelm_pipelines.demo.model import OfficeFile, Place, Project, german
from ibhelm_pipelines.demo.vocabulary import (
    COST_GROUPS,
    FIRM_CONTACTS,
    FIRMS,
    NOTES,
    OFFICE_MAIL_DOMAIN,
    OFFICE_NAME,
    ROOM_USES,
)


def memo(project: Project, rng: Random) -> list[OfficeFile]:
    """A file note as a Word document."""
    day, group = project.day(rng), project.cost_group(rng)
    text = [f"Aktennotiz {project.title}", f"Datum: {german(day)}", f"Betreff: KGR {group.number} {group.title}"]
    text += [*rng.sample(NOTES, 3), f"Gez. {project.lead.name}, {OFFICE_NAME}"]
    data = ooxml.docx(text, author=project.lead.name, day=day)
    name = f"{day:%Y-%m-%d} Aktennotiz KGR {group.number} Nr. {rng.randrange(1, 99)}.docx"
    return [
        OfficeFile(
            folder="09_Schriftverkehr",
            name=name,
            data=data,
            kind="Aktennotiz",
            day=day,
            cost_group=group.number,
            text_tells=("cost_group",),
        )
    ]


def cost_estimate(project: Project, rng: Random) -> list[OfficeFile]:
    """A cost estimate by cost groups as an Excel workbook."""
    day = project.day(rng)
    rows: list[list[str | float]] = [["KGR", "Bezeichnung", "Kosten netto EUR"]]
    rows += [[float(group.number), group.title, float(rng.randrange(8_000, 640_000))] for group in COST_GROUPS]
    data = ooxml.xlsx(rows, sheet="Kosten", author=project.lead.name, day=day)
    name = f"Kostenberechnung DIN 276 {project.number} Stand {day:%Y-%m-%d}.xlsx"
    numbers = tuple(group.number for group in COST_GROUPS)
    folder, kind = "07_Berechnungen", "Kostenberechnung"
    return [OfficeFile(folder=folder, name=name, data=data, kind=kind, day=day, mentions=numbers)]


def talk(project: Project, rng: Random) -> list[OfficeFile]:
    """A presentation for the client."""
    day = project.day(rng)
    slides = [(f"{project.title} - Entwurf TGA", [project.site.client, german(day)])]
    groups = rng.sample(COST_GROUPS, 3)
    slides += [(group.title, [text for text, _, _ in group.positions[:4]]) for group in groups]
    data = ooxml.pptx(slides, author=project.lead.name, day=day)
    name = f"Präsentation Bauherr {day:%y-%m-%d}.pptx"
    numbers = tuple(group.number for group in groups)
    folder, kind = "00_Projektorganisation", "Präsentation"
    return [OfficeFile(folder=folder, name=name, data=data, kind=kind, day=day, mentions=numbers)]


def note(project: Project, rng: Random) -> list[OfficeFile]:
    """A note as plain text in one of the encodings that a share holds, or as Markdown."""
    day, place = project.day(rng), project.place(rng)
    text = (
        f"{project.title}, {place.building} {place.level}, {german(day)}\n\n" + "\n".join(rng.sample(NOTES, 3)) + "\n"
    )
    if rng.random() < 0.3:
        name, data = (
            f"Notizen {day:%Y-%m-%d}.md",
            f"# Begehung\n\n{text}\n- [ ] Rückmeldung an die Bauleitung\n".encode(),
        )
    else:
        encoding = rng.choice(("utf-8", "utf-8-sig", "cp1252", "utf-16"))
        name, data = f"Notiz {place.level} {rng.randrange(1000):03d}.txt", text.replace("\n", "\r\n").encode(encoding)
    tells = ("building", "level")
    return [OfficeFile(folder="IBH-INBOX", name=name, data=data, kind="Notiz", day=day, place=place, text_tells=tells)]


def room_list(project: Project, rng: Random) -> list[OfficeFile]:
    """A list of rooms as CSV with semicolons, as German Excel writes it."""
    day, building = project.day(rng), rng.choice(project.site.buildings)
    buffer = io.StringIO()
    writer = csv.writer(buffer, delimiter=";")
    writer.writerow(("Raum", "Nutzung", "Fläche m²", "Temperatur °C"))
    for index in range(rng.randrange(20, 120)):
        area = f"{rng.uniform(4, 70):.2f}".replace(".", ",")
        writer.writerow(
            (f"{index // 18}.{index % 18 + 1:02d}", rng.choice(ROOM_USES), area, rng.choice((15, 20, 22, 24)))
        )
    name = f"Raumliste {building} {day:%Y%m%d}.csv"
    data = buffer.getvalue().encode("cp1252")
    place = Place(building=building)
    return [OfficeFile(folder="02_Grundlagen", name=name, data=data, kind="Liste", day=day, place=place)]


def export(project: Project, rng: Random) -> list[OfficeFile]:
    """What programs write: a report as HTML or a bill of quantities as XML."""
    day, group = project.day(rng), project.cost_group(rng)
    items = [(text, unit) for text, unit, _ in group.positions]
    is_report = rng.random() < 0.5
    if is_report:
        rows = "".join(f"<tr><td>{escape(text)}</td><td>{escape(unit)}</td></tr>" for text, unit in items)
        text = (
            f"<!doctype html><html lang=de><head><meta charset=utf-8><title>Bauteile {escape(project.title)}</title>"
            f"<style>td{{border:1px solid}}</style></head><body><h1>Bauteilliste KGR {group.number}</h1>"
            f"<table>{rows}</table></body></html>"
        )
        name = f"Export Bauteilliste KGR {group.number} {day:%Y%m%d}.html"
    else:
        rows = "".join(
            f'<Item ID="{i}"><Text>{escape(text)}</Text><QU>{escape(unit)}</QU></Item>'
            for i, (text, unit) in enumerate(items)
        )
        text = (
            f'<?xml version="1.0" encoding="UTF-8"?>\n<GAEB xmlns="http://www.gaeb.de/GAEB_DA_XML/DA83/3.2"><PrjInfo><LblPrj>'
            f"{escape(project.title)}</LblPrj></PrjInfo><Award><DP>83</DP>{rows}</Award></GAEB>\n"
        )
        name = f"{project.number}_KGR{group.number}_{rng.randrange(100)}.xml"
    return [
        OfficeFile(
            folder="06_LV und Vergabe",
            name=name,
            data=text.encode(),
            kind="Export",
            day=day,
            cost_group=group.number,
            text_tells=("cost_group",) if is_report else (),
        )
    ]


def mail(project: Project, rng: Random) -> list[OfficeFile]:
    """A mail that someone dragged from the mail program, at times with a PDF attached."""
    day, firm = project.day(rng), rng.randrange(len(FIRMS))
    attached = letters.supplement(project, rng)[0] if rng.random() < 0.5 else None
    message = EmailMessage()
    message["From"] = f"{FIRM_CONTACTS[firm]} <firma{firm}@auftragnehmer.example>"
    message["To"] = f"{project.lead.name} <{project.lead.initials.lower()}@{OFFICE_MAIL_DOMAIN}>"
    message["Subject"] = f"{project.title}: Rückfrage Ausführung"
    message["Date"] = format_datetime(dt.datetime.combine(day, dt.time(11, rng.randrange(60)), dt.UTC))
    message["Message-ID"] = f"<{project.number}.{rng.randrange(10**9)}@auftragnehmer.example>"
    message.set_content(
        f"Guten Tag,\n\n{rng.choice(NOTES)}\n\nMit freundlichen Grüßen\n{FIRM_CONTACTS[firm]}\n{FIRMS[firm][0]}\n"
    )
    if attached is not None:
        message.add_attachment(attached.data, maintype="application", subtype="pdf", filename=attached.name)
        message.set_boundary(f"----=_{project.number}_{rng.randrange(10**9)}")  # a random one otherwise
    name = f"{day:%Y-%m-%d} AW {project.site.name} Rückfrage {rng.randrange(100)}.eml"
    return [OfficeFile(folder="09_Schriftverkehr", name=name, data=message.as_bytes(), kind="E-Mail", day=day)]
