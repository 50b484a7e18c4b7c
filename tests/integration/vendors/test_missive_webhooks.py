"""Our hooks in Missive: one of each kind for each organisation, known by the ids that we noted, none twice unseen."""

from __future__ import annotations

import json
from collections.abc import Iterator
from typing import Any

import pytest
import tables
from click.testing import CliRunner
from killed_child import run_in_child
from missive_office import connected
from pydantic import SecretStr
from tampering_proxy import Asked, Given, proxy
from teamwork_office import in_haste

from ibhelm_pipelines.cli_vendors import missive_webhooks
from ibhelm_pipelines.db.checks import QUESTIONS
from ibhelm_pipelines.db.connect import connect
from ibhelm_pipelines.db.question import ask
from ibhelm_pipelines.demo.missive.server import MissiveSimulator
from ibhelm_pipelines.demo.missive.webhooks import API_TYPES, Hook
from ibhelm_pipelines.errors import ConfigurationError, VendorUnavailableError
from ibhelm_pipelines.settings import Settings
from ibhelm_pipelines.vendors.missive.sync import sync
from ibhelm_pipelines.vendors.missive.webhooks import KINDS, install, list_webhooks, remove

URL = "https://hooks.example.com/webhooks/missive"
ELSEWHERE = "https://old.example.com/webhooks/missive"
SECRET = "planted-secret-of-the-webhooks"


@pytest.fixture(scope="module")
def office() -> Iterator[MissiveSimulator]:
    with MissiveSimulator(conversations=21, rate_limit=False, webhook_retry_seconds=()) as simulator:
        yield simulator


@pytest.fixture
def missive(office: MissiveSimulator) -> MissiveSimulator:
    office.webhooks.hooks.clear()
    return office


@pytest.fixture
def desk(settings: Settings, missive: MissiveSimulator, monkeypatch: pytest.MonkeyPatch) -> Settings:
    in_haste(monkeypatch)
    here = connected(settings, missive, missive_webhook_secret=SecretStr(SECRET))
    sync(here)
    return here


def hooks(missive: MissiveSimulator) -> list[Hook]:
    return list(missive.webhooks.hooks.values())


def wanted(missive: MissiveSimulator) -> set[tuple[str, str | None]]:
    """Each kind, for the one organisation that has teams and labels, and for the owner of the token."""
    organization = next(iter(missive.office.tables["organizations"]))
    return {(kind, whose) for kind in API_TYPES for whose in (organization, None)}


def assert_right(missive: MissiveSimulator, url: str = URL) -> None:
    found = hooks(missive)
    assert {(hook.kind, hook.organization) for hook in found} == wanted(missive)
    assert len(found) == len(wanted(missive))
    assert {hook.url for hook in found} == {url}


def rows(settings: Settings) -> list[tuple[Any, ...]]:
    return tables.ask(settings.require_database_url(), "select url, event, webhook_id from ops.vendor_webhooks")


def test_we_know_the_kinds_that_the_api_has() -> None:
    assert set(KINDS) == set(API_TYPES)


def test_an_install_makes_one_hook_of_each_kind_and_organisation_and_a_second_one_makes_none(
    desk: Settings, missive: MissiveSimulator
) -> None:
    first = install(desk, URL)
    assert_right(missive)
    assert (len(first.made), first.kept, first.doubtful, first.refused) == (12, [], [], {})
    assert {number for _, _, number in rows(desk)} == set(missive.webhooks.hooks)
    again = install(desk, URL)
    assert (again.made, len(again.kept), again.doubtful) == ([], 12, [])
    assert_right(missive)


def test_where_no_personal_mailbox_may_be_read_none_is_told_of(desk: Settings, missive: MissiveSimulator) -> None:
    allowed = tuple(each for each in desk.missive_allowed or () if not each.startswith("user:"))
    install(desk.model_copy(update={"missive_allowed": allowed}), URL)
    assert None not in {hook.organization for hook in hooks(missive)}
    assert len(hooks(missive)) == 6


def test_an_install_at_another_address_moves_all_of_ours_and_leaves_those_of_others(
    desk: Settings, missive: MissiveSimulator
) -> None:
    install(desk, ELSEWHERE)
    theirs = missive.webhooks.add(kind="incoming_email", url=ELSEWHERE)
    assert len(install(desk, URL).deleted) == 12
    assert missive.webhooks.hooks.pop(theirs.id) is theirs
    assert_right(missive)
    assert {url for url, _, _ in rows(desk)} == {URL}


def test_a_removal_deletes_ours_alone_also_where_somebody_else_was_faster(
    desk: Settings, missive: MissiveSimulator
) -> None:
    theirs = missive.webhooks.add(kind="incoming_email", url=URL)
    install(desk, URL)
    del missive.webhooks.hooks[rows(desk)[0][2]]
    removed = remove(desk)
    assert (len(removed.deleted), removed.doubtful) == (12, [])
    assert hooks(missive) == [theirs]
    assert rows(desk) == []


