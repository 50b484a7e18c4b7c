"""A small office for the search page: real files with their previews, mails and tasks, and what strangers send."""

from __future__ import annotations

import contextlib
import io
import uuid
from dataclasses import dataclass
from typing import TYPE_CHECKING

import databases
import nocodb_desk
import pymupdf
import register_desk
import tables
import web_desk
import web_visitor
from browser import Page, open_page
from conftest import PIPELINE, PIPELINE_PASSWORD, TEMPLATE
from nas_tree import Nas
from PIL import Image, ImageDraw
from pydantic import SecretStr

from ibhelm_pipelines.content.steps import run_step
from ibhelm_pipelines.local.s3 import EmbeddedS3
from ibhelm_pipelines.nas.scan import scan
from ibhelm_pipelines.search.documents import index_documents
from ibhelm_pipelines.settings import Settings

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from ibhelm_pipelines.local.postgres import EmbeddedPostgres

KITA, RATHAUS = "projekte/2301 Kita Lindenhof", "projekte/2302 Rathaus"
LIST = f"{KITA}/KGR 431/BSK-Liste Flur.pdf"
COPY = f"{KITA}/Archiv/BSK-Liste alt.pdf"
PROTOCOLS = 24

ATTACK = "<img src=x onerror=window.hit=1>"
HOSTILE = {
    "markup": f"{ATTACK} Brandschutzklappe.txt",
    "attribute": "\"' onfocus=window.hit=2 autofocus x=' Brandschutzklappe.txt",
    "turned": "Brandschutzklappe \u202efdp.exe",
    "long": "Brandschutzklappe_" * 13 + ".txt",
}
SUBJECT = "<script>window.hit=3</script> Brandschutzklappe"
LONG_TASK = "Brandschutzklappe" + "n" * 283
JAVASCRIPT = "javascript:window.hit=4"

READY = "document.readyState === 'complete' && !!window.htmx"


@dataclass
class Office:
    """The office, its server, and a browser that is signed in."""

    settings: Settings
    web: web_desk.Gateway
    page: Page

    def show(self, path: str = "/", *, width: int = 1440, height: int = 900, is_dark: bool = False) -> Page:
        """Open a page anew, on a screen of this size."""
        self.page.look(width=width, height=height, is_dark=is_dark)
        self.page.open("about:blank")
        self.page.wait_for("location.href === 'about:blank'")
        self.page.open(self.web.url + path)
        self.page.wait_for(READY)
        return self.page

    def id_of(self, title: str) -> int:
        url = self.settings.require_database_url()
        return int(tables.ask(url, "select min(id) from search.documents where title = %s", title)[0][0])


@contextlib.contextmanager
def opened(postgres: EmbeddedPostgres, s3: EmbeddedS3, folder: Path) -> Iterator[Office]:
    """Fill an office, serve it and sign in, for the length of the block."""
    name = f"test_{uuid.uuid4().hex}"
    databases.create(postgres, name, template=TEMPLATE)
    try:
        settings = settings_of(folder, postgres, s3, name)
        file_office(settings, postgres.url(name))
        with web_visitor.running(settings, folder, WEB_PORT=str(settings.web_port)) as web, open_page() as page:
            _sign_in(page, web.url)
            yield Office(settings, web, page)
    finally:
        tables.close()
        databases.drop(postgres, name)


def _sign_in(page: Page, url: str) -> None:
    page.open(f"{url}/login")
    page.wait_for(READY)
    page.ask("document.querySelector('#user').focus()")
    page.type(web_visitor.USER)
    page.ask("document.querySelector('#password').focus()")
    page.type(web_visitor.PASSWORD)
    page.press("Enter")
    page.wait_for("document.querySelector('#q') !== null")


