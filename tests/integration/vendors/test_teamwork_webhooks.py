"""Our webhooks in Teamwork: one for each event, ours alone, and never switched off without somebody being told."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import pytest
import tables
from click.testing import CliRunner
from killed_child import run_in_child
from pydantic import SecretStr
from scripted_server import ScriptedServer, reply
from teamwork_office import PLENTY, connected

from ibhelm_pipelines.cli import main
from ibhelm_pipelines.db.checks import TEAMWORK_QUESTIONS
from ibhelm_pipelines.db.connect import connect
from ibhelm_pipelines.db.question import ask
from ibhelm_pipelines.demo.teamwork.api_v1 import EVENTS
from ibhelm_pipelines.demo.teamwork.server import TeamworkSimulator
from ibhelm_pipelines.demo.teamwork.webhooks import Webhook
from ibhelm_pipelines.demo.vendor.faults import Faults
from ibhelm_pipelines.errors import (
    ConfigurationError,
    IbhelmError,
    VendorForbiddenError,
    VendorRefusedError,
    VendorUnavailableError,
)
from ibhelm_pipelines.settings import Settings
from ibhelm_pipelines.vendors.teamwork.webhooks import MIRRORED, check_webhooks, install, list_webhooks, remove

URL = "https://hooks.example.com/webhooks/teamwork"
ELSEWHERE = "https://planner.example.com/webhooks/teamwork"
SECRET = "planted-secret-of-the-webhooks"
WANTED = sorted(event for event in EVENTS if event.partition(".")[0] in MIRRORED and event != "TASK.REMINDER")


@pytest.fixture(scope="module")
def office() -> Iterator[TeamworkSimulator]:
    with TeamworkSimulator(projects=3, tasks=5, rate_limit=PLENTY) as simulator:
        yield simulator


@pytest.fixture
def teamwork(office: TeamworkSimulator) -> TeamworkSimulator:
    office.webhooks.hooks.clear()
    office.webhooks.enabled = True
    office.faults = Faults()
    return office


@pytest.fixture
def desk(settings: Settings, teamwork: TeamworkSimulator) -> Settings:
    return connected(settings, teamwork, teamwork_webhook_secret=SecretStr(SECRET))


def hooks(teamwork: TeamworkSimulator) -> list[Webhook]:
    return list(teamwork.webhooks.hooks.values())


def assert_right(teamwork: TeamworkSimulator, url: str = URL) -> None:
    """One active webhook for each event that we mirror, signed and in JSON; none is twice or elsewhere."""
    found = [hook for hook in hooks(teamwork) if hook.url != ELSEWHERE]
    assert sorted(hook.event for hook in found) == WANTED
    for hook in found:
        said = (hook.url, hook.version, hook.content_type, hook.token, hook.status, hook.project_id)
        assert said == (url, "2", "application/json", SECRET, "ACTIVE", None)


def problem(settings: Settings) -> str:
    """What the check says of the webhooks; nothing when it passes."""
    (question,) = [each for each in TEAMWORK_QUESTIONS if each.name == "teamwork_webhook_switched_off"]
    with connect(settings.require_database_url(), application="test", autocommit=True) as connection:
        return ask(connection, question).problem


def an_hour_passes(settings: Settings, hours: int = 1) -> None:
    """Nothing was looked at lately any more."""
    columns = ("looked_at", "found_off_at", "found_off_before")
    earlier = ", ".join(f"{column} = {column} - interval '{hours} hours'" for column in columns)
    tables.ask(settings.require_database_url(), f"update ops.vendor_webhooks set {earlier}")


def rows(settings: Settings) -> list[tuple[Any, ...]]:
    return tables.ask(settings.require_database_url(), "select url, event, is_active from ops.vendor_webhooks")


def test_an_install_makes_one_signed_json_webhook_for_each_event_that_we_mirror(
    desk: Settings, teamwork: TeamworkSimulator
):
    done = install(desk, URL)
    assert_right(teamwork)
    assert sorted(done.made) == WANTED
    assert (done.kept, done.deleted, done.refused, done.missing) == ([], 0, {}, [])
    assert sorted(rows(desk)) == [(URL, event, True) for event in WANTED]


def test_a_second_install_makes_nothing_and_keeps_the_ids(desk: Settings, teamwork: TeamworkSimulator):
    install(desk, URL)
    before = {hook.id: hook.event for hook in hooks(teamwork)}
    done = install(desk, URL)
    assert {hook.id: hook.event for hook in hooks(teamwork)} == before
    assert (done.made, sorted(done.kept), done.deleted) == ([], WANTED, 0)


def test_what_is_wrong_with_ours_is_put_right(desk: Settings, teamwork: TeamworkSimulator):
    install(desk, URL)
    broken = hooks(teamwork)
    broken[0].version, broken[1].content_type = "1", "application/x-www-form-urlencoded"
    broken[2].token, broken[3].status, broken[4].status = "former secret", "INACTIVE", "PAUSED"
    del teamwork.webhooks.hooks[broken[5].id]
    twice = teamwork.webhooks.add(event=broken[6].event, url=URL, status="INACTIVE")
    scoped = teamwork.webhooks.add(event=broken[7].event, url=URL + "/", project_id=4711)
    done = install(desk, URL)
    assert_right(teamwork)
    assert done.made == [broken[5].event]
    assert done.deleted == 2
    assert not {twice.id, scoped.id} & teamwork.webhooks.hooks.keys()


def test_of_two_for_one_event_the_one_that_works_stays(desk: Settings, teamwork: TeamworkSimulator):
    off = teamwork.webhooks.add(event="TASK.UPDATED", url=URL, status="INACTIVE")
    good = teamwork.webhooks.add(event="TASK.UPDATED", url=URL)
    install(desk, URL)
    assert off.id not in teamwork.webhooks.hooks
    assert good.id in teamwork.webhooks.hooks


def test_an_install_at_another_address_moves_all_of_ours(desk: Settings, teamwork: TeamworkSimulator):
    install(desk, "https://old.example.com/webhooks/teamwork")
    before = set(teamwork.webhooks.hooks)
    install(desk, URL)
    assert_right(teamwork)
    assert set(teamwork.webhooks.hooks) == before
    assert {url for url, _, _ in rows(desk)} == {URL}


def test_webhooks_of_others_are_never_touched(desk: Settings, teamwork: TeamworkSimulator):
    others = [
        teamwork.webhooks.add(event="TASK.UPDATED", url=ELSEWHERE, token="theirs"),
        teamwork.webhooks.add(event="TASK.UPDATED", url=ELSEWHERE, status="INACTIVE"),
        teamwork.webhooks.add(event="TIME.CREATED", url=ELSEWHERE, project_id=4711),
    ]
    before = [str(hook) for hook in others]
    install(desk, URL)
    an_hour_passes(desk)
    check_webhooks(desk)
    remove(desk)
    assert [str(hook) for hook in hooks(teamwork)] == before


def test_webhooks_are_listed_beyond_the_first_page(desk: Settings, teamwork: TeamworkSimulator):
    for _ in range(260):
        teamwork.webhooks.add(event="TASK.UPDATED", url=ELSEWHERE)
    install(desk, URL)
    install(desk, URL)
    assert_right(teamwork)
    assert len(list_webhooks(desk).webhooks) == 260 + len(WANTED)


@pytest.mark.parametrize("address", [URL, "https://old.example.com/webhooks/teamwork"])
def test_an_install_that_was_killed_anywhere_ends_right_when_it_runs_again(
    desk: Settings, teamwork: TeamworkSimulator, address: str
):
    install(desk, address)
    statements = run_in_child(lambda: install(desk, URL), die_at=None)
    assert statements is not None
    for die_at in range(2, len(statements), 9):
        remove(desk)
        if address != URL:
            install(desk, address)
        teamwork.webhooks.add(event="TASK.MOVED", url=URL)  # too many: there is always something to do
        assert run_in_child(lambda: install(desk, URL), die_at=die_at) is None
        install(desk, URL)
        assert_right(teamwork)
        assert {url for url, _, _ in rows(desk)} == {URL}


def test_what_a_killed_install_made_is_known_as_ours(desk: Settings, teamwork: TeamworkSimulator):
    assert run_in_child(lambda: install(desk, URL), die_at=25) is None
    assert hooks(teamwork)
    remove(desk)
    assert not hooks(teamwork)


def test_a_post_whose_answer_got_lost_leaves_no_duplicate(desk: Settings, teamwork: TeamworkSimulator):
    teamwork.faults = Faults(truncated_json=0.1)
    for _ in range(200):
        try:
            install(desk, URL)
        except VendorUnavailableError:
            continue
        break
    teamwork.faults = Faults()
    install(desk, URL)
    assert_right(teamwork)


def test_an_install_switches_webhooks_on_where_the_whole_account_had_them_off(
    desk: Settings, teamwork: TeamworkSimulator
):
    teamwork.webhooks.enabled = False
    install(desk, URL)
    assert teamwork.webhooks.enabled


def test_a_check_resumes_what_was_switched_off_and_says_so(desk: Settings, teamwork: TeamworkSimulator):
    install(desk, URL)
    off = hooks(teamwork)[:2]
    for hook in off:
        hook.status = "INACTIVE"
    an_hour_passes(desk)
    seen = check_webhooks(desk)
    assert_right(teamwork)
    assert seen.resumed == sorted(hook.event for hook in off)
    assert (seen.looked, seen.active, seen.missing, seen.problem) == (True, len(WANTED), [], "")
    assert problem(desk) == ""


def test_what_is_switched_off_twice_within_two_days_is_a_problem_though_it_was_resumed(
    desk: Settings, teamwork: TeamworkSimulator
):
    install(desk, URL)
    for _ in range(2):
        hooks(teamwork)[0].status = "INACTIVE"
        an_hour_passes(desk)
        check_webhooks(desk)
    assert_right(teamwork)
    assert "1 webhooks in Teamwork do not work" in problem(desk)
    assert "switched off twice in two days" in problem(desk)
    an_hour_passes(desk, hours=49)
    check_webhooks(desk)
    assert problem(desk) == ""


def test_a_webhook_that_somebody_deleted_is_a_problem_until_the_next_install(
    desk: Settings, teamwork: TeamworkSimulator
):
    install(desk, URL)
    assert problem(desk) == ""
    event = teamwork.webhooks.hooks.popitem()[1].event
    an_hour_passes(desk)
    assert check_webhooks(desk).missing == [event]
    assert f"{event}: missing" in problem(desk)
    install(desk, URL)
    assert problem(desk) == ""


def test_one_that_does_not_come_back_is_a_problem(desk: Settings, teamwork: TeamworkSimulator):
    install(desk, URL)
    hooks(teamwork)[0].status = "INACTIVE"
    list_webhooks(desk)  # looks, and changes nothing
    assert hooks(teamwork)[0].status == "INACTIVE"
    assert "INACTIVE" in problem(desk)


def test_a_check_asks_teamwork_nothing_where_nothing_is_installed(desk: Settings, teamwork: TeamworkSimulator):
    before = teamwork.requests.as_counters()
    assert not check_webhooks(desk).looked
    assert teamwork.requests.as_counters() == before
    assert problem(desk) == ""


def test_a_check_looks_once_an_hour_and_at_once_after_a_killed_install(desk: Settings, teamwork: TeamworkSimulator):
    assert run_in_child(lambda: install(desk, URL), die_at=25) is None
    assert check_webhooks(desk).missing
    assert "missing" in problem(desk)
    assert not check_webhooks(desk).looked
    an_hour_passes(desk)
    assert check_webhooks(desk).looked


def test_without_a_token_nothing_is_looked_at(desk: Settings):
    install(desk, URL)
    an_hour_passes(desk)
    assert not check_webhooks(desk.model_copy(update={"teamwork_token": None})).looked


@pytest.mark.parametrize("act", [lambda desk: install(desk, URL), list_webhooks, remove])
def test_who_is_no_administrator_is_told_so(desk: Settings, teamwork: TeamworkSimulator, act: Any):
    teamwork.faults = Faults(forbidden=("/webhooks",))
    with pytest.raises(VendorForbiddenError, match="Only an administrator of Teamwork"):
        act(desk)


def test_a_check_that_lost_its_right_does_not_say_that_all_is_well(desk: Settings, teamwork: TeamworkSimulator):
    install(desk, URL)
    teamwork.faults = Faults(forbidden=("/webhooks",))
    an_hour_passes(desk)
    assert "403" in check_webhooks(desk).problem
    assert "403" in problem(desk)
    teamwork.faults = Faults()
    an_hour_passes(desk)
    assert check_webhooks(desk).problem == ""
    assert problem(desk) == ""


def test_an_expired_token_is_an_error_and_forgets_nothing(desk: Settings, teamwork: TeamworkSimulator):
    install(desk, URL)
    before = rows(desk)
    an_hour_passes(desk)
    teamwork.faults = Faults(token_expired=True)
    with pytest.raises(VendorRefusedError):
        check_webhooks(desk)
    with pytest.raises(VendorRefusedError):
        remove(desk)
    assert rows(desk) == before


@pytest.mark.parametrize(
    ("changes", "url", "words"),
    [
        ({"teamwork_webhook_secret": None}, URL, "IBHELM_TEAMWORK_WEBHOOK_SECRET is not set"),
        ({"teamwork_token": None}, URL, "Teamwork is not connected"),
        ({"teamwork_url": None}, URL, "Teamwork is not connected"),
        ({}, "http://hooks.example.com/webhooks/teamwork", "is not encrypted"),
        ({}, "https://hooks.example.com", "names no path"),
        ({}, "hooks.example.com/webhooks/teamwork", "is no address of a web server"),
        ({}, "https://me:secret@hooks.example.com/webhooks/teamwork", "holds a password"),
    ],
)
def test_what_cannot_work_is_refused_before_anything_is_changed(
    desk: Settings, teamwork: TeamworkSimulator, changes: dict[str, Any], url: str, words: str
):
    with pytest.raises(ConfigurationError, match=words):
        install(desk.model_copy(update=changes), url)
    assert not hooks(teamwork)
    assert rows(desk) == []


def test_a_receiver_on_this_machine_needs_no_encryption(desk: Settings, teamwork: TeamworkSimulator):
    install(desk, "http://127.0.0.1:8010/webhooks/teamwork")
    assert_right(teamwork, "http://127.0.0.1:8010/webhooks/teamwork")


@pytest.mark.parametrize(
    ("answer", "makes"),
    [
        (reply(404, {"MESSAGE": "Not found", "STATUS": "Error"}), 39),  # the fixed list
        (reply(200, {"STATUS": "OK", "events": [{"event": "TASK.CREATED"}, {"event": "TAG.CREATED"}]}), 2),
        (reply(200, {"STATUS": "OK", "events": {"TASK.CREATED": "", "INVOICE.CREATED": "", "TASK.REMINDER": ""}}), 1),
    ],
)
def test_events_are_those_that_teamwork_offers_in_whatever_shape(desk: Settings, answer: bytes, makes: int):
    none = reply(200, {"STATUS": "OK", "webhooks": None})
    with ScriptedServer(
        [reply(200, {"STATUS": "OK"}), answer, none, *[reply(201, {"id": "7"})] * makes, none]
    ) as server:
        done = install(desk.model_copy(update={"teamwork_url": server.url}), URL)
    assert len(done.made) == makes
    assert len(set(done.made)) == makes


def test_an_answer_that_is_no_list_of_webhooks_makes_none_twice(desk: Settings):
    strange = reply(200, {"STATUS": "Error"})
    with (
        ScriptedServer([reply(200, {}), reply(200, {"events": ["TASK.CREATED"]}), strange]) as server,
        pytest.raises(IbhelmError, match="does not hold a list of webhooks"),
    ):
        install(desk.model_copy(update={"teamwork_url": server.url}), URL)
    assert "POST" not in {request.method for request in server.requests}


def test_an_event_that_teamwork_refuses_is_told_and_the_others_are_made(desk: Settings):
    none = reply(200, {"webhooks": []})
    script = [
        reply(200, {}),
        reply(200, {"events": ["TASK.CREATED", "TASK.UPDATED"]}),
        none,
        reply(422, {"MESSAGE": "No more webhooks in your plan", "STATUS": "Error"}),
        reply(201, {"id": "7"}),
        reply(200, {"webhooks": [{"id": "7", "event": "task.updated", "url": URL, "status": "ACTIVE"}]}),
    ]
    with ScriptedServer(script) as server:
        done = install(desk.model_copy(update={"teamwork_url": server.url}), URL)
    assert (done.made, done.missing) == (["TASK.UPDATED"], ["TASK.CREATED"])
    assert "No more webhooks in your plan" in done.refused["TASK.CREATED"]
    assert "TASK.CREATED: missing" in problem(desk)


@pytest.fixture
def shell(desk: Settings, monkeypatch: pytest.MonkeyPatch) -> CliRunner:
    """The command in a terminal that knows these settings."""
    for name in ("database_url", "teamwork_token", "teamwork_webhook_secret"):
        monkeypatch.setenv(f"IBHELM_{name.upper()}", getattr(desk, name).get_secret_value())
    for name in ("excluded_projects", "excluded_companies"):
        monkeypatch.setenv(f"IBHELM_TEAMWORK_{name.upper()}", "none")
    monkeypatch.setenv("IBHELM_TEAMWORK_URL", str(desk.teamwork_url))
    monkeypatch.setenv("IBHELM_TEAMWORK_REQUESTS_PER_MINUTE", str(PLENTY))
    monkeypatch.setenv("COLUMNS", "200")
    return CliRunner()


def test_the_commands_say_what_they_did_and_what_is_missing(shell: CliRunner, teamwork: TeamworkSimulator):
    def run(*words: str) -> tuple[int, str]:
        result = shell.invoke(main, ["teamwork-webhooks", *words])
        return result.exit_code, result.output

    teamwork.webhooks.add(event="TASK.UPDATED", url=ELSEWHERE)
    assert "None of them is ours" in run("list")[1]
    assert run("install", URL) == (0, f"{len(WANTED)} webhooks made, 0 kept, 0 deleted that were too many.\n"
                                      f"Teamwork posts to {URL}.\n")  # fmt: skip
    status, said = run("list")
    assert status == 0
    assert "the last post of Teamwork: never" in said
    assert said.count("yes") == len(WANTED)
    assert said.count(ELSEWHERE) == 1
    hooks(teamwork)[-1].status = "PAUSED"
    status, said = run("list")
    assert status == 1
    assert f"Without an active webhook: {hooks(teamwork)[-1].event}" in said
    assert run("remove") == (0, f"{len(WANTED)} webhooks deleted.\n")
    assert run("remove") == (0, "There was none of ours.\n")
    assert SECRET not in said


def test_a_command_that_cannot_work_ends_with_a_sentence(shell: CliRunner, teamwork: TeamworkSimulator):
    teamwork.faults = Faults(forbidden=("/webhooks",))
    result = shell.invoke(main, ["teamwork-webhooks", "install", URL])
    assert result.exit_code == 1
    assert "Only an administrator of Teamwork" in result.output