def test_after_a_lost_answer_there_may_be_two_and_that_is_said(desk: Settings, missive: MissiveSimulator) -> None:
    with proxy(missive.url) as between:
        between.after = lambda asked, given: Given(200, b"") if _makes_a_comment_hook(asked, given) else None
        with pytest.raises(VendorUnavailableError):
            install(desk.model_copy(update={"missive_url": between.url}), URL)
    [doubtful] = [event for _, event, number in rows(desk) if number is None]
    done = install(desk, URL)
    assert [hook.event for hook in done.doubtful] == [doubtful]
    assert len(hooks(missive)) == 13
    assert install(desk, URL).doubtful == []


def _makes_a_comment_hook(asked: Asked, given: Given) -> bool:
    return asked.path.endswith("/hooks") and given.status == 201 and len(given.content) > 0


@pytest.mark.parametrize("die_at", [9, 23, 37])
def test_an_install_that_was_killed_ends_right_when_it_runs_again_or_says_which_may_be_twice(
    desk: Settings, missive: MissiveSimulator, die_at: int
) -> None:
    assert run_in_child(lambda: install(desk, URL), die_at=die_at) is None
    done = install(desk, URL)
    assert {(hook.kind, hook.organization) for hook in hooks(missive)} == wanted(missive)
    assert len(hooks(missive)) <= 12 + len(done.doubtful)
    assert len(done.doubtful) <= 1


@pytest.mark.parametrize(
    ("changes", "url", "words"),
    [
        ({"missive_webhook_secret": None}, URL, "IBHELM_MISSIVE_WEBHOOK_SECRET is not set"),
        ({"missive_token": None}, URL, "Missive is not connected"),
        ({}, "http://hooks.example.com/webhooks/missive", "is not encrypted"),
        ({}, "https://hooks.example.com", "names no path"),
    ],
)
def test_what_cannot_work_is_refused_before_anything_is_made(
    desk: Settings, missive: MissiveSimulator, changes: dict[str, Any], url: str, words: str
) -> None:
    with pytest.raises(ConfigurationError, match=words):
        install(desk.model_copy(update=changes), url)
    assert not hooks(missive)
    assert rows(desk) == []


def test_before_the_first_reading_nobody_knows_the_organisations(settings: Settings, missive: MissiveSimulator) -> None:
    here = connected(settings, missive, missive_webhook_secret=SecretStr(SECRET))
    with pytest.raises(ConfigurationError, match="never read"):
        install(here, URL)


def test_a_kind_that_missive_refuses_is_told_and_the_others_are_made(desk: Settings, missive: MissiveSimulator) -> None:
    with proxy(missive.url) as between:
        said = json.dumps({"error": {"message": "Not in your plan"}}).encode()
        seen: list[str] = []

        def refuse(asked: Asked) -> Given | None:
            seen.append(asked.path)
            return Given(400, said) if asked.path.endswith("/hooks") and len(seen) == 2 else None

        between.before = refuse
        done = install(desk.model_copy(update={"missive_url": between.url}), URL)
    [reason] = done.refused.values()
    assert "Not in your plan" in reason
    assert len(hooks(missive)) == 11
    assert len(install(desk, URL).made) == 1


def test_the_command_says_what_only_a_person_can_do(
    desk: Settings, missive: MissiveSimulator, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("ibhelm_pipelines.cli_vendors.load_settings", lambda: desk)
    done = CliRunner().invoke(missive_webhooks, ["install", URL])
    assert done.exit_code == 0, done.output
    for word in ("12 rules made", URL, "IBHELM_MISSIVE_WEBHOOK_SECRET", "Outgoing", "Label change", "Assignee", "50"):
        assert word in done.output
    assert SECRET not in done.output
    listed = CliRunner().invoke(missive_webhooks, ["list"])
    assert (listed.exit_code, listed.output.count("new_comment")) == (0, 2)
    assert "No post of Missive ever came" in listed.output
    removed = CliRunner().invoke(missive_webhooks, ["remove"])
    assert "12 rules deleted" in removed.output
    assert CliRunner().invoke(missive_webhooks, ["list"]).exit_code == 1
    assert len(list_webhooks(desk).hooks) == 0


def silence(settings: Settings) -> str:
    """What the check says of hooks that tell nothing; nothing when it passes."""
    (question,) = [each for each in QUESTIONS if each.name == "missive_webhooks_silent"]
    with connect(settings.require_database_url(), application="test", autocommit=True) as connection:
        return ask(connection, question).problem


def test_hooks_that_tell_nothing_of_what_the_syncs_find_are_noticed(desk: Settings) -> None:
    url = desk.require_database_url()
    came = """update emails set created_at = now() - interval '1 hour', delivered_at = now() - interval '1 hour',
              from_address = 'kunde@firma.example' where id in (select min(id) from emails
              where type = 'email' and deleted_at is null group by missive_conversation_id order by 1 limit 5)"""
    tables.ask(url, came)
    assert silence(desk) == "", "none was ever installed"
    install(desk, URL)
    assert silence(desk) == "", "they are younger than the mails"
    tables.ask(url, "update ops.vendor_webhooks set looked_at = now() - interval '1 day'")
    assert "incoming_email" in silence(desk)
    named = """insert into ops.webhook_deliveries (vendor, delivery, event, body, kind, object_id, received_at)
               select 'missive', 'one', 'incoming_email', '', 'conversation', missive_conversation_id, now()
               from emails where created_at = (select max(created_at) from emails) limit 1"""
    tables.ask(url, named)
    assert silence(desk) == ""
