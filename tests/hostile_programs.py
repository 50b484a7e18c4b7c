"""Stand-ins for LibreOffice that do well or badly, for the tests of programs that convert; shell scripts, all."""

from __future__ import annotations

from pathlib import Path

import pymupdf

HEAD = """#!/bin/sh
case "$1" in --version) echo "LibreOffice 99.1 stand-in"; exit 0;; esac
# The last two arguments are the folder for the result and the file.
for last; do out="$file"; file="$last"; done
"""

BODIES = {
    "well": 'cp {good} "$out/document.pdf"',
    "blank": 'cp {blank} "$out/document.pdf"',
    "late": 'cp {good} "$out/document.pdf"; exit 1',
    "refuse": "exit 1",
    "nothing": "exit 0",
    "hang": "sleep 600",
    "fork": 'for number in 1 2 3 4 5; do (trap "" TERM HUP IO; setsid sleep 600 & sleep 600) & done; sleep 600',
    "leave": '(setsid sleep 600 &) ; cp {good} "$out/document.pdf"',
    "write": 'n=0; while :; do n=$((n+1)); head -c 50000000 /dev/zero > "$out/$n.bin"; done',
    "endless_file": 'cat /dev/zero > "$out/document.bin"; exit 0',
    "read": 'for file in /etc/passwd {secret}; do head -c 1 $file && cp {good} "$out/document.pdf"; done',
    "elsewhere": 'echo x > {elsewhere} && cp {good} "$out/document.pdf"',
    "socket": """{python} -c "import socket; socket.create_connection(('127.0.0.1', {port}), 1)" \
&& cp {good} "$out/document.pdf" """,
    "link": 'ln -s {secret} "$out/document.pdf"',
    "environment": 'test -n "$IBHELM_S3_SECRET_KEY" && cp {good} "$out/document.pdf"',
}


def stand_in(folder: Path, behaviour: str, **values: object) -> Path:
    """Put a program into a folder that behaves so, and the PDFs beside it that it gives."""
    folder.mkdir(parents=True, exist_ok=True)
    good, blank = folder / "good.pdf", folder / "blank.pdf"
    document = pymupdf.open()
    page = document.new_page()
    document.save(blank)
    page.insert_text((72, 72), "Aus dem Programm")
    document.save(good)
    program = folder / "soffice"
    program.write_text(HEAD + BODIES[behaviour].format(good=good, blank=blank, **values) + "\n", encoding="utf-8")
    program.chmod(0o755)
    return program
