"""Bodies that keep a parser busy for minutes, or need its whole stack: read in a child that may take neither.

No duration is asserted: the child has a budget of processor time many times what it needs, far below what a quadratic
reading takes, and a bound of memory.
"""

from __future__ import annotations

import subprocess
import sys

import pytest

PROCESSOR_SECONDS = 60
MEMORY = 1 << 30

CHILD = """
import resource, sys
from ibhelm_pipelines.mail_body import read_body
resource.setrlimit(resource.RLIMIT_CPU, ({seconds}, {seconds}))
resource.setrlimit(resource.RLIMIT_AS, ({memory}, {memory}))
body = read_body({body})
sys.stdout.write(f"{{len(body.text.split())}} {{len(body.quoted.split())}} {{len(body.signature.split())}}")
"""

# What is read, and how many words of text, quote and signature it has.
BODIES = {
    "elements in elements": ("'<div>' * 100_000 + 'Plan'", (1, 0, 0)),
    "quotes in quotes": ("'<blockquote>' * 100_000 + 'Plan' + '</blockquote>' * 100_000 + 'ja'", (1, 1, 0)),
    "lists in lists": ("'<ul><li>' * 50_000 + 'Plan'", (2, 0, 0)),
    "links around blocks": ("'<a><div>' * 50_000 + 'Plan'", (1, 0, 0)),
    "attributes of one tag": ("'<p ' + ' '.join(f'a{i}=1' for i in range(300_000)) + '>Plan'", (1, 0, 0)),
    "fonts without an end": ("''.join(f'<font a{i}>' for i in range(50_000)) + '<p>x' * 500", (500, 0, 0)),
    "words between tables": ("'<table>x ' * 50_000", (50_000, 0, 0)),
    "words in a table, in no cell": ("'<table>' + 'x<br>' * 50_000", (50_000, 0, 0)),
    "character references": ("'<p>' + '&nbsp;x' * 300_000", (300_000, 0, 0)),
    "attributes without an end": ("'<p>Plan</p>' + '''<a b='x ''' * 20_000", None),
    "tags without an end": ("'<p>Plan</p>' + '<p ' * 50_000", None),
    "quoted brackets": ("""'<p>Plan</p>' + '<a b=">" " ' * 20_000""", None),
    "comments without an end": ("'<p>Plan</p>' + '<!--' * 200_000", (1, 0, 0)),
    "scripts without an end": ("'<p>Plan</p>' + '<script></s' * 200_000", (1, 0, 0)),
    "headers of mails, again and again": ("'Von: x<br>' * 50_000", None),
    "names before quotes": ("'Am 2026:<br><blockquote>a</blockquote>b<br>' * 10_000", (10_000, 30_000, 0)),
    "greetings": ("'Viele Grüße<br>' * 50_000", None),
    "rows": ("'<table>' + '<tr><td><p>x</p></td><td>y</td></tr>' * 20_000", (40_000, 0, 0)),
    "one word": ("'ü' * 5_000_000", (1, 0, 0)),
    "20 MB of pictures": ("'<p>Plan</p><img src=data:image/png;base64,' + 'A' * 20_000_000 + '>'", (1, 0, 0)),
    "no Unicode": ("(chr(0) + chr(0xD800) + 'Plan ') * 50_000", (50_000, 0, 0)),
}


def read_in_child(body: str, seconds: int = PROCESSOR_SECONDS, memory: int = MEMORY) -> tuple[int, ...]:
    script = CHILD.format(seconds=seconds, memory=memory, body=body)
    done = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr[-2_000:]
    return tuple(map(int, done.stdout.split()))


@pytest.mark.parametrize("name", BODIES)
def test_a_hostile_body_is_read_within_bounds(name: str) -> None:
    body, expected = BODIES[name]
    counted = read_in_child(body)
    assert counted == expected if expected else sum(counted) >= 1


@pytest.mark.soak
def test_20_mb_of_html_are_read_within_bounds() -> None:
    paragraph = "'<p class=MsoNormal style=\"color:red\">Hallo Welt und <b>Gr&uuml;&szlig;e</b></p>' * 270_000"
    assert read_in_child(paragraph, seconds=600, memory=3 << 30) == (1_080_000, 0, 0)
