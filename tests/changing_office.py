"""An office at work on its NAS: seeded changes of every kind that people and their programs make, and the truth of each
moment.

The truth is read from the disk in a plain way of our own: path bytes, SHA-256 and time of every file that counts. Times
of files are those of the simulated day, to the nanosecond.
"""

from __future__ import annotations

import datetime as dt
import hashlib
import os
import random
import shutil
import unicodedata
from dataclasses import dataclass
from pathlib import Path

import nas_tree

CLIENTS = ("Kita Lindenhof", "Rathaus Köpenick", "Grundschule am Weißen See", "HZB Kälte", "Charité Süd", "Klinikum")
PLACES = (
    "00_Projektorganisation", "01_Verträge/Angebote", "03_Planung/KGR 420 Heizung", "03_Planung/KGR 430 Lüftung",
    "04_Protokolle", "05_Fotos/Haus A/EG",
)  # fmt: skip
WORDS = ("Lüftungskonzept", "Brandschutzklappe", "Prüfprotokoll", "Übersicht (Größe)", "Grundriss EG", "Angebot", "LV")
ODD_NAMES = (
    b"Rechnung\xfc alt.pdf", b"zwei\nZeilen.txt", b" vorn und hinten . ", b"x" * 255, b"'; drop table files; --.txt",
    "👷 Baustelle.jpg".encode(), b"-rf", b"%s {} $HOME `id`.txt", "\u202egnp.txt".encode(),
)  # fmt: skip
JUNK = (".DS_Store", "Thumbs.db", "~$Angebot.docx", "@eaDir/Plan.pdf", "#recycle/alt.pdf", "upload.partial")
RESTORE_NOTES = (b"ibhelm-restore.jsonl", b"ibhelm-restore-summary.json")
SMALL_FOLDER = 6
"""Files that somebody deletes at once without the guard of deletions having to say something."""


@dataclass(frozen=True)
class Held:
    """What a path held."""

    sha256: str
    mtime_ns: int


Truth = dict[bytes, Held]


def paths_on(root: Path) -> list[bytes]:
    """Return the paths of all files that count, in an order that is always the same."""
    found, top = [], os.fsencode(root)
    for folder, subfolders, names in os.walk(top):
        subfolders[:] = [n for n in subfolders if n[:1] != b"." and os.fsdecode(n) not in nas_tree.JUNK_FOLDERS]
        found += [os.path.relpath(os.path.join(folder, n), top) for n in names if not nas_tree.is_junk(os.fsdecode(n))]
    return sorted(found)


def truth_of(root: Path) -> Truth:
    """Return what a NAS, or a folder that was restored, holds now."""
    return {path: _held(os.path.join(os.fsencode(root), path)) for path in paths_on(root)}


def _held(path: bytes) -> Held:
    with open(path, "rb") as file:
        return Held(hashlib.file_digest(file, "sha256").hexdigest(), os.stat(path).st_mtime_ns)


def restored_in(target: Path) -> Truth:
    """Return what a restore wrote, but for its own notes beside it."""
    return {path: held for path, held in truth_of(target).items() if path not in RESTORE_NOTES}


