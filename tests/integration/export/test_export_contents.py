"""What an export holds: everything of its project and nothing of another one, as it was, and readable without us."""

from __future__ import annotations

import csv
import datetime as dt
import email
import email.policy
import hashlib
import html.parser
import io
import re
import subprocess
import unicodedata
import zipfile
from dataclasses import dataclass
from email.message import EmailMessage
from pathlib import Path
from urllib.parse import unquote

import pytest
from export_office import HOSTILE, KITA, LETTER, PICTURE, SCRIPT, SECRET, Office

from ibhelm_pipelines.export.run import ExportReport, export

NOW = dt.datetime(2026, 11, 23, 12, tzinfo=dt.UTC)
RESERVED = re.compile(r"(CON|PRN|AUX|NUL|COM\d|LPT\d)(\.|$)", re.IGNORECASE)


@dataclass
class Exported:
    """The office, and its project as a folder."""

    office: Office
    folder: Path
    report: ExportReport

    def text(self, path: str) -> str:
        return (self.folder / path).read_text(encoding="utf-8")

    def files(self) -> set[str]:
        return {each.relative_to(self.folder).as_posix() for each in self.folder.rglob("*") if each.is_file()}

    def table(self, name: str) -> list[dict[str, str]]:
        text = (self.folder / "tabellen" / name).read_bytes().decode("utf-8-sig")
        return list(csv.DictReader(io.StringIO(text, newline=""), delimiter=";"))

    def mail(self, subject: str) -> EmailMessage:
        """Return the mail as a mail program reads it."""
        [(wanted,)] = self.office.ask("select message_id from emails where id = %s", self.office.mails[subject])
        parsed = [email.message_from_bytes(path.read_bytes(), policy=email.policy.default)
                  for path in self.folder.rglob("*.eml")]  # fmt: skip
        [found] = [each for each in parsed if each["Message-ID"] == f"<{wanted}>"]
        return found


@pytest.fixture(scope="module")
def exported(office: Office, tmp_path_factory: pytest.TempPathFactory) -> Exported:
    folder = tmp_path_factory.mktemp("exports") / "Kita"
    report = export(office.settings, "2301", folder, now=NOW, with_deleted=True)
    return Exported(office, folder, report)


def test_each_file_of_the_project_is_there_with_its_bytes_and_its_time(exported: Exported) -> None:
    root = exported.office.settings.nas_root
    assert root is not None
    on_nas = {unicodedata.normalize("NFC", each.relative_to(root).as_posix().encode("utf-8", "surrogateescape")
                                    .decode("utf-8", "backslashreplace")): each
              for each in (root / KITA).rglob("*") if each.is_file()}  # fmt: skip
    rows = [row for row in exported.table("dateien.csv") if not row["Gelöscht"]]
    listed = {row["Pfad auf dem NAS"].removeprefix("'"): row["Pfad im Export"] for row in rows}
    assert listed.keys() == on_nas.keys()
    for original, path in listed.items():
        copy = exported.folder / path
        assert copy.read_bytes() == on_nas[original].read_bytes()
        assert copy.stat().st_mtime == pytest.approx(on_nas[original].stat().st_mtime, abs=0.001)
    assert (exported.folder / "dateien" / KITA / "KGR 431" / "BSK-Liste.pdf").is_file()


def test_a_deleted_file_is_there_in_a_folder_of_its_own(exported: Exported) -> None:
    deleted = exported.folder / "geloeschte-dateien" / KITA / "KGR 431" / "gelöscht.txt"
    assert deleted.read_text(encoding="utf-8") == "war einmal"


def test_names_are_those_that_windows_takes_each_once(exported: Exported) -> None:
    files = exported.files()
    assert len({unicodedata.normalize("NFC", path).casefold() for path in files}) == len(files)
    for path in files:
        assert len(path) <= 200
        for name in path.split("/"):
            assert not set('<>:"\\|?*') & set(name)
            assert not RESERVED.match(name)
            assert name == name.rstrip(". ")
            assert name.isprintable()
    renamed = exported.text("seiten/umbenannt.html")
    assert f"{KITA}/Eingang/CON.txt" in renamed
    assert "Rechnung ⟨U+202E⟩fdp.exe" in renamed
    assert exported.report.renamed == renamed.count('<span class="detail">') > len(HOSTILE) - 2


def test_nothing_of_another_project_and_nothing_deleted_is_in_it(exported: Exported) -> None:
    for path in exported.files():
        assert SECRET not in path
        assert SECRET.encode() not in (exported.folder / path).read_bytes()
    assert "Gelöschte Aufgabe" not in exported.text("seiten/aufgaben.html")
    assert "Archivierte Aufgabe" in exported.text("seiten/aufgaben.html")
    assert exported.report.counts["conversations"] == 1
    assert "1 Unterhaltungen im Papierkorb" in exported.text("index.html")