def settings_of(folder: Path, postgres: EmbeddedPostgres, s3: EmbeddedS3, name: str) -> Settings:
    """Return the settings of an office in the database of this name, with a bucket and a port of its own."""
    bucket = f"test-{uuid.uuid4().hex}"
    EmbeddedS3(folder=s3.folder, bucket=bucket, access_key=s3.access_key, secret_key=s3.secret_key).start()
    nas = folder / "nas"
    nas.mkdir()
    (nas / ".ibhelm-share").write_text("test share\n", encoding="utf-8")
    return Settings(
        _env_file=None,
        nas_root=nas,
        nas_url="smb://nas/projekte",
        state_dir=folder / "state",
        database_url=postgres.url(name, user=PIPELINE, password=PIPELINE_PASSWORD),
        s3_endpoint=s3.endpoint,
        s3_bucket=bucket,
        content_workers=1,
        web_port=nocodb_desk.free_port(),
        web_secret=SecretStr(web_desk.SECRET),
    )


def file_office(settings: Settings, owner_url: str) -> None:
    """Fill the NAS and the tables, and index all of it."""
    nas, desk = Nas(settings), register_desk.Desk(settings, owner_url)
    kita = desk.project("2301 Kita Lindenhof")
    desk.project("2302 Rathaus")
    nas.write(LIST, pdf("BSK-Liste, Entwurf"))
    scan(settings)
    _write_files(nas)
    scan(settings)
    _write_mails_and_tasks(desk, kita)
    for step in ("store", "thumbnail", "text"):
        run_step(step, settings)
    desk.link()
    index_documents(settings)


def pdf(*pages: str) -> bytes:
    """Return a PDF with a frame and a text on each page."""
    with pymupdf.open() as document:
        for text in pages:
            page = document.new_page()
            page.draw_rect(pymupdf.Rect(40, 40, 555, 802))
            page.insert_textbox(pymupdf.Rect(60, 80, 535, 780), text, fontsize=14)
        return bytes(document.tobytes())


def _photo() -> bytes:
    picture = Image.new("RGB", (800, 600), (196, 204, 210))
    ImageDraw.Draw(picture).rectangle((220, 160, 580, 440), fill=(120, 132, 140), outline=(40, 50, 60), width=9)
    data = io.BytesIO()
    picture.save(data, "JPEG")
    return data.getvalue()


def _write_files(nas: Nas) -> None:
    passage = "Die Brandschutzklappe FKA2 im Flur 0.12 braucht einen Wartungszugang von 300 x 300 mm."
    listed = pdf("BSK-Liste\n\nFlur EG und OG", "Alle Klappen sind nach DIN EN 15650 zu prüfen.", passage)
    nas.write(LIST, listed)
    nas.write(COPY, listed)
    nas.write(f"{KITA}/Angebote/Angebot Trox.pdf", pdf("Angebot über 14 Brandschutzklappen, Lieferzeit 6 Wochen"))
    nas.write(f"{KITA}/Fotos/Brandschutzklappe Flur.jpg", _photo())
    nas.write(f"{RATHAUS}/Angebote/Angebot Ventilator.txt", "Ventilator RL-400 für die Abluft der Küche")
    for number in range(PROTOCOLS):
        path = f"{RATHAUS}/Protokolle/Protokoll {number:02}.txt"
        nas.write(path, f"Besprechung {number}: die Brandschutzklappe wird geprüft.")
    for name in HOSTILE.values():
        text = f"</textarea>{ATTACK}<script>window.hit=5</script> Brandschutzklappe {name}"
        nas.write(f"{KITA}/Eingang/{name}", text)


def _write_mails_and_tasks(desk: register_desk.Desk, kita: int) -> None:
    thread = desk.conversation("Brandschutzklappen Achse 3", SUBJECT, labels=["2301 Kita Lindenhof"])
    desk.run(
        "update emails set from_name = %s, from_address = 'petra@trox.test', delivered_at = '2025-05-03 09:00+02',"
        " body_text = %s where conversation_id = %s",
        f"Petra {ATTACK}", f"Anbei die Brandschutzklappe. {ATTACK} \u202eabc", thread,
    )  # fmt: skip
    desk.run("update conversations set url = %s where id = %s", "https://mail.missiveapp.com/#inbox/1", thread)
    task = desk.task(kita, name=LONG_TASK)
    desk.run("update tasks set url = %s, description = %s where id = %s", JAVASCRIPT, ATTACK, task)
    desk.run("insert into task_comments (teamwork_id, body, task_id, created_at) values (1, %s, %s, now())",
             "Die Brandschutzklappe ist bestellt", task)  # fmt: skip
