"""Recipes for pictures: site photos with EXIF data, scans of paper as image-only PDFs and fax TIFFs, screenshots.

The photos are drawn, not taken, but have what a preview must cope with: megapixels, noise, and a camera held sideways
whose orientation stands in the EXIF data only.
"""

from __future__ import annotations

import datetime as dt
import io
from functools import cache
from random import Random

import pymupdf
from PIL import Image, ImageDraw, ImageFilter

from ibhelm_pipelines.demo import letters
from ibhelm_pipelines.demo.model import OfficeFile, Project, german

PHOTO_SIZE = (2000, 1500)  # 3 megapixels
CANVAS_SIZE = (1000, 750)
SCAN_DPI = 110
EXIF_ORIENTATION, EXIF_MAKE, EXIF_MODEL, EXIF_TIME = 0x0112, 0x010F, 0x0110, 0x0132
# Orientation tag: degrees by which the pixels lie turned (counter-clockwise) so that a viewer that obeys it is right.
HELD = {1: 0, 3: 180, 6: 90, 8: 270}
PHOTO_NOTES = (
    "Technikzentrale",
    "Schacht",
    "Abhangdecke",
    "Heizkreisverteiler",
    "Brandschutzklappe",
    "Kernbohrung",
    "Mangel Dämmung",
)


@cache
def _noise(size: tuple[int, int], mode: str) -> Image.Image:
    """Grain for all pictures of this size; the same one each time."""
    return Image.frombytes("L", size, Random(size[0]).randbytes(size[0] * size[1])).convert(mode)


def _pipe(
    draw: ImageDraw.ImageDraw, start: tuple[int, int], end: tuple[int, int], colour: tuple[int, int, int]
) -> None:
    """A pipe that shines in the middle: ever thinner and lighter lines on top of each other."""
    for step in range(8):
        shade = tuple(min(255, int(part * (0.55 + 0.09 * step))) for part in colour)
        draw.line([start, end], fill=shade, width=44 - 5 * step)


