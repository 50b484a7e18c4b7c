"""Recipes for drawings: floor plans and riser schemes as vector PDFs with frame and title block, walls as DXF.

A drawing is issued again and again: index a, b, c stand beside one another, as on the real share.
"""

from __future__ import annotations

import datetime as dt
from random import Random
from typing import Any, NamedTuple

import pymupdf

from ibhelm_pipelines.demo.model import OfficeFile, Place, Project, german
from ibhelm_pipelines.demo.sheet import BOLD, REGULAR, pdf_bytes
from ibhelm_pipelines.demo.vocabulary import DRAUGHTSMEN, OFFICE_NAME, ROOM_USES, CostGroup

A3 = (1191, 842)  # points, landscape
FRAME = 28
BLOCK_WIDTH, BLOCK_HEIGHT = 330, 128
SYSTEM_COLOURS = {
    410: (0.1, 0.55, 0.2),
    420: (0.85, 0.1, 0.1),
    430: (0.1, 0.3, 0.8),
    434: (0.0, 0.6, 0.75),
    440: (0.8, 0.5, 0.0),
    450: (0.5, 0.2, 0.6),
    480: (0.35, 0.35, 0.35),
}


class Room(NamedTuple):
    """A room of a floor plan: a rectangle in points with its number and use."""

    x: float
    y: float
    width: float
    height: float
    number: str
    use: str


class TitleBlock(NamedTuple):
    """What stands at the lower right of a drawing."""

    project: Project
    group: CostGroup
    place: Place
    title: str
    number: str
    issue: str
    drawn_by: str
    day: dt.date


def _rooms(level: str, rng: Random) -> list[Room]:
    """Two rows of rooms along a corridor."""
    rooms, number = [], 1
    prefix = "U" if level == "UG" else level[0]
    for y, height in ((120.0, 210.0), (380.0, 210.0)):
        x = 90.0
        while x < 960:
            width = min(rng.uniform(80, 190), 1050 - x)
            rooms.append(Room(x, y, width, height, f"{prefix}.{number:02d}", rng.choice(ROOM_USES)))
            x, number = x + width, number + 1
    rooms.append(Room(90, 330, 960, 50, f"{prefix}.00", "Flur"))
    return rooms


def _frame(page: Any, block: TitleBlock) -> None:
    """The border and the title block with the office's stamp."""
    shape = page.new_shape()
    width, height = A3
    shape.draw_rect(pymupdf.Rect(FRAME, FRAME, width - FRAME, height - FRAME))
    left, top = width - FRAME - BLOCK_WIDTH, height - FRAME - BLOCK_HEIGHT
    shape.draw_rect(pymupdf.Rect(left, top, width - FRAME, height - FRAME))
    for row in range(1, 6):
        shape.draw_line((left, top + row * 21), (width - FRAME, top + row * 21))
    shape.finish(width=1.1)
    place = (block.place.building, block.place.level)
    lines = (
        (OFFICE_NAME, BOLD),
        (f"Bauherr: {block.project.site.client}", REGULAR),
        (f"Projekt: {block.project.title}, {block.project.site.street}", REGULAR),
        (" ".join(filter(None, (block.title, *place, "- KGR", str(block.group.number)))), REGULAR),
        (f"Plan-Nr. {block.number}    Index {block.issue}    M 1:50    gez. {block.drawn_by}", BOLD),
        (f"Datum {german(block.day)}    Leistungsphase 5 - Ausführungsplanung", REGULAR),
    )
    for row, (text, font) in enumerate(lines):
        shape.insert_text((left + 6, top + 14.5 + row * 21), text, fontname=font, fontsize=8.5)
    shape.commit()