class ChangingOffice:
    """People at work below a root, always the same ones for the same seed.

    Args:
        root: the NAS; its marker is there.
        aside: a folder on the same disk for what is deleted and may come back, and for the share while it is away.
    """

    def __init__(self, root: Path, aside: Path, seed: int, moment: dt.datetime) -> None:
        self.root, self._aside, self._dice, self.moment = root, aside, random.Random(seed), moment
        self._deleted: list[tuple[bytes, bytes, int]] = []
        self._count = 0
        aside.mkdir()

    def build(self, files: int, projects: int = 6) -> None:
        """Lay out projects with their places and so many files."""
        folders = [f"projekte/23{n:02d}-{CLIENTS[n % len(CLIENTS)]}-MK" for n in range(1, projects)]
        for folder in (*folders, "projekte-erledigt/2199-Bürohaus-TB"):
            for place in PLACES:
                (self.root / folder / place).mkdir(parents=True)
            self._write(os.fsencode(self.root / folder / self._dice.choice(JUNK)), b"junk")
        self._write(os.fsencode(self.root / "Telefonliste.txt"), b"loose")
        for _ in range(files):
            self._dice.choice((self.create, self.create, self.create, self.copy))()

    def work(self, count: int, moment: dt.datetime) -> list[str]:
        """Make so many changes; returns their kinds."""
        self.moment = moment
        return [self._change() for _ in range(count)]

    def unmount(self) -> None:
        """The share is away: an empty folder is left."""
        self.root.rename(self._aside / "share")
        self.root.mkdir()

    def mount(self) -> None:
        """It is back."""
        self.root.rmdir()
        (self._aside / "share").rename(self.root)

    def _change(self) -> str:
        kinds = (
            self.create, self.create, self.create_odd, self.create_empty, self.copy, self.edit, self.edit, self.rename,
            self.rename_case, self.rename_form, self.move, self.move_folder, self.delete, self.delete_folder,
            self.restore, self.touch, self.swap, self.rename_and_edit, self.save_by_renaming,
            self.move_and_replace, self.make_junk,
        )  # fmt: skip
        while not (kind := self._dice.choice(kinds))():
            pass  # there was nothing to do it to
        return kind.__name__

    def create(self) -> bool:
        self._count += 1
        name = f"{self._dice.choice(WORDS)} {self._count}.{self._dice.choice(('txt', 'txt', 'pdf', 'dwg'))}"
        form = self._dice.choice(("NFC", "NFD"))
        return self._write(self._place() + b"/" + unicodedata.normalize(form, name).encode(), self._bytes())

    def create_odd(self) -> bool:
        path = self._place() + b"/" + self._dice.choice(ODD_NAMES)
        return not os.path.exists(path) and self._write(path, self._bytes())

    def create_empty(self) -> bool:
        self._count += 1
        return self._write(self._place() + b"/leer %d.txt" % self._count, b"")

    def copy(self) -> bool:
        """The same content twice, with the time of the first, as `cp -p` makes it."""
        self._count += 1
        target = self._place() + b"/Kopie %d.txt" % self._count
        source = self._file()
        return bool(source) and bool(shutil.copy2(source, target))

    def edit(self) -> bool:
        path = self._file()
        return bool(path) and self._write(path, self._bytes())

    def touch(self) -> bool:
        path = self._file()
        return bool(path) and self._stamp(path)

    def rename(self) -> bool:
        self._count += 1
        path = self._file()
        return bool(path) and self._rename(path, os.path.dirname(path) + b"/umbenannt %d.txt" % self._count)

    def rename_case(self) -> bool:
        path = self._file()
        name = os.path.basename(path)
        return bool(path) and self._rename(path, os.path.dirname(path) + b"/" + name.swapcase())

    def rename_form(self) -> bool:
        """The same name with its umlauts in the other Unicode form, as a Mac writes it."""
        path = self._file()
        try:
            name = os.path.basename(path).decode()
        except UnicodeDecodeError:
            return False
        forms = {unicodedata.normalize(form, name) for form in ("NFC", "NFD")} - {name}
        return bool(forms) and self._rename(path, os.path.dirname(path) + b"/" + forms.pop().encode())

    def move(self) -> bool:
        path = self._file()
        return bool(path) and self._rename(path, self._place() + b"/" + os.path.basename(path))

    def move_folder(self) -> bool:
        self._count += 1
        folder = self._place()
        parent = os.path.dirname(self._place())
        inside = parent == folder or parent.startswith(folder + b"/")
        return not inside and self._rename(folder, parent + b"/Ordner %d" % self._count)

    def delete(self) -> bool:
        path = self._file()
        if path:
            self._bury(path)
        return bool(path)

    def delete_folder(self) -> bool:
        folder = self._place()
        inside = [os.path.join(where, name) for where, _, names in os.walk(folder) for name in names]
        if not 0 < len(inside) <= SMALL_FOLDER:
            return False
        for path in inside:
            self._bury(path)
        shutil.rmtree(folder)
        return True

    def restore(self) -> bool:
        """Somebody gets back what was deleted, from wherever, with its time."""
        if not self._deleted:
            return False
        path, data, mtime = self._deleted.pop(self._dice.randrange(len(self._deleted)))
        return not os.path.exists(path) and self._write(path, data, mtime=mtime)

    def swap(self) -> bool:
        one, other = self._file(), self._file()
        if not one or one == other:
            return False
        os.rename(one, one + b".x")
        os.rename(other, one)
        return self._rename(one + b".x", other)

    def rename_and_edit(self) -> bool:
        self._count += 1
        path = self._file()
        target = os.path.dirname(path) + b"/neuer Stand %d.txt" % self._count
        return bool(path) and self._rename(path, target) and self._write(target, self._bytes())

    def save_by_renaming(self) -> bool:
        """As Word saves: written anew beside it, and put in its place."""
        path = self._file()
        aside = os.path.dirname(path) + b"/neu.tmp"
        return bool(path) and self._write(aside, self._bytes()) and self._replace(aside, path)

    def move_and_replace(self) -> bool:
        """The old plan goes to another place, a new one takes its name."""
        path = self._file()
        return bool(path) and self._rename(path, path + b" alt") and self._write(path, self._bytes())

    def make_junk(self) -> bool:
        path = self._place() + b"/" + self._dice.choice(JUNK).encode()
        return self._write(path, b"junk %d" % self._count)

    def _bytes(self) -> bytes:
        return f"Sehr geehrte Damen und Herren, {self._dice.random()}\n".encode() * self._dice.randint(1, 40)

    def _file(self) -> bytes:
        """A file that counts; nothing when there is none."""
        paths = paths_on(self.root)
        return os.path.join(os.fsencode(self.root), self._dice.choice(paths)) if paths else b""

    def _place(self) -> bytes:
        """A folder within a project."""
        found, top = [], os.fsencode(self.root)
        for where, names, _ in os.walk(top):
            names[:] = sorted(n for n in names if os.fsdecode(n) not in nas_tree.JUNK_FOLDERS)
            if where.count(b"/") > top.count(b"/") + 1:
                found += [os.path.join(where, name) for name in names]
        return self._dice.choice(found)

    def _write(self, path: bytes, data: bytes, *, mtime: int | None = None) -> bool:
        os.makedirs(os.path.dirname(path), exist_ok=True)
        with open(path, "wb") as file:
            file.write(data)
        return self._stamp(path, mtime)

    def _stamp(self, path: bytes, mtime: int | None = None) -> bool:
        self.moment += dt.timedelta(seconds=1)
        mine = int(self.moment.timestamp()) * 10**9 + self._dice.randrange(10**9)
        os.utime(path, ns=(mine, mine if mtime is None else mtime))
        return True

    def _rename(self, old: bytes, new: bytes) -> bool:
        return not os.path.exists(new) and len(os.path.basename(new)) <= 255 and self._replace(old, new)

    def _replace(self, old: bytes, new: bytes) -> bool:
        os.rename(old, new)
        return True

    def _bury(self, path: bytes) -> None:
        with open(path, "rb") as file:
            self._deleted.append((path, file.read(), os.stat(path).st_mtime_ns))
        os.unlink(path)
