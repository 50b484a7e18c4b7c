"""HTML bodies of mails, as Outlook, Apple Mail, Gmail and Thunderbird write them: signatures, inline logos, quotes.

A mail is its own text, a signature, and what it quotes: the body of the mail that it answers, which may quote others.
"""

from __future__ import annotations

import datetime as dt
from collections.abc import Callable
from dataclasses import dataclass
from html import escape

from ibhelm_pipelines.demo.missive.wording import DISCLAIMER

_DAYS = ("Mo.", "Di.", "Mi.", "Do.", "Fr.", "Sa.", "So.")
_STYLE = (
    "<style><!--\n@font-face {font-family:Calibri; panose-1:2 15 5 2 2 2 4 3 2 4;}\n"
    "p.MsoNormal, li.MsoNormal {margin:0cm; "
    'font-size:11.0pt; font-family:"Calibri",sans-serif;}\na:link {color:#0563C1;}\n--></style>'
    '<!--[if gte mso 9]><xml><o:shapedefaults v:ext="edit" spidmax="1026" /></xml><![endif]-->'
)


@dataclass(frozen=True, kw_only=True)
class Quoted:
    """The mail that is answered."""

    name: str
    address: str
    to: str
    subject: str
    at: int
    body: str

    @property
    def moment(self) -> dt.datetime:
        """When it was sent; malformed times are the beginning of time."""
        return dt.datetime.fromtimestamp(self.at, dt.UTC)


@dataclass(frozen=True, kw_only=True)
class Letter:
    """What somebody writes.

    Attributes:
        paragraphs: the text itself, from the greeting to the closing.
        signature: lines below the closing: name, firm, address, telephone.
        inline: ids of attachments that stand in the signature as pictures.
        disclaimer: whether the firm's disclaimer stands below.
        quoted: the mail that is answered.
    """

    paragraphs: list[str]
    signature: list[str]
    inline: list[str]
    disclaimer: bool
    quoted: Quoted | None


def _images(letter: Letter) -> str:
    return "".join(f'<img width="180" height="64" data-missive-attachment-id="{each}">' for each in letter.inline)


def outlook(letter: Letter) -> str:
    """Word's HTML: a paragraph class for everything, and the quoted mail below a line with its head."""
    lines = [*letter.paragraphs, "", *letter.signature, *([DISCLAIMER] if letter.disclaimer else [])]
    body = "".join(f'<p class="MsoNormal">{escape(line) or "&nbsp;"}<o:p></o:p></p>\r\n' for line in lines)
    picture = f'<p class="MsoNormal">{_images(letter)}<o:p></o:p></p>' if letter.inline else ""
    return f'{_STYLE}<div class="WordSection1">{body}{picture}{_outlook_quote(letter.quoted)}</div>'


def _outlook_quote(quoted: Quoted | None) -> str:
    if not quoted:
        return ""
    when = quoted.moment.strftime("%d.%m.%Y %H:%M")
    return (
        '<div><div style="border:none;border-top:solid #E1E1E1 1.0pt;padding:3.0pt 0cm 0cm 0cm"><p class="MsoNormal">'
        f"<b>Von:</b> {escape(quoted.name)} &lt;{escape(quoted.address)}&gt; <br><b>Gesendet:</b> {when}<br>"
        f"<b>An:</b> {escape(quoted.to)}<br><b>Betreff:</b> {escape(quoted.subject)}<o:p></o:p></p></div></div>"
        f'<p class="MsoNormal"><o:p>&nbsp;</o:p></p>{quoted.body}'
    )


def apple(letter: Letter) -> str:
    """Apple Mail: divs and breaks, the quoted mail in a blockquote of type cite."""
    text = "".join(f"<div>{escape(line) or '<br>'}</div>" for line in letter.paragraphs)
    signature = "<br>".join(map(escape, letter.signature))
    quote = ""
    if letter.quoted:
        when = letter.quoted.moment.strftime("%d.%m.%Y um %H:%M")
        quote = (
            f'<div><br><blockquote type="cite"><div>Am {when} schrieb {escape(letter.quoted.name)} '
            f'&lt;{escape(letter.quoted.address)}&gt;:</div><br class="Apple-interchange-newline">'
            f"<div>{letter.quoted.body}</div></blockquote></div>"
        )
    end = f"<div><br></div><div><i>{DISCLAIMER}</i></div>" if letter.disclaimer else ""
    return (
        '<div style="overflow-wrap: break-word; -webkit-nbsp-mode: space; line-break: after-white-space;">'
        f'{text}<br><div id="AppleMailSignature"><meta charset="UTF-8">{signature}{_images(letter)}</div>'
        f"{end}{quote}</div>"
    )


def gmail(letter: Letter) -> str:
    """Gmail: divs with dir=ltr, a marked signature, the quoted mail in a marked blockquote."""
    text = "".join(f"<div>{escape(line) or '<br>'}</div>" for line in letter.paragraphs)
    lines = "<br>".join(map(escape, letter.signature))
    signature = (
        '<span class="gmail_signature_prefix">-- </span><br><div dir="ltr" class="gmail_signature" '
        f'data-smartmail="gmail_signature"><div dir="ltr">{lines}<br>{_images(letter)}</div></div>'
    )
    quote = ""
    if letter.quoted:
        moment = letter.quoted.moment
        when = f"{_DAYS[moment.weekday()]}, {moment.day}. {moment:%m. %Y um %H:%M}"
        quote = (
            f'<br><div class="gmail_quote gmail_quote_container"><div dir="ltr" class="gmail_attr">Am {when} Uhr '
            "schrieb "
            f'{escape(letter.quoted.name)} &lt;<a href="mailto:{escape(letter.quoted.address)}">'
            f'{escape(letter.quoted.address)}</a>&gt;:<br></div><blockquote class="gmail_quote" '
            f'style="margin:0px 0px 0px 0.8ex;border-left:1px solid rgb(204,204,204);padding-left:1ex">'
            f"{letter.quoted.body}</blockquote></div>"
        )
    end = f'<div><font size="1">{DISCLAIMER}</font></div>' if letter.disclaimer else ""
    return f'<div dir="ltr">{text}<div><br clear="all"></div>{signature}{end}</div>{quote}'


def thunderbird(letter: Letter) -> str:
    """Thunderbird: the answer below or above a cited blockquote, the signature as preformatted text."""
    quote = ""
    if letter.quoted:
        when = letter.quoted.moment.strftime("%d.%m.%y um %H:%M")
        quote = (
            f'<div class="moz-cite-prefix">Am {when} schrieb {escape(letter.quoted.name)}:<br></div>'
            f'<blockquote type="cite" cite="mid:{letter.quoted.at}@mail.example">{letter.quoted.body}</blockquote>'
        )
    text = "".join(f"<p>{escape(line) or '<br>'}</p>" for line in letter.paragraphs)
    lines = "\n".join([*letter.signature, *([DISCLAIMER] if letter.disclaimer else [])])
    signature = f'<pre class="moz-signature" cols="72">-- \n{escape(lines)}</pre>{_images(letter)}'
    return f'<meta http-equiv="Content-Type" content="text/html; charset=UTF-8">{quote}{text}{signature}'


PROGRAMS: tuple[Callable[[Letter], str], ...] = (outlook, apple, gmail, thunderbird)