def _walls(shape: Any, rooms: list[Room]) -> None:
    for room in rooms:
        shape.draw_rect(pymupdf.Rect(room.x, room.y, room.x + room.width, room.y + room.height))
        shape.draw_rect(pymupdf.Rect(room.x + 4, room.y + 4, room.x + room.width - 4, room.y + room.height - 4))
    shape.finish(width=0.9)
    for room in rooms:
        door = pymupdf.Point(room.x + 22, room.y + (room.height if room.y < 300 else 0))
        shape.draw_sector(door, pymupdf.Point(door.x + 24, door.y), 90 if room.y < 300 else -90)
    shape.finish(width=0.4)
    for room in rooms:
        shape.insert_text((room.x + 12, room.y + room.height / 2), room.number, fontname=BOLD, fontsize=8)
        text = f"{room.use} {room.width * room.height / 900:.1f} m²".replace(".", ",")
        shape.insert_text((room.x + 12, room.y + room.height / 2 + 11), text, fontname=REGULAR, fontsize=6.5)


def _pipes(shape: Any, rooms: list[Room], group: CostGroup, rng: Random) -> None:
    """A main along the corridor, with a branch and a terminal for each room."""
    colour = SYSTEM_COLOURS[group.number]
    for offset in (0, 6):
        shape.draw_line((95, 352 + offset), (1045, 352 + offset))
        for room in rooms[:-1]:
            x = room.x + rng.uniform(0.4, 0.8) * room.width
            y = room.y + (20 if room.y < 300 else room.height - 20)
            shape.draw_polyline([(x + offset, 352 + offset), (x + offset, y), (x + 26, y)])
            shape.draw_rect(pymupdf.Rect(x + 26, y - 6, x + 58, y + 6))
    shape.finish(width=1.4, color=colour)
    for room in rooms[:-1]:
        label = f"{group.number} DN {rng.choice((15, 20, 25, 32, 50, 100))}"
        shape.insert_text((room.x + 30, room.y + 40), label, fontname=REGULAR, fontsize=5.5, color=colour)


def _floor_plan(block: TitleBlock, rooms: list[Room], rng: Random) -> bytes:
    document = pymupdf.open()
    page = document.new_page(width=A3[0], height=A3[1])
    shape = page.new_shape()
    _walls(shape, rooms)
    _pipes(shape, rooms, block.group, rng)
    for axis in range(9):
        shape.draw_circle((110 + axis * 115, 80), 11)
        shape.insert_text((107 + axis * 115, 83), "ABCDEFGHI"[axis], fontname=BOLD, fontsize=9)
        shape.draw_line((110 + axis * 115, 91), (110 + axis * 115, 600))
    shape.finish(width=0.25, dashes="[6 3 1 3] 0")
    shape.commit()
    _frame(page, block)
    return pdf_bytes(document, title=f"{block.title} {block.number}", author=block.drawn_by, day=block.day)


def _riser_scheme(block: TitleBlock, levels: tuple[str, ...], rng: Random) -> bytes:
    """Storeys as lines, risers across them, a consumer at each branch."""
    document = pymupdf.open()
    page = document.new_page(width=A3[0], height=A3[1])
    shape = page.new_shape()
    for row, level in enumerate(reversed(levels)):
        shape.draw_line((80, 150 + row * 110), (1090, 150 + row * 110))
        shape.insert_text((50, 146 + row * 110), level, fontname=BOLD, fontsize=10)
    shape.finish(width=0.3, dashes="[8 4] 0")
    bottom = 150 + (len(levels) - 1) * 110
    colour = SYSTEM_COLOURS[block.group.number]
    for riser in range(rng.randrange(4, 8)):
        x = 130 + riser * 128
        shape.draw_line((x, bottom + 40), (x, 130))
        for row in range(len(levels)):
            y = 175 + row * 110
            shape.draw_line((x, y), (x + 60, y))
            shape.draw_circle((x + 70, y), 9)
            shape.insert_text((x + 4, y - 3), f"DN {rng.choice((15, 20, 25, 32))}", fontname=REGULAR, fontsize=6)
        shape.insert_text((x - 12, bottom + 54), f"Strang {riser + 1}", fontname=BOLD, fontsize=7)
    shape.draw_line((130, bottom + 40), (1050, bottom + 40))
    shape.finish(width=1.6, color=colour)
    shape.commit()
    _frame(page, block)
    return pdf_bytes(document, title=f"Strangschema {block.number}", author=block.drawn_by, day=block.day)