class Links(html.parser.HTMLParser):
    """Where a page leads, what it is made of, and the places in it."""

    def __init__(self, text: str) -> None:
        super().__init__()
        self.leads: list[str] = []
        self.places: list[str] = []
        self.tags: set[str] = set()
        self.feed(text)

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.tags.add(tag)
        for name, value in attrs:
            if name in ("href", "src", "action", "data", "poster", "srcset", "background"):
                self.leads.append(value or "")
            if name == "id":
                self.places.append(value or "")
            assert not name.startswith("on")


def test_every_link_leads_to_something_and_everything_is_led_to(exported: Exported) -> None:
    seen, waiting = set[str](), ["index.html"]
    pages = {path: Links(exported.text(path)) for path in exported.files() if path.endswith(".html")
             and path.startswith(("seiten/", "index"))}  # fmt: skip
    while waiting:
        here = waiting.pop()
        if here in seen:
            continue
        seen.add(here)
        for lead in pages[here].leads if here in pages else []:
            assert not re.match(r"[a-z+]+:|//", lead), (here, lead)
            path, _, anchor = lead.partition("#")
            target = (exported.folder / Path(here).parent / unquote(path)).resolve() if path else exported.folder / here
            assert target.is_file(), (here, lead)
            found = target.relative_to(exported.folder.resolve()).as_posix()
            assert not anchor or anchor in pages[found].places, (here, lead)
            waiting.append(found)
    assert exported.files() - seen == set()


def test_pages_hold_no_script_no_form_and_no_place_twice(exported: Exported) -> None:
    for path in exported.files():
        if path.endswith(".html") and path.startswith(("seiten/", "index")):
            links = Links(exported.text(path))
            assert not {"script", "iframe", "form", "object", "embed", "base", "style"} & links.tags
            assert len(set(links.places)) == len(links.places)
            assert SCRIPT not in exported.text(path)
    assert "url(" not in exported.text("stil.css")
    assert "@import" not in exported.text("stil.css")


def test_the_list_of_all_files_satisfies_sha256sum(exported: Exported) -> None:
    subprocess.run(["sha256sum", "--check", "--strict", "--quiet", "SHA256SUMS"], cwd=exported.folder, check=True)
    listed = {line[66:] for line in exported.text("SHA256SUMS").splitlines()}
    assert listed == exported.files() - {"SHA256SUMS"}


def test_a_mail_read_back_says_what_was_stored(exported: Exported) -> None:
    mail = exported.mail("AW: Brandschutzklappen – Prüfung & Übergabe")
    assert mail["Subject"] == "AW: Brandschutzklappen – Prüfung & Übergabe"
    assert mail["From"].addresses[0].display_name == "Petra Trox"
    assert [(each.display_name, each.addr_spec) for each in mail["To"].addresses] == [
        ("Büro, Helm", "buero@ib.test"), ("", "zweite@ib.test")]  # fmt: skip
    assert [each.display_name for each in mail["Cc"].addresses] == ["Özlem Aydın"]
    assert mail["Date"].datetime == dt.datetime.fromisoformat("2025-03-14T08:22:00+00:00")
    assert str(mail["X-IBHelm-Rebuilt"]).startswith("yes")
    assert "nie geladen.zip: Der Anhang wurde nie aus Missive geladen." in mail.get_all("X-IBHelm-Missing-Attachment")
    assert not mail.defects
    body = mail.get_body(("html",))
    assert body is not None
    assert body.get_content() == LETTER
    plain = mail.get_body(("plain",))
    assert plain is not None
    assert plain.get_content() == "anbei die Klappen"


def test_a_mail_holds_its_attachments_and_shows_its_pictures(exported: Exported) -> None:
    first = exported.mail("AW: Brandschutzklappen – Prüfung & Übergabe")
    attached = {str(part.get_filename()): part.get_content() for part in first.iter_attachments()}
    assert attached.keys() == {"Liste (alt).pdf", "BSK-Liste.pdf"}
    stored = exported.office.ask("select name, content_hash from email_attachments where content_hash is not null")
    for name, content in stored:
        if name in attached:
            assert hashlib.sha256(attached[str(name)]).hexdigest() == content
    second = exported.mail("")
    assert second["Subject"] == ""
    html_part = second.get_body(("html",))
    assert html_part is not None
    [name] = re.findall(r'src="cid:([^"]+)"', html_part.get_content())
    [picture] = [part for part in second.walk() if part["Content-ID"] == f"<{name}>"]
    assert picture.get_content() == PICTURE
    assert picture.get_content_disposition() == "inline"


