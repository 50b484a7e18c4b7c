"""What was given up is tried again when a person says so, and only then; nothing good is lost on the way."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any

import pytest
from click.testing import CliRunner

from ibhelm_pipelines import cli_retry
from ibhelm_pipelines.cli import main
from ibhelm_pipelines.content import families
from ibhelm_pipelines.content.retrying import Choice, find, retry
from ibhelm_pipelines.content.steps import run_step
from ibhelm_pipelines.errors import ShareUnavailableError

if TYPE_CHECKING:
    from click.testing import Result

    Office = Any

SCHOOL, BATH = "2024/100 Schule", "2024/200 Bad"
BROKEN = b"%PDF-1.4\nnot a PDF at all"


@pytest.fixture
def poisoned(office: Office, monkeypatch: pytest.MonkeyPatch) -> tuple[Office, str, str]:
    """An office in which a good text and a web page could not be read, for a reason that has gone since."""
    note = office.add("notiz.txt", b"Die Pumpe im Keller ist ausgefallen und muss ersetzt werden.", folder=SCHOOL)
    page = office.add("seite.html", b"<html><body>Die Wand ist feucht.</body></html>", folder=BATH)
    office.query("insert into ops.folders (folder) values (%s), (%s)", SCHOOL, BATH)
    run_step("text", office.settings)
    # As they would stand after the readers gave up: no product, and final.
    office.query("delete from public.content_texts")
    office.query(
        "update ops.step_results set state = 'failed', permanent = true, attempts = 5,"
        " reason = 'The reader needed more than 1024 MiB'"
    )
    monkeypatch.setattr(cli_retry, "load_settings", lambda: office.settings)
    return office, note, page


def command(*arguments: str) -> Result:
    return CliRunner().invoke(main, ["retry", *arguments])


def test_quarantine_holds_until_somebody_asks(poisoned: tuple[Office, str, str]) -> None:
    office, note, page = poisoned
    assert run_step("text", office.settings).total.done == 0

    found = find(office.settings, Choice(reason="NEEDED MORE"))
    assert {each.content_hash for each in found} == {note, page}
    retried = retry(office.settings, found)

    assert retried["text"].states == {"ok": 2, "empty": 0, "unsupported": 0, "failed": 0}
    assert "Pumpe" in office.text(note)
    assert office.result(note, "text")["attempts"] == 1
    assert run_step("text", office.settings).total.done == 0


@pytest.mark.parametrize(
    ("choice", "chosen"),
    [
        (Choice(families=["text"]), ["text"]),
        (Choice(families=["html", "pdf"]), ["html"]),
        (Choice(folders=[SCHOOL]), ["text"]),
        (Choice(folders=[SCHOOL], families=["html"]), []),
        (Choice(steps=["thumbnail"]), []),
        (Choice(reason="1024 mib"), ["html", "text"]),
        (Choice(reason="10_4 M%"), []),
    ],
    ids=str,
)
def test_each_filter_narrows(poisoned: tuple[Office, str, str], choice: Choice, chosen: list[str]) -> None:
    office, *_ = poisoned
    assert sorted(each.family for each in find(office.settings, choice)) == chosen


def test_what_is_good_or_has_no_file_any_more_is_not_tried_again(poisoned: tuple[Office, str, str]) -> None:
    office, note, page = poisoned
    office.query(
        "update ops.step_results set state = 'ok', permanent = false, reason = null where content_hash = %s", note
    )
    office.query("update public.files set deleted_at = now() where content_hash = %s", page)
    assert find(office.settings, Choice(reason=None, steps=["text"])) == []


def test_a_good_result_of_an_older_tool_stays_whatever_comes_of_it(
    office: Office, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A newer reader fails on a file that an older one read: its text is still there, before and after the retry."""
    note = office.add("notiz.txt", b"Die Pumpe im Keller ist ausgefallen.")
    run_step("text", office.settings)
    newer = families.FAMILIES["text"].text.__class__(reader="pdf:text", revision=99)
    kind = families.FAMILIES["text"]
    monkeypatch.setitem(families.FAMILIES, "text", kind.__class__(name="x", extensions=(), thumbnail=newer, text=newer))
    families.tool_version.cache_clear()
    try:
        assert run_step("text", office.settings).total.failed == 1
        found = find(office.settings, Choice(families=["text"], steps=["text"]))
        assert [each.state for each in found] == ["failed"]
        assert retry(office.settings, found)["text"].states["failed"] == 1
    finally:
        families.tool_version.cache_clear()
    assert "Pumpe" in office.text(note)
    states = office.query("select state from ops.step_results where content_hash = %s order by state", note)
    assert [row["state"] for row in states] == ["failed", "ok"]