def _block(project: Project, rng: Random, title: str) -> TitleBlock:
    group, place = project.cost_group(rng), project.place(rng)
    short = {"Strangschema": "STR", "Grundriss": "GR", "Schlitz- und Durchbruchsplan": "SD"}[title]
    number = f"{project.number}-{group.number}-{short}-{rng.randrange(100, 999)}"
    return TitleBlock(project, group, place, title, number, "a", rng.choice(DRAUGHTSMEN), project.day(rng))


def _plan_file(block: TitleBlock, name: str, data: bytes, *text_tells: str) -> OfficeFile:
    return OfficeFile(
        folder=f"03_Planung/{block.group.folder}",
        name=name,
        data=data,
        kind="Plan",
        day=block.day,
        cost_group=block.group.number,
        place=block.place,
        text_tells=text_tells,
    )


def floor_plan(project: Project, rng: Random) -> list[OfficeFile]:
    """A floor plan in one to three indices, each drawn with other pipes."""
    block = _block(project, rng, rng.choice(("Grundriss", "Schlitz- und Durchbruchsplan")))
    rooms = _rooms(block.place.level or "EG", rng)
    files = []
    for number, letter in enumerate("abc"[: rng.choice((1, 1, 2, 3))]):
        block = block._replace(issue=letter, day=block.day + dt.timedelta(days=number * 21))
        name = f"{block.number} {block.title} {block.place.building} {block.place.level} Index {letter}.pdf"
        data = _floor_plan(block, rooms, rng)
        files.append(_plan_file(block, name, data, "cost_group", "building", "level"))
    return files


def riser_scheme(project: Project, rng: Random) -> list[OfficeFile]:
    """A scheme of all risers of a building."""
    block = _block(project, rng, "Strangschema")
    block = block._replace(place=Place(building=block.place.building))
    levels = ("UG", "EG", "1. OG", "2. OG")
    name = f"Strangschema {block.group.folder.split(' ', 2)[2]} {block.place.building} [{block.number}].pdf"
    return [_plan_file(block, name, _riser_scheme(block, levels, rng), "cost_group", "building")]


def dxf_plan(project: Project, rng: Random) -> list[OfficeFile]:
    """The walls and room numbers of a floor plan as DXF R12, which is plain text."""
    block = _block(project, rng, "Grundriss")
    pairs = [
        "0",
        "SECTION",
        "2",
        "HEADER",
        "9",
        "$ACADVER",
        "1",
        "AC1009",
        "0",
        "ENDSEC",
        "0",
        "SECTION",
        "2",
        "ENTITIES",
    ]
    for room in _rooms(block.place.level or "EG", rng):
        right, low = room.x + room.width, room.y + room.height
        for x1, y1, x2, y2 in (
            (room.x, room.y, right, room.y),
            (right, room.y, right, low),
            (right, low, room.x, low),
            (room.x, low, room.x, room.y),
        ):
            pairs += [
                "0",
                "LINE",
                "8",
                "WAND",
                "10",
                f"{x1:.2f}",
                "20",
                f"{-y1:.2f}",
                "11",
                f"{x2:.2f}",
                "21",
                f"{-y2:.2f}",
            ]
        pairs += ["0", "TEXT", "8", "RAUM", "10", f"{room.x + 10:.2f}", "20", f"{-room.y - 40:.2f}", "40", "9", "1"]
        pairs += [f"{room.number} {room.use}"]
    pairs += ["0", "ENDSEC", "0", "EOF", ""]
    name = f"{block.number} {block.place.building} {block.place.level}.dxf"
    return [_plan_file(block, name, "\r\n".join(pairs).encode("cp1252"))]
