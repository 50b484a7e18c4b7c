"""Links in the tables: from a file on the NAS to its bytes in a browser, over renames and rotations."""

from __future__ import annotations

import json
from pathlib import Path

import psycopg
import pytest
from nas_tree import Nas
from pydantic import SecretStr
from web_desk import SECRET, Gateway, running, sha256

from ibhelm_pipelines.content.steps import run_step
from ibhelm_pipelines.local.postgres import EmbeddedPostgres
from ibhelm_pipelines.nas.scan import scan
from ibhelm_pipelines.settings import Settings

NOTE = b"Protokoll der Baubesprechung\n" * 50


@pytest.fixture
def linking(settings: Settings) -> Settings:
    return settings.model_copy(update={"web_secret": SecretStr(SECRET), "max_deletion_percent": 100})


def fill(settings: Settings) -> None:
    scan(settings)
    run_step("store", settings)
    run_step("thumbnail", settings)


def rows(settings: Settings, query: str) -> list[tuple[object, ...]]:
    with psycopg.connect(settings.require_database_url(), autocommit=True) as connection:
        cursor = connection.execute(query)
        return cursor.fetchall() if cursor.description else []


def links(settings: Settings) -> dict[str, tuple[str, str]]:
    """The address of the preview and of the download of each file, by its name; live or deleted."""
    found = rows(settings, "select name, thumbnail, download_url from files order by name")
    return {str(name): (json.loads(str(shown))[0]["url"], str(url)) for name, shown, url in found}


def check_all(gateway: Gateway, settings: Settings) -> None:
    for name, (preview, download) in links(settings).items():
        page = gateway.get(download)
        assert (page.status, page.body) == (200, NOTE), name
        shown = gateway.get(preview)
        assert (shown.status, shown.headers["content-type"], shown.body[8:12]) == (200, "image/webp", b"WEBP")


def test_a_file_and_a_mailed_copy_of_it_lead_to_its_bytes_whatever_becomes_of_the_file(
    linking: Settings, tmp_path: Path
) -> None:
    nas = Nas(linking)
    nas.write("2024/100 Schule/Lüftung 1. OG.txt", NOTE)
    fill(linking)
    rows(
        linking,
        "insert into email_attachments (missive_id, name, missive_email_id, content_hash)"
        f" values ('a', '24/12 Prüfbericht.txt', 'm', '{sha256(NOTE)}'), ('b', 'nie geholt.pdf', 'm', null)",
    )
    with running(linking, tmp_path) as gateway:
        check_all(gateway, linking)
        nas.move("2024/100 Schule/Lüftung 1. OG.txt", "2024/200 Bad/Lüftung (alt).txt")
        nas.write("2024/100 Schule/kopie.txt", NOTE)
        fill(linking)
        assert {name: url.rpartition("/")[2] for name, (_, url) in links(linking).items()} == {
            "Lüftung (alt).txt": "L%C3%BCftung%20%28alt%29.txt",
            "kopie.txt": "kopie.txt",
        }
        check_all(gateway, linking)
        [(mailed,), (never,)] = rows(linking, "select download_url from email_attachments order by missive_id")
        assert gateway.get(str(mailed)).body == NOTE
        assert "24_12 Pr" in gateway.get(str(mailed)).headers["content-disposition"]
        assert never is None
        nas.path("2024/200 Bad/Lüftung (alt).txt").unlink()
        fill(linking)
        check_all(gateway, linking)  # the deleted file's, too


def test_new_content_has_no_link_until_it_is_stored(linking: Settings) -> None:
    nas = Nas(linking)
    nas.write("2024/100 Schule/a.txt", NOTE)
    fill(linking)
    nas.write("2024/100 Schule/a.txt", NOTE + b"Nachtrag")
    scan(linking)
    assert rows(linking, "select thumbnail, download_url from files") == [(None, None)]


def test_after_a_rotation_old_links_are_dead_and_a_scan_makes_new_ones(linking: Settings, tmp_path: Path) -> None:
    nas = Nas(linking)
    nas.write("2024/100 Schule/a.txt", NOTE)
    former = linking.model_copy(update={"web_secret": SecretStr("the secret that somebody has found out")})
    fill(former)
    old = links(former)["a.txt"]
    with running(linking, tmp_path) as gateway:
        assert {gateway.get(url).status for url in old} == {404}
        fill(linking)
        check_all(gateway, linking)
        assert rows(linking, "select count(distinct signed_with), count(*) from ops.stored_objects") == [(1, 2)]


def test_the_secret_never_reaches_postgres(
    linking: Settings, owner_database_url: str, postgres: EmbeddedPostgres
) -> None:
    database = owner_database_url.rpartition("/")[2]
    with psycopg.connect(owner_database_url, autocommit=True) as connection:
        connection.execute(f"alter database {database} set log_min_duration_statement = 0")  # with all parameters
    Nas(linking).write("2024/100 Schule/a.txt", NOTE)
    fill(linking)
    logged = [line for line in postgres.log.read_text(encoding="utf-8").splitlines() if f"@{database} " in line]
    assert any(linking.web_address in line for line in logged)  # a parameter of the same statements
    assert not [line for line in logged if SECRET in line]