def test_texts_that_were_cut_off_are_read_again_once_the_limit_was_raised(
    office: Office, monkeypatch: pytest.MonkeyPatch
) -> None:
    long = office.add("lang.txt", b"Die Pumpe im Keller ist ausgefallen und muss ersetzt werden.")
    short = office.add("kurz.txt", b"Die Pumpe")
    run_step("text", office.settings.model_copy(update={"text_max_chars": 20}))
    assert office.text(long) == "Die Pumpe im Keller "
    before = office.result(short, "text")
    monkeypatch.setattr(cli_retry, "load_settings", lambda: office.settings)
    [shown] = json.loads(command("--truncated", "--dry-run", "--json").stdout)
    assert (shown["contents"], shown["state"], shown["reason"]) == (1, "ok", "The text ends before the document does")

    assert command("--truncated").exit_code == 0

    assert office.text(long).endswith("ersetzt werden.")
    assert not office.result(long, "text")["truncated"]
    assert office.result(short, "text") == before
    assert find(office.settings, Choice(truncated=True)) == []


def test_without_the_share_nothing_is_forgotten(poisoned: tuple[Office, str, str]) -> None:
    office, note, _ = poisoned
    found = find(office.settings, Choice(families=["text"]))
    (office.root / ".ibhelm-share").unlink()
    with pytest.raises(ShareUnavailableError):
        retry(office.settings, found)
    assert office.result(note, "text")["attempts"] == 5


def test_what_is_forgotten_and_not_done_is_missing_and_the_next_scan_does_it(
    poisoned: tuple[Office, str, str], monkeypatch: pytest.MonkeyPatch
) -> None:
    office, note, page = poisoned

    def die(*_: object, **__: object) -> None:
        raise KeyboardInterrupt

    monkeypatch.setattr("ibhelm_pipelines.content.steps.Steps.run", die)
    with pytest.raises(KeyboardInterrupt):
        retry(office.settings, find(office.settings, Choice(reason="MiB")))
    monkeypatch.undo()
    assert run_step("text", office.settings).total.ok == 2
    assert office.text(note)
    assert office.text(page)


def test_the_ui_hears_of_what_was_tried_again(poisoned: tuple[Office, str, str]) -> None:
    office, *_ = poisoned
    retry(office.settings, find(office.settings, Choice(families=["text"])))
    (told,) = office.query("select * from ops.outbox where asset = 'extracted_text'")
    assert told["folder"] == SCHOOL


def test_the_command_needs_a_filter(poisoned: tuple[Office, str, str]) -> None:
    result = command()
    assert result.exit_code == 2
    assert "at least one of" in result.output


def test_a_dry_run_shows_what_and_how_many_and_changes_nothing(poisoned: tuple[Office, str, str]) -> None:
    office, *_ = poisoned
    before = office.query("select * from ops.step_results order by content_hash")
    result = command("--reason", "needed more", "--dry-run")
    assert result.exit_code == 0, result.output
    assert "2 would be tried again" in result.output
    assert "The reader needed more than 1024 MiB" in " ".join(result.output.split())
    assert office.query("select * from ops.step_results order by content_hash") == before


def test_the_command_tries_again_and_says_what_came_of_it(poisoned: tuple[Office, str, str]) -> None:
    office, note, _ = poisoned
    office.add("kaputt.pdf", BROKEN, folder=BATH)
    run_step("text", office.settings)
    result = command("--folder", "2024", "--step", "text", "--json")
    assert result.exit_code == cli_retry.EXIT_OPEN, result.output
    said = json.loads(result.stdout)
    assert (said["text"]["states"]["ok"], said["text"]["states"]["failed"]) == (2, 1)
    assert office.text(note)
    again = command("--family", "text")
    assert again.exit_code == 0, again.output
    assert "nothing to try again" in again.output


def test_a_misspelt_folder_is_an_error_that_names_the_right_one(poisoned: tuple[Office, str, str]) -> None:
    result = command("--folder", "2024/100 Schulle")
    assert result.exit_code == 1
    assert f"Did you mean {SCHOOL}" in result.output
