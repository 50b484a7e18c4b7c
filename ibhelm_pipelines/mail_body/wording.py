"""The words by which a person sees where a mail ends: greetings, a phone's own line, a lawyer's paragraph.

Tables of words, compared word by word with a line; German first, then the languages of the neighbours. A line is only
taken for one of these when it says little else: "Viele Grüße an Ihre Frau soll ich ausrichten, wir sehen uns morgen."
is a sentence of the mail.
"""

from __future__ import annotations

import re

MAX_CLOSING_WORDS = 9
MAX_WORDS_AFTER_GREETING = 5
MAX_DEVICE_CHARS = 120
MIN_DISCLAIMER_CHARS = 60

_WORD = re.compile(r"\w+")


def _words(text: str) -> frozenset[str]:
    """Casefolded, as all that is compared here: "ß" is "ss"."""
    return frozenset(text.casefold().split())


_GREETINGS = _words("""
    Grüße Grüßen Gruß Grüßle Gruesse Gruessen MfG LG VG BG HG Hochachtungsvoll regards greetings cheers sincerely
    faithfully wishes cordialement salutations saluti groet groeten groetjes saludos cordialmente pozdrawiam poważaniem
    pozdravem hilsen hälsningar
""")
_BEFORE_GREETINGS = _words("""
    mit freundlichem freundlichen freundliche freundlicher viel viele vielen lieb liebe lieben beste besten herzliche
    herzlichen schöne schönen sonnige sonnigen kollegiale kollegialen nette netten danke dank und im voraus ein einen
    schönes wochenende tag abend kind kindest best warm warmest many thanks thank you all my our with and yours very
    truly met vriendelijke hartelijke bedankt bien cordiali distinti un mes nos meilleures sincères z s med vänliga
    venlig
""")
_DEVICE_STARTS = (
    "gesendet von ", "gesendet mit ", "gesendet über ", "von meinem ", "von meiner ", "von unterwegs", "von mobil",
    "sent from ", "sent with ", "sent via ", "get outlook for ", "outlook für ", "holen sie sich outlook",
    "diese nachricht wurde von meinem ", "diese nachricht wurde von mein ", "diese mail wurde mobil", "envoyé de mon",
    "envoyé depuis ", "inviato da ", "verzonden vanaf ", "verstuurd vanaf ",
)  # fmt: skip
_DEVICE_ENDS_OF_OWN = ("von meinem ", "von meiner ", "diese nachricht wurde ", "diese mail wurde ")
_MAIL_NOUNS = _words("mail email nachricht message communication mitteilung")
_LEGAL = (
    "vertraulich", "rechtlich geschützt", "irrtümlich", "unbefugt", "nicht der richtige adressat",
    "nicht der beabsichtigte", "vorgesehenen empfänger", "confidential", "privileged", "in error", "intended recipient",
    "intended solely", "intended only", "confidentiel", "riservat", "vertrouwelijk",
)  # fmt: skip
_FORWARD_PREFIXES = frozenset({"wg", "fw", "fwd", "tr", "rv"})
_FORWARDS = (
    "weitergeleitet", "weiterleitung", "forwarded", "transféré", "réexpédié", "doorgestuurd", "inoltrat", "reenviado",
    "przekazan",
)  # fmt: skip


def is_closing(line: str) -> bool:
    """Tell whether a line takes leave: "Mit freundlichen Grüßen", "VG Max", "Danke und Gruß aus Köln"."""
    words = [word.casefold() for word in _WORD.findall(line[:200])]
    greeting = next((number for number, word in enumerate(words) if word in _GREETINGS), None)
    if greeting is None or len(words) > MAX_CLOSING_WORDS or not _BEFORE_GREETINGS.issuperset(words[:greeting]):
        return False
    after = len(words) - greeting - 1
    return after <= MAX_WORDS_AFTER_GREETING and (after <= 1 or not line.rstrip().endswith((".", "?", ":", ";")))


def is_delimiter(line: str) -> bool:
    """Tell whether a line is the mark of RFC 3676 between a mail and its signature."""
    return line.strip() == "--"


def is_device_line(line: str) -> bool:
    """Tell whether a phone or a mail program added a line about itself."""
    folded = line.strip().casefold()
    if len(folded) > MAX_DEVICE_CHARS or not folded.startswith(_DEVICE_STARTS):
        return False
    return not folded.startswith(_DEVICE_ENDS_OF_OWN) or folded.rstrip(".! ").endswith(("gesendet", "geschrieben"))


def is_disclaimer(line: str) -> bool:
    """Tell whether a paragraph speaks of mail itself and of the law, as no sentence about a building does."""
    if len(line) < MIN_DISCLAIMER_CHARS:
        return False
    folded = line.casefold()
    speaks_of_mail = not _MAIL_NOUNS.isdisjoint(_WORD.findall(folded[:2_000]))
    return speaks_of_mail and any(word in folded for word in _LEGAL)


def is_postscript(line: str) -> bool:
    """Tell whether a line says more after the name."""
    return line.replace(".", "").replace(" ", "").casefold().startswith(("ps:", "pps:", "nb:")) or line.startswith(
        ("PS ", "P.S. ", "PPS ")
    )


def says_forwarded(line: str) -> bool:
    """Tell whether a line between two mails calls the second one forwarded."""
    folded = line.casefold()
    return any(word in folded for word in _FORWARDS)


def is_forward(subject: str) -> bool:
    """Tell whether a subject says that the mail is forwarded: an answer to a forwarded mail ("AW: WG: …") is none."""
    prefix, colon, _ = subject.partition(":")
    return bool(colon) and prefix.strip().casefold() in _FORWARD_PREFIXES