def _plant_room(rng: Random) -> Image.Image:
    """A wall, a floor, pipes along and down the wall, valves and a grey box."""
    width, height = CANVAS_SIZE
    wall = rng.randrange(140, 205)
    picture = Image.linear_gradient("L").resize(CANVAS_SIZE).point(lambda value: wall - value // 4).convert("RGB")
    draw = ImageDraw.Draw(picture)
    floor = height - rng.randrange(90, 180)
    draw.rectangle((0, floor, width, height), fill=(96, 92, 88))
    for _ in range(rng.randrange(3, 7)):
        colour = rng.choice(((190, 60, 50), (70, 110, 190), (150, 150, 155), (200, 160, 60), (60, 140, 90)))
        y, x = rng.randrange(60, floor - 80), rng.randrange(60, width - 60)
        _pipe(draw, (0, y), (width, y), colour)
        _pipe(draw, (x, y), (x, floor), colour)
        draw.ellipse((x - 34, y - 34, x + 34, y + 34), fill=(40, 40, 44), outline=(15, 15, 15), width=4)
    left, top = rng.randrange(100, 700), rng.randrange(200, 400)
    draw.rectangle((left, top, left + 210, floor + 20), fill=(205, 205, 200), outline=(90, 90, 90), width=3)
    draw.text(
        (left + 20, top + 20), f"{rng.choice(('HKV', 'RLT', 'UV', 'KWS'))} {rng.randrange(1, 9)}", fill=(20, 20, 20)
    )
    return picture


def _photograph(rng: Random) -> Image.Image:
    picture = _plant_room(rng).filter(ImageFilter.GaussianBlur(1)).resize(PHOTO_SIZE, Image.Resampling.BILINEAR)
    return Image.blend(picture, _noise(PHOTO_SIZE, "RGB"), 0.06)


def _jpeg(picture: Image.Image, orientation: int, taken: dt.datetime) -> bytes:
    exif = Image.Exif()
    exif[EXIF_ORIENTATION] = orientation
    exif[EXIF_MAKE], exif[EXIF_MODEL], exif[EXIF_TIME] = "Kamera", "Baustelle 3", f"{taken:%Y:%m:%d %H:%M:%S}"
    buffer = io.BytesIO()
    turned = picture.rotate(HELD[orientation], expand=True) if orientation != 1 else picture
    turned.save(buffer, "JPEG", quality=82, exif=exif)
    return buffer.getvalue()


def photos(project: Project, rng: Random) -> list[OfficeFile]:
    """One to three photos of a room, some taken with the camera held sideways."""
    day, place, first = project.day(rng), project.place(rng, room=True), rng.randrange(1000, 9900)
    files = []
    for number in range(rng.choice((1, 1, 2, 3))):
        taken = dt.datetime.combine(day, dt.time(9, rng.randrange(60), rng.randrange(60)))
        name = (
            f"IMG_{day:%Y%m%d}_{first + number}.jpg"
            if rng.random() < 0.6
            else f"{rng.choice(PHOTO_NOTES)} {first + number}.JPG"
        )
        data = _jpeg(_photograph(rng), rng.choice(tuple(HELD)), taken)
        files.append(
            OfficeFile(folder=f"05_Fotos/{place.folder}", name=name, data=data, kind="Foto", day=day, place=place)
        )
    return files


def _scanned(page: pymupdf.Page, rng: Random) -> Image.Image:
    """A page as a worn office scanner sees it: a little askew, grey and noisy."""
    pixels = page.get_pixmap(dpi=SCAN_DPI, colorspace=pymupdf.csGRAY)
    picture = Image.frombytes("L", (pixels.width, pixels.height), pixels.samples)
    picture = picture.rotate(rng.uniform(-1.6, 1.6), resample=Image.Resampling.BILINEAR, fillcolor=244)
    return Image.blend(picture, _noise(picture.size, "L"), 0.10)


def scan(project: Project, rng: Random) -> list[OfficeFile]:
    """A paper of the project that came by post: pages without any text behind them."""
    original = rng.choice((letters.minutes, letters.test_report, letters.supplement))(project, rng)[0]
    with pymupdf.open(stream=original.data) as paper, pymupdf.open() as document:
        for page in paper:
            buffer = io.BytesIO()
            _scanned(page, rng).save(buffer, "JPEG", quality=60)
            document.new_page(width=page.rect.width, height=page.rect.height).insert_image(
                page.rect, stream=buffer.getvalue()
            )
        stamp = f"D:{original.day:%Y%m%d}170000+01'00'"
        document.set_metadata({"producer": "Scan-Station 4", "creationDate": stamp, "modDate": stamp})
        data = document.tobytes(no_new_id=True)
    return [
        OfficeFile(
            folder="02_Grundlagen/Posteingang",
            name=f"Scan_{original.day:%Y%m%d}_{rng.randrange(1000):04d}.pdf",
            data=data,
            kind="Scan",
            day=original.day,
            cost_group=original.cost_group,
            place=original.place,
        )
    ]


def fax(project: Project, rng: Random) -> list[OfficeFile]:
    """A fax: black-and-white TIFF, one picture a page."""
    original = letters.offer(project, rng)[0]
    with pymupdf.open(stream=original.data) as paper:
        pages = [_scanned(page, rng).convert("1") for page in paper]
    buffer = io.BytesIO()
    pages[0].save(
        buffer, "TIFF", save_all=True, append_images=pages[1:], compression="group4", dpi=(SCAN_DPI, SCAN_DPI)
    )
    name = f"Fax {original.day:%Y-%m-%d} {rng.randrange(100)}.tif"
    return [
        OfficeFile(
            folder="02_Grundlagen/Posteingang",
            name=name,
            data=buffer.getvalue(),
            kind="Scan",
            day=original.day,
            cost_group=original.cost_group,
        )
    ]


def screenshot(project: Project, rng: Random) -> list[OfficeFile]:
    """A picture of the plant on the screen of the building automation, as PNG with transparency."""
    day = project.day(rng)
    picture = Image.new("RGBA", (1280, 720), (30, 34, 40, 255))
    draw = ImageDraw.Draw(picture)
    draw.text((30, 20), f"Anlagenbild {project.title} - {german(day)}", fill=(230, 230, 230, 255))
    for index in range(rng.randrange(4, 9)):
        left = 40 + index * 150
        draw.rounded_rectangle((left, 140, left + 120, 420), radius=12, fill=(60, rng.randrange(90, 200), 120, 200))
        draw.text((left + 14, 160), f"HK {index + 1}\n{rng.randrange(35, 70)} °C", fill=(255, 255, 255, 255))
    buffer = io.BytesIO()
    picture.save(buffer, "PNG")
    return [
        OfficeFile(
            folder="03_Planung/KGR 480 Automation",
            name=f"Bildschirmfoto {day:%Y-%m-%d} um {rng.randrange(8, 18)}.{rng.randrange(10, 60)}.png",
            data=buffer.getvalue(),
            kind="Bildschirmfoto",
            day=day,
            cost_group=480,
        )
    ]
