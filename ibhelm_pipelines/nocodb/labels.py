"""What the office reads instead of our names: German titles of tables and columns.

A column is called the same everywhere (COLUMNS) unless its table says otherwise. What has no entry here gets its own
name, made readable, and the set-up's report says so: that is how a new column is noticed.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Mapping


@dataclass(frozen=True, kw_only=True)
class TableLabel:
    """How one table is called.

    Attributes:
        title: in the side bar; also of links to it.
        one: of a single row, where links count them.
        columns: where a column is called otherwise than in COLUMNS.
    """

    title: str
    one: str
    columns: Mapping[str, str] = field(default_factory=dict)


def _table(called: str, one: str | None = None, /, **columns: str) -> TableLabel:
    return TableLabel(title=called, one=one or called, columns=columns)


# In the order of the side bar: what people work with comes first, what only carries links comes last.
TABLES: Mapping[str, TableLabel] = {
    "projects": _table(
        "Projekte", "Projekt", name="Projekt", owner_id="Projektleitung", updated_at="Geändert in Teamwork"
    ),
    "files": _table(
        "Dateien", "Datei", name="Datei", folder="Projektordner", created_by="Besitzer", content_hash="Inhalt"
    ),
    "tasks": _table(
        "Aufgaben",
        "Aufgabe",
        name="Aufgabe",
        status="Status in Teamwork",
        parent_id="Übergeordnete Aufgabe",
        url="In Teamwork öffnen",
        progress="Fortschritt (%)",
    ),
    "conversations": _table(
        "Unterhaltungen",
        "Unterhaltung",
        subject="Betreff",
        team_id="Postfach",
        url="In Missive öffnen",
        created_at="Begonnen",
    ),
    "emails": _table("E-Mails", "E-Mail", conversation_id="Unterhaltung", type="Art", created_at="Geschrieben"),
    "persons": _table(
        "Personen", "Person", kind="Art", merged_into_id="Ist dieselbe Person wie", kind_source="Art: von"
    ),
    "companies": _table("Firmen", "Firma", name="Firma", is_own="Eigene Firma"),
    "project_participants": _table(
        "Projektbeteiligte",
        "Beteiligter",
        label="Person (Name)",
        role="Funktion",
        roles="Abgeleitete Funktionen",
        mails="E-Mails",
        tasks="Aufgaben",
        comments="Kommentare",
        files="Dateien",
    ),
    "files_missing_metadata": _table(
        "Fehlende Angaben: Dateien", name="Datei", url="Auf dem NAS öffnen", project_id="Projekt Nr."
    ),
    "tasks_missing_metadata": _table(
        "Fehlende Angaben: Aufgaben", name="Aufgabe", state="Stand", url="In Teamwork öffnen", project_id="Projekt Nr."
    ),
    "conversations_missing_metadata": _table(
        "Fehlende Angaben: Unterhaltungen", state="Stand", url="In Missive öffnen"
    ),
    "unmatched_folders": _table(
        "Ordner ohne Projekt", reason="Warum keines", files="Dateien", best_project_id="Bestes Projekt Nr."
    ),
    "projects_without_folder": _table(
        "Projekte ohne Ordner", name="Projekt", url="In Teamwork öffnen", project_id="Projekt Nr."
    ),
    "problems": _table("Probleme", kind="Art", url="Öffnen", reason="Warum"),
    "activity": _table(
        "Verlauf",
        at="Wann",
        kind="Art",
        label="Was",
        who="Wer",
        source="Quelle",
        url="Öffnen",
        project_id="Projekt Nr.",
    ),
    "duplicates": _table(
        "Dubletten", name="Datei", paths="Pfade", content_hash="Inhalt Nr.", size_bytes="Größe je Datei (Byte)"
    ),
    "near_duplicates": _table(
        "Ähnliche Bilder",
        name="Bild",
        path="Pfad des Bildes",
        url="Bild öffnen",
        pixel_width="Breite (Pixel)",
        pixel_height="Höhe (Pixel)",
        size_bytes="Größe (Byte)",
        content_hash="Inhalt Nr.",
    ),
    "content_problems": _table(
        "Dateien mit Lücken",
        name="Datei",
        step="Was fehlt",
        problem="Stand",
        reason="Warum",
        files="Wie viele Dateien",
        since="Zuletzt versucht",
        url="Auf dem NAS öffnen",
        folder="Projektordner",
        content_hash="Inhalt Nr.",
    ),
    "content_coverage": _table(
        "Vorschau und Text je Ordner",
        folder="Projektordner",
        contents="Inhalte",
        failed="Gescheitert",
        missing="Noch nicht versucht",
    ),
    "item_links": _table("Warum verknüpft", what="Eintrag", item="Art", rule="Warum"),
    "cost_groups": _table(
        "Kostengruppen", "Kostengruppe", label="Kostengruppe", name="Bezeichnung", parent_id="Teil von", number="KG"
    ),
    "locations": _table("Orte", "Ort", label="Ort", parent_id="Liegt in"),
    "document_types": _table("Dokumentarten", "Dokumentart", name="Dokumentart"),
    "folder_mappings": _table("Ordner-Zuordnungen", folder="Ordner"),
    "project_folders": _table("Projektordner", folder="Ordner", reason="Warum keines", rule="Zugeordnet über"),
    "link_rules": _table("Regeln", "Regel", name="Regel", is_enabled="Eingeschaltet"),
    "link_decisions": _table(
        "Entscheidungen von Hand", item="Art", item_id="Eintrag Nr.", target="Verknüpft mit", target_id="Davon Nr."
    ),
    "task_types": _table("Aufgabenarten", "Aufgabenart", name="Aufgabenart"),
    "task_type_rules": _table("Regeln für Aufgabenarten", tag="Schlagwort", task_type="Aufgabenart"),
    "attachment_skip_rules": _table(
        "Regeln für Anhänge",
        name="Dateiname (Muster)",
        reason="Grund",
        media_type="Medientyp (Muster)",
        is_enabled="Eingeschaltet",
    ),
    "milestones": _table("Meilensteine", "Meilenstein", name="Meilenstein", is_completed="Erreicht"),
    "task_lists": _table("Aufgabenlisten", "Aufgabenliste", name="Aufgabenliste"),
    "task_comments": _table("Kommentare zu Aufgaben", "Kommentar", body="Kommentar", author_id="Verfasser"),
    "time_entries": _table("Zeiteinträge", "Zeiteintrag", description="Tätigkeit", person_id="Wer", spent_at="Wann"),
    "email_attachments": _table(
        "Anhänge",
        "Anhang",
        name="Anhang",
        content_hash="Inhalt",
        email_id="E-Mail",
        comment_id="Kommentar",
        file_id="Datei",
    ),
    "email_comments": _table(
        "Interne Kommentare",
        "Kommentar",
        body="Kommentar",
        author_id="Verfasser",
        task="Aufgabe",
        task_state="Stand der Aufgabe",
    ),
    "file_versions": _table("Dateiversionen", "Version", file_id="Datei", content_hash="Inhalt"),
    "tags": _table("Schlagwörter", "Schlagwort", name="Schlagwort"),
    "labels": _table("Labels", "Label", name="Label", parent_id="Unter", full_name="Label mit Pfad"),
    "teams": _table("Teams", "Team", name="Team"),
    "person_identities": _table(
        "Bekannt als", "Kennung", label="Bekannt als", kind="Art", key="Kennung", name="Name dort"
    ),
    "people": _table("Personen in Teamwork", title="Position"),
    "missive_users": _table("Nutzer in Missive"),
    "missive_teams": _table("Postfächer in Missive", name="Postfach"),
    "missive_organizations": _table("Organisationen in Missive", name="Organisation"),
    "contacts": _table("Kontakte in Missive"),
    "contact_infos": _table("Angaben zu Kontakten", label="Bezeichnung", value="Angabe", kind="Art"),
    "custom_fields": _table("Eigene Felder", name="Feld", type="Art", entity="Gehört zu"),
    "contents": _table("Inhalte", hash="Inhalt Nr.", title="Titel in der Datei", author="Verfasser in der Datei"),
    "content_texts": _table("Texte", content_hash="Inhalt", text="Text"),
    "email_bodies": _table("Mailtexte", html="Formatierter Text", email_id="E-Mail"),
    "email_recipients": _table("Empfänger", kind="Art", email_id="E-Mail"),
    "task_assignees": _table("Zuständige", "Zuständiger", kind="Art", person_id="Person in Teamwork"),
    "task_dependencies": _table("Abhängigkeiten", "Abhängigkeit", predecessor_id="Wartet auf"),
    "task_custom_values": _table("Werte eigener Felder", value="Wert"),
    "task_tags": _table("Schlagwörter der Aufgaben"),
    "project_tags": _table("Schlagwörter der Projekte"),
    "time_entry_tags": _table("Schlagwörter der Zeiteinträge"),
    "conversation_labels": _table("Labels der Unterhaltungen"),
    "conversation_assignees": _table("Zuständige für Unterhaltungen"),
    "conversation_users": _table("Unterhaltungen je Nutzer"),
    "missive_team_members": _table("Mitglieder der Postfächer", role="Rolle"),
    "email_comment_mentions": _table("Erwähnungen", comment_id="Kommentar"),
    "email_comment_task_assignees": _table("Zuständige für interne Aufgaben", comment_id="Kommentar"),
    "file_cost_groups": _table("Kostengruppen der Dateien", file_id="Datei"),
    "file_locations": _table("Orte der Dateien", file_id="Datei"),
    "task_cost_groups": _table("Kostengruppen der Aufgaben"),
    "task_locations": _table("Orte der Aufgaben"),
    "conversation_projects": _table("Projekte der Unterhaltungen"),
    "conversation_cost_groups": _table("Kostengruppen der Unterhaltungen"),
    "conversation_locations": _table("Orte der Unterhaltungen"),
}

COLUMNS: Mapping[str, str] = {
    "id": "Nr.",
    "address": "Adresse",
    "aliases": "Andere Wörter dafür",
    "archived_at": "Archiviert",
    "attachments_count": "Anhänge (Anzahl)",
    "attempts": "Versuche",
    "author_email": "E-Mail des Verfassers",
    "author_id": "Verfasser",
    "author_name": "Name des Verfassers",
    "avatar_url": "Bild",
    "below_bytes": "Kleiner als (Byte)",
    "below_pixels": "Kleiner als (Pixel)",
    "best_similarity": "Beste Ähnlichkeit",
    "body": "Text",
    "body_html": "Formatierter Text",
    "body_text": "Text",
    "building": "Gebäude",
    "city": "Stadt",
    "color": "Farbe",
    "comments": "Kommentare",
    "company_id": "Firma",
    "company_source": "Firma: von",
    "completed_at": "Erledigt",
    "completed_tasks_count": "Erledigte Aufgaben (Anzahl)",
    "completer_id": "Erledigt von",
    "confidence": "Sicherheit",
    "contact_id": "Kontakt",
    "content_changed_at": "Neuer Inhalt seit",
    "content_hash": "Inhalt",
    "conversation_id": "Unterhaltung",
    "conversation_state": "Stand der Unterhaltung",
    "copies": "Wie oft",
    "cost_group_id": "Kostengruppe",
    "country_code": "Land",
    "created_at": "Angelegt",
    "created_by": "Angelegt von",
    "creator_id": "Angelegt von",
    "custom_field_id": "Feld",
    "decided_at": "Entschieden",
    "decides": "Entscheidet über",
    "deleted_at": "Gelöscht",
    "delivered_at": "Zugestellt",
    "description": "Beschreibung",
    "description_html": "Formatierte Beschreibung",
    "distance": "Unterschied (0 bis 4)",
    "document_type_id": "Dokumentart",
    "document_type_rule": "Dokumentart: Regel",
    "document_type_source": "Dokumentart: von",
    "download_url": "Herunterladen",
    "drafts_count": "Entwürfe (Anzahl)",
    "due_at": "Fällig",
    "due_on": "Fällig",
    "email": "E-Mail",
    "email_id": "E-Mail",
    "ends_on": "Ende",
    "estimate_minutes": "Schätzung (Minuten)",
    "extension": "Endung",
    "family": "Dateiart",
    "file_id": "Datei",
    "files": "Dateien",
    "first_contact_at": "Erster Kontakt",
    "first_name": "Vorname",
    "first_seen_at": "Zuerst gesehen",
    "folder": "Ordner",
    "from_address": "Von (Adresse)",
    "from_name": "Von",
    "full_name": "Voller Name",
    "handle": "Kürzel",
    "hash": "Inhalt Nr.",
    "in_mails": "In mindestens so vielen Mails",
    "in_reply_to": "Antwort auf",
    "inbox_path": "Abgelegt unter",
    "is_archived": "Archiviert",
    "is_assigned": "Zugewiesen",
    "is_billable": "Abrechenbar",
    "is_client": "Kunde",
    "is_closed": "Geschlossen",
    "is_colleague": "Aus dem Büro",
    "is_completed": "Erledigt",
    "is_default": "Standard",
    "is_enabled": "Eingeschaltet",
    "is_flagged": "Markiert",
    "is_inline": "Im Text",
    "is_junked": "Spam",
    "is_linked": "Verknüpft",
    "is_manual": "Von Hand",
    "is_private": "Privat",
    "is_shared": "Gemeinsam genutzt",
    "is_snoozed": "Zurückgestellt",
    "is_starred": "Favorit",
    "is_token_owner": "Liest für IBHelm",
    "is_trashed": "Im Papierkorb",
    "item": "Art des Eintrags",
    "item_id": "Eintrag Nr.",
    "key": "Kennung",
    "kind": "Art",
    "label": "Bezeichnung",
    "label_id": "Label",
    "lacks_cost_group": "Ohne Kostengruppe",
    "lacks_document_type": "Ohne Dokumentart",
    "lacks_place": "Ohne Ort",
    "lacks_project": "Ohne Projekt",
    "language": "Sprache",
    "last_activity_at": "Zuletzt aktiv",
    "last_contact_at": "Letzter Kontakt",
    "last_name": "Nachname",
    "last_number": "Bis KG",
    "last_seen_at": "Zuletzt aufgenommen",
    "length": "Länge",
    "level": "Geschoss",
    "likeness": "Bildprüfzahl",
    "location_id": "Ort",
    "mails": "E-Mails",
    "media_type": "Medientyp",
    "merged_into_id": "Zusammengelegt mit",
    "merged_into_source": "Zusammengelegt: von",
    "message_id": "Message-ID",
    "messages_count": "Nachrichten (Anzahl)",
    "milestone_id": "Meilenstein",
    "minutes": "Minuten",
    "missing": "Es fehlt",
    "missive_user_id": "Nutzer in Missive",
    "modified_at": "Geändert",
    "mtime_ns": "Dateizeit (ns seit 1970)",
    "name": "Name",
    "name_source": "Name: von",
    "nas_folder": "Ordner auf dem NAS",
    "nas_url": "Auf dem NAS öffnen",
    "newest_at": "Neueste",
    "next_try_at": "Nächster Versuch",
    "note": "Notiz",
    "number": "Nummer",
    "options": "Auswahl",
    "ordinal": "Reihenfolge",
    "organization_id": "Organisation",
    "original_due_on": "Ursprünglich fällig",
    "other_content_hash": "Inhalt Nr. des ähnlichen",
    "other_name": "Ähnliches Bild",
    "other_path": "Pfad des ähnlichen",
    "other_pixel_height": "Höhe des ähnlichen (Pixel)",
    "other_pixel_width": "Breite des ähnlichen (Pixel)",
    "other_size_bytes": "Größe des ähnlichen (Byte)",
    "other_url": "Ähnliches öffnen",
    "owner_id": "Verantwortlich",
    "page_count": "Seiten",
    "parent_id": "Gehört zu",
    "path": "Pfad",
    "paths": "Pfade",
    "pattern": "Muster",
    "person_id": "Person",
    "person_source": "Person: von",
    "phone": "Telefon",
    "pixel_height": "Höhe (Pixel)",
    "pixel_width": "Breite (Pixel)",
    "planned_path": "Würde abgelegt unter",
    "position": "Stelle",
    "predecessor_id": "Wartet auf",
    "preview_percent": "Mit Vorschau (%)",
    "previews_ok": "Mit Vorschau",
    "priority": "Priorität",
    "program": "Erstellt mit",
    "progress": "Fortschritt",
    "project": "Projekt",
    "project_folder_id": "Projektordner Nr.",
    "project_id": "Projekt",
    "document_type": "Art des Dokuments",
    "project_name": "Projektname",
    "project_rule": "Projekt: Regel",
    "project_source": "Projekt: von",
    "projects": "Projekte",
    "quoted_text": "Zitierter Text",
    "raw_inbox_path": "Abgelegt unter (Bytes)",
    "raw_path": "Pfad (Bytes)",
    "reads": "Liest",
    "reason": "Grund",
    "reference_ids": "Bezug auf",
    "role": "Funktion",
    "roles": "Abgeleitete Funktionen",
    "room": "Raum",
    "rule": "Regel",
    "saved_at": "Auf dem NAS seit",
    "signature": "Signatur",
    "since": "Seit",
    "size_bytes": "Größe (Byte)",
    "skip_reason": "Warum nicht abgelegt",
    "snippet": "Anfang",
    "source": "Quelle",
    "spent_at": "Wann",
    "starts_on": "Beginn",
    "state": "Stand (englisch)",
    "state_label": "Stand",
    "status": "Status",
    "street": "Straße",
    "sub_status": "Unterstatus",
    "subject": "Betreff",
    "suggestions": "Vorschläge",
    "tag": "Schlagwort",
    "tag_id": "Schlagwort",
    "target": "Verknüpft mit",
    "target_id": "Davon Nr.",
    "target_name": "Wozu",
    "task": "Aufgabe",
    "task_closed_at": "Aufgabe erledigt",
    "task_due_at": "Aufgabe fällig",
    "task_id": "Aufgabe",
    "task_list": "Aufgabenliste",
    "task_list_id": "Aufgabenliste",
    "task_started_at": "Aufgabe begonnen",
    "task_state": "Stand der Aufgabe",
    "task_team_id": "Postfach der Aufgabe",
    "task_type": "Aufgabenart",
    "task_type_source": "Aufgabenart: von",
    "tasks": "Aufgaben",
    "tasks_count": "Aufgaben (Anzahl)",
    "team_id": "Team",
    "text": "Text",
    "text_chars": "Zeichen im Text",
    "text_percent": "Mit Text (%)",
    "texts_ok": "Mit Text",
    "thread": "Verlauf",
    "thumbnail": "Vorschau",
    "time_entry_id": "Zeiteintrag",
    "title": "Titel",
    "truncated": "Gekürzt",
    "type": "Art",
    "updated_at": "Geändert",
    "url": "Öffnen",
    "user_id": "Nutzer",
    "valid_from": "Gilt ab",
    "valid_to": "Gilt bis",
    "value": "Wert",
    "wasted_bytes": "Überflüssig (Byte)",
    "website": "Webseite",
    "what": "Was",
    "what_to_do": "Was zu tun ist",
    "who": "Wer",
    "wider_than": "Breiter als (Breite : Höhe)",
    "written_at": "Verfasst",
    "zip": "PLZ",
}

# Of links that more than one column makes, or whose table's name would not do.
LINKS: Mapping[tuple[str, str], str] = {
    ("persons", "merged_into_id"): "Auch bekannt als",
    ("tasks", "parent_id"): "Unteraufgaben",
    ("cost_groups", "parent_id"): "Untergruppen",
    ("locations", "parent_id"): "Räume darin",
    ("labels", "parent_id"): "Labels darunter",
    ("conversations", "merged_into_id"): "Hierher verschmolzen",
    ("tasks", "creator_id"): "Angelegte Aufgaben",
    ("tasks", "completer_id"): "Erledigte Aufgaben",
    ("projects", "owner_id"): "Geleitete Projekte",
    ("task_dependencies", "predecessor_id"): "Darauf warten",
    ("task_dependencies", "task_id"): "Abhängigkeiten",
}
"""By table and column of the foreign key: how the link is called on the side that it points to."""

_VENDORS = {"teamwork": "Teamwork", "missive": "Missive"}


def table_title(name: str) -> str:
    """Return how a table is called."""
    return TABLES[name].title if name in TABLES else _readable(name)


def row_title(name: str) -> str:
    """Return how one row of a table is called."""
    return TABLES[name].one if name in TABLES else table_title(name)


def is_known(table: str, column: str) -> bool:
    """Whether a column has a German name."""
    return column in COLUMNS or (table in TABLES and column in TABLES[table].columns) or is_vendor_id(column)


def is_vendor_id(column: str) -> bool:
    """Whether a column holds an id of Teamwork's or Missive's."""
    return column.partition("_")[0] in _VENDORS and column.endswith("_id") and column != "missive_user_id"


def column_title(table: str, column: str) -> str:
    """Return how a column of a table is called."""
    own = TABLES[table].columns.get(column) if table in TABLES else None
    if own or column in COLUMNS:
        return own or COLUMNS[column]
    if is_vendor_id(column):
        vendor, _, rest = column.partition("_")
        of = rest.removesuffix("id").strip("_")
        return f"{_VENDORS[vendor]}-Nr." + (f" ({_readable(of)})" if of else "")
    return _readable(column)


def _readable(name: str) -> str:
    return name.replace("_", " ").capitalize()
