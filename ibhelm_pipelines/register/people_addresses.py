"""What an address says about whom it belongs to: to a role of a firm, to customers of a mail service, to a machine.

Lists of words, because nothing else tells. A word that is missing costs a merge or a split by hand; one too many only
a merge: who has such an address is not merged by it.
"""

from __future__ import annotations

import re


def _words(text: str) -> frozenset[str]:
    return frozenset(text.split())


_ROLES = _words("""
    abrechnung abuse accounting admin administration administrator alert alerts anfrage anfragen angebot
    angebote auftraege auftrag automail backoffice bauamt baubuero benachrichtigung bestellung bestellungen
    bewerbung bewerbungen billing booking bounce bounces buchhaltung buero contact datenschutz dispo
    disposition donotreply drucker edv einkauf empfang event events export faktura fax feedback
    finanzbuchhaltung frontdesk gast geschaeft guest hallo hausverwaltung hello help helpdesk hilfe hostmaster
    hr inbox info infos invoice invoices it jobs karriere kasse kontakt kopierer kunden kundendienst
    kundenservice lager lohn mail mailbox mailer mailerdaemon mailing marketing nachricht nachrichten
    newsletter noreply notdienst notification notifications notify office order orders payment personal
    phishing planung pobox post posteingang postfach postmaster poststelle press presse privacy projekt
    projekte purchasing reception rechnung rechnungen rechnungseingang rechnungspruefung reply root sales scan
    scanner security sekretariat service shop spam support system team technik termin termine unternehmen
    updates vergabe verkauf versand vertrieb verwaltung wartung web webmaster welcome werkstatt willkommen
    zentrale
""")
"""Of the whole part before the @, or of its first word: info, info.berlin, rechnung-2024; umlauts written out."""

_MAIL_SERVICES = _words("""
    aol fastmail freenet gmail gmx googlemail hotmail icloud live mailbox outlook posteo proton protonmail
    tutanota yahoo yandex ymail
""")
"""Whatever country's: gmx.de, gmx.at, yahoo.co.uk."""

_MAIL_DOMAINS = _words("""
    1und1.de a1.net alice-dsl.net alice.de aon.at arcor.de bluewin.ch chello.at email.de ewe.net ewetel.net
    firemail.de htp-tel.de inbox.com kabelbw.de kabelmail.de mac.com magenta.de mail.com mail.de me.com
    mnet-mail.de mnet-online.de msn.com netcologne.de o2mail.de o2online.de ok.de online.de online.home.de
    onlinehome.de osnanet.de pm.me sunrise.ch t-online.de tele2.de tuta.com unitybox.de versanet.de
    vodafone.de vodafonemail.de web.de
""")

_ACCOUNTS_OF_MACHINES = _words("""
    administrator backup daemon gast guest nfsnobody nobody root scan scanner smbguest synology system
    www-data
""")

_UMLAUTS = str.maketrans({"ä": "ae", "ö": "oe", "ü": "ue", "ß": "ss"})
_BETWEEN_WORDS = re.compile(r"[._+\-\d]+")


def local_part(address: str) -> str:
    """Return what stands before the @."""
    return address.rpartition("@")[0]


def domain_of(address: str) -> str:
    """Return what stands behind the @."""
    return address.rpartition("@")[2]


def is_role(address: str) -> bool:
    """Whether an address is that of a role: nobody is merged by it, and who writes from it may be anybody."""
    words = [word for word in _BETWEEN_WORDS.split(local_part(address).translate(_UMLAUTS)) if word]
    return bool(words) and (words[0] in _ROLES or "".join(words) in _ROLES)


def is_mail_service(domain: str) -> bool:
    """Whether everybody may have an address with this domain: it says nothing about a firm."""
    name, _, country = domain.partition(".")
    return domain in _MAIL_DOMAINS or (name in _MAIL_SERVICES and country.count(".") <= 1)


def is_machine(account: str) -> bool:
    """Whether a user of the NAS is nobody: a service, or a number without a name."""
    return account.isdigit() or account in _ACCOUNTS_OF_MACHINES