def test_what_a_stranger_wrote_into_headers_adds_none(exported: Exported) -> None:
    subject = next(each for each in exported.office.mails if SCRIPT in each)
    mail = exported.mail(subject)
    assert mail["Subject"] == subject.replace("\r\n", " ")
    assert "Bcc" not in mail
    assert "X" not in mail
    [attached] = mail.iter_attachments()
    assert attached.get_filename() == "../../etc/passwd X: y"
    assert attached.get_content() == b"not it"
    raw = next(path for path in exported.files() if path.endswith(".eml") and "CON" in path)
    assert max(map(len, (exported.folder / raw).read_bytes().split(b"\r\n"))) <= 998


def test_a_conversation_shows_mails_comments_and_where_attachments_are(exported: Exported) -> None:
    [path] = [each for each in exported.files() if each.startswith("seiten/unterhaltung-")]
    page = exported.text(path)
    assert page.index("anbei die <b>Klappen</b>") < page.index("Kommentar von Kim")
    assert "&lt;script&gt;window.hit=1&lt;/script&gt;" in page
    assert f'href="../dateien/{KITA.replace(" ", "%20")}/KGR%20431/Kopie%20der%20BSK-Liste.pdf"' in page
    assert re.search(r'<img src="\.\./anhaenge/../[0-9a-f]{8}-Foto\.png" alt="Bild">', page)
    assert 'title="https://evil.test/x">hier</a>' in page
    assert "color" not in page
    assert "<h1>Groß" not in page


def test_tables_open_in_a_german_excel_and_hold_no_formula(exported: Exported) -> None:
    raw = (exported.folder / "tabellen" / "aufgaben.csv").read_bytes()
    assert raw.startswith(b"\xef\xbb\xbfNummer;Liste;Aufgabe;")
    tasks = {row["Aufgabe"]: row for row in exported.table("aufgaben.csv")}
    task = tasks[f"Klappen prüfen {SCRIPT}"]
    assert task["Beschreibung"] == '\'=HYPERLINK("http://evil.test")\nzweite; Zeile'
    assert (task["Stand"], task["Fällig"], task["Angelegt von"]) == ("offen", "01.04.2025", "Özlem Aydın")
    assert task["Erfasst (Minuten)"] == "95"
    assert task["Kostengruppen"] == "431 Lüftungsanlagen"
    assert [row["Minuten"] for row in exported.table("zeiten.csv")] == ["95"]
    assert [row["Text"] for row in exported.table("kommentare-zu-aufgaben.csv")] == [f"bestellt {SCRIPT}"]
    assert [row["Text"] for row in exported.table("kommentare-zu-mails.csv")] == [f"intern {SCRIPT}"]
    assert "Petra Trox" in {row["Name"] for row in exported.table("beteiligte.csv")}


def test_the_timeline_tells_every_event_and_leads_to_it(exported: Exported) -> None:
    page = exported.text("seiten/ereignisse.html")
    events = exported.office.ask("select count(*) from activity where project_id = %s", exported.office.project)[0][0]
    assert page.count("<time ") - 1 == events > 20
    assert "März 2025" in exported.text("seiten/verlauf.html")
    assert re.search(r'<a href="unterhaltung-\d+\.html#e\d+">Mail erhalten: AW: Brandschutzklappen', page)
    assert 'href="aufgaben.html#a' in page
    assert 'href="dateien.html#d' in page


def test_cost_groups_and_places_list_what_belongs_to_them(exported: Exported) -> None:
    assert "431 Lüftungsanlagen" in exported.text("seiten/kostengruppen.html")
    listed = exported.text("seiten/kostengruppen-liste.html")
    assert "BSK-Liste.pdf" in listed
    assert "Klappen prüfen &lt;script&gt;" in listed
    assert "Haus A / 1. OG" in exported.text("seiten/orte.html")


def test_a_zip_holds_the_same_and_is_the_same_every_time(exported: Exported, tmp_path: Path) -> None:
    paths = [tmp_path / "eins.zip", tmp_path / "zwei.ZIP"]
    for path in paths:
        export(exported.office.settings, "2301 Kita Lindenhof", path, now=NOW, with_deleted=True)
    assert paths[0].read_bytes() == paths[1].read_bytes()
    subprocess.run(["unzip", "-tqq", paths[0]], check=True)
    with zipfile.ZipFile(paths[0]) as opened:
        held = {name: opened.read(name) for name in opened.namelist()}
    assert held == {path: (exported.folder / path).read_bytes() for path in exported.files()}
