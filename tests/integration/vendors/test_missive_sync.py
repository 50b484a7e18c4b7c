"""What the office is promised of Missive, against the simulator over HTTP and a real Postgres."""

from __future__ import annotations

import datetime as dt
from dataclasses import replace
from math import ceil
from typing import TYPE_CHECKING, Any, Literal

import pytest
import tables
from killed_child import run_in_child
from missive_mirror import differences, wanted_conversations
from missive_office import connected
from tampering_proxy import Given, proxy
from teamwork_office import in_haste

from ibhelm_pipelines.demo.missive import actions
from ibhelm_pipelines.demo.missive.server import MissiveSimulator
from ibhelm_pipelines.errors import BusyError, ConfigurationError, VendorRefusedError, VendorUnavailableError
from ibhelm_pipelines.privacy.forget import forget
from ibhelm_pipelines.vendors import budget
from ibhelm_pipelines.vendors.missive import api
from ibhelm_pipelines.vendors.missive import sync as module
from ibhelm_pipelines.vendors.missive.sync import sync, sync_conversations, sync_months

if TYPE_CHECKING:
    from collections.abc import Iterator

    from tampering_proxy import Asked

    from ibhelm_pipelines.settings import Settings

NOT_WHAT_MISSIVE_SAYS = ("sync_cursors", "request_budgets", "conversation_reads", "sweep_gaps")
"""Tables that tell of our reading, and not of what was read."""


@pytest.fixture(autouse=True)
def haste(monkeypatch: pytest.MonkeyPatch) -> None:
    in_haste(monkeypatch)


@pytest.fixture
def missive() -> Iterator[MissiveSimulator]:
    with MissiveSimulator(projects=3, conversations=24, rate_limit=False) as simulator:
        yield simulator


def ask(settings: Settings, query: str, *values: Any) -> list[tuple[Any, ...]]:
    return tables.ask(settings.require_database_url(), query, *values)


def of_a_team(missive: MissiveSimulator, at_least: int = 1) -> dict[str, Any]:
    """A conversation that everybody in a team reads, and that has mails."""
    rows = wanted_conversations(missive.truth()).values()
    found = next(row for row in rows if row["team"] and not row["shared_labels"] and row["messages_count"] >= at_least)
    return missive.office.tables["conversations"][found["id"]]


def paths(missive: MissiveSimulator) -> dict[str, int]:
    return dict(missive.requests.by_path)


def what_is_stored(settings: Settings) -> dict[str, list[tuple[Any, ...]]]:
    """Every row of every table, and which transaction wrote it."""
    names = ask(
        settings, "select schemaname, tablename from pg_tables where schemaname in ('public', 'ops') order by 1, 2"
    )
    return {
        table: ask(settings, f"select t.xmin, t::text from {schema}.{table} t order by 2")
        for schema, table in names
        if table not in NOT_WHAT_MISSIVE_SAYS
    }


def test_seventy_conversations_of_one_second_are_all_read(settings: Settings) -> None:
    """A page holds fifty, and the next one begins at the same second."""
    with MissiveSimulator(projects=3, conversations=110, ties=100, rate_limit=False) as missive:
        here = connected(settings, missive)
        sync(here)
        times = [row["last_activity_at"] for row in wanted_conversations(missive.truth()).values()]
        assert max(times.count(time) for time in times) >= 70
        assert differences(here, missive.truth()) == []


def test_every_conversation_has_as_many_mails_as_missive_says_also_long_threads(
    settings: Settings, missive: MissiveSimulator
) -> None:
    here = connected(settings, missive)
    sync(here)
    counts = ask(
        here,
        """select c.messages_count, count(e.id) from conversations c
                          left join emails e on e.conversation_id = c.id and e.deleted_at is null group by c.id""",
    )
    assert [said for said, _ in counts] == [stored for _, stored in counts]
    assert max(said for said, _ in counts) >= 25


def test_trash_and_spam_are_read_too(settings: Settings, missive: MissiveSimulator) -> None:
    here, me = connected(settings, missive), missive.office.me
    rows = [row for row in missive.truth()["conversations"] if row["readable"] and row["team"] and not row["guest"]]
    for row, flag in zip(rows, ("trashed", "junked"), strict=False):
        actions.set_flag(missive.office, missive.office.tables["conversations"][row["id"]], flag, on=True)
    sync(here)
    assert me in [user for (user,) in ask(here, "select missive_user_id from conversation_users where is_trashed")]
    assert {state for (state,) in ask(here, "select distinct state from conversations")} >= {
        "trashed",
        "junked",
        "open",
    }
    assert differences(here, missive.truth()) == []


def test_a_sync_without_news_asks_little_and_writes_nothing(settings: Settings, missive: MissiveSimulator) -> None:
    here = connected(settings, missive)
    sync(here)
    before = what_is_stored(here)
    report = sync(here)
    assert report.requests <= 12, "the directory, and one page of each mailbox"
    assert what_is_stored(here) == before


@pytest.mark.parametrize(
    "conversations", [120, pytest.param(1200, marks=pytest.mark.soak, id="1200, some five thousand mails")]
)
def test_the_first_sync_asks_hardly_more_than_it_must(settings: Settings, conversations: int) -> None:
    with MissiveSimulator(projects=3, conversations=conversations, rate_limit=False) as missive:
        report = sync(connected(settings, missive))
        rows = wanted_conversations(missive.truth()).values()
        mails = sum(row["messages_count"] for row in rows)
        lists = sum(row["messages_count"] // 10 + 1 for row in rows) + len(rows)
        needed = ceil(len(rows) / api.CONVERSATION_ROWS[0]) + lists + ceil(mails / api.BULK_IDS)
        assert report.of("missive_emails").failed == 0
        assert report.requests <= 1.15 * needed, f"{report.requests} requests; {needed} are needed"


def test_the_vendors_limits_are_kept_while_everything_is_read_and_hooks_ask_too(
    settings: Settings, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The real ones, in time that runs a hundred times faster."""
    monkeypatch.setattr(api, "WINDOW_SECONDS", 9)
    monkeypatch.setattr(budget, "JITTER_SECONDS", 0.5)
    with MissiveSimulator(projects=3, conversations=260, rate_limit=True, window_factor=0.01) as missive:
        here = connected(settings, missive, missive_requests_per_15_minutes=900)
        missive.after_page = None
        report = sync(here)
        ids = sorted(wanted_conversations(missive.truth()))[:30]
        sync_conversations(here, ids)
        assert report.requests > 500
        assert missive.requests.by_status[429] == 0
        assert missive.requests.most_in_900_seconds <= 900
        assert missive.requests.most_in_60_seconds <= 300


def test_a_first_sync_that_is_killed_goes_on_where_it_was(settings: Settings) -> None:
    with MissiveSimulator(projects=3, conversations=120, rate_limit=False) as missive:
        here = connected(settings, missive)
        killed, die_at = 0, 400
        while run_in_child(lambda: sync(here), die_at=die_at) is None:
            killed += 1
            die_at = 1200 if killed < 6 else 100_000
        needed = len(wanted_conversations(missive.truth())) * 2
        assert killed == 6
        assert missive.requests.total <= 1.15 * needed + killed * (api.BULK_IDS + 20)
        assert differences(here, missive.truth()) == []


def test_a_sweep_that_breaks_off_in_the_list_asks_for_the_rest_and_for_what_is_new(
    settings: Settings, missive: MissiveSimulator, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(api, "CONVERSATION_ROWS", (5,))
    with proxy(missive.url.removesuffix("/v1")) as way:
        here = connected(settings, missive, missive_url=f"{way.url}/v1")

        def listings() -> list[Asked]:
            return [each for each in way.asked if each.path == "/v1/conversations" and "all=" in each.query]

        def before(asked: Asked) -> Given | None:
            return Given(400, b"{}") if len(listings()) == 3 and asked.path == "/v1/conversations" else None

        way.before = before
        with pytest.raises(Exception, match="does not accept"):
            sync(here)
        stored = {number for (number,) in ask(here, "select missive_id from conversations")}
        assert 5 <= len(stored) <= 14
        way.calm()
        missive.mutate(seed=1, count=3, names=["new mail"])
        way.asked.clear()
        sync(here)
        untils = [each.query for each in listings()]
        assert "until" not in untils[0]
        assert differences(here, missive.truth()) == []
        way.asked.clear()
        sync(here)
        assert len(listings()) <= 2, "no gap is left"


def test_what_moves_to_the_top_while_the_list_is_read_is_not_missed(
    settings: Settings, missive: MissiveSimulator
) -> None:
    here = connected(settings, missive)
    missive.after_page = lambda: missive.mutate(seed="moving", count=2, names=["reply", "comment"])
    sync(here)
    missive.after_page = None
    sync(here)
    assert differences(here, missive.truth()) == []


# --- whose conversations


def test_without_an_allow_list_nothing_is_read(settings: Settings, missive: MissiveSimulator) -> None:
    with pytest.raises(ConfigurationError, match="not said whose conversations"):
        sync(connected(settings, missive, missive_allowed=None))
    assert missive.requests.total == 0


@pytest.mark.parametrize(
    ("entry", "said"),
    [("team:Gibt es nicht", "names the team 'Gibt es nicht'"), ("Projekte", "names nobody"), ("team:", "names nobody")],
)
def test_a_name_that_missive_does_not_have_stops_everything(
    settings: Settings, missive: MissiveSimulator, entry: str, said: str
) -> None:
    here = connected(settings, missive, missive_allowed=("team:Projekte", entry))
    with pytest.raises(ConfigurationError, match=said):
        sync(here)
    assert ask(here, "select count(*) from conversations") == [(0,)]


def test_only_what_the_allow_list_names_is_stored(settings: Settings, missive: MissiveSimulator) -> None:
    sync(connected(settings, missive, missive_allowed=("team:projekte",)))
    [team] = [row["id"] for row in missive.truth()["teams"] if row["name"] == "Projekte"]
    truth = wanted_conversations(missive.truth()).values()
    assert {each for (each,) in ask(settings, "select missive_id from conversations")} == {
        row["id"] for row in truth if row["team"] == team
    }
    kept = ask(settings, "select distinct body ->> 'conversation_id' from ops.raw_records where kind = 'emails'")
    assert {each for (each,) in kept} <= {row["id"] for row in truth if row["team"] == team}


def test_a_personal_mailbox_is_read_only_where_it_is_named(settings: Settings, missive: MissiveSimulator) -> None:
    [me] = [row for row in missive.truth()["users"] if row["me"]]
    teams = tuple(f"team:{row['name']}" for row in missive.truth()["teams"])
    personal = {row["id"] for row in wanted_conversations(missive.truth()).values() if row["team"] is None}
    personal -= {row["id"] for row in missive.truth()["conversations"] if row["shared_labels"]}
    assert personal
    query = "select missive_id from conversations where deleted_at is null"
    sync(connected(settings, missive, missive_allowed=teams))
    assert personal.isdisjoint(each for (each,) in ask(settings, query))
    sync(connected(settings, missive, missive_allowed=(*teams, f"user:{me['email'].upper()}")))
    assert personal <= {each for (each,) in ask(settings, query)}, "a longer list is followed without being told to"


def test_a_label_lets_in_what_carries_it_or_one_below_it(settings: Settings, missive: MissiveSimulator) -> None:
    labels = {row["id"]: row for row in missive.truth()["shared_labels"]}
    parent = next(row["parent"] for row in labels.values() if row["parent"])
    below = {each for each, row in labels.items() if row["parent"] == parent} | {parent}
    sync(connected(settings, missive, missive_allowed=(f"label:{labels[parent]['name_with_parent_names']}",)))
    expected = {
        row["id"] for row in wanted_conversations(missive.truth()).values() if below & set(row["shared_labels"])
    }
    assert {each for (each,) in ask(settings, "select missive_id from conversations")} == expected
    assert expected


def test_what_the_settings_do_not_let_in_any_more_is_removed_with_all_that_hangs_on_it(
    settings: Settings, missive: MissiveSimulator
) -> None:
    sync(connected(settings, missive))
    sync(connected(settings, missive, missive_allowed=("team:Buchhaltung",)))
    [team] = [row["id"] for row in missive.truth()["teams"] if row["name"] == "Buchhaltung"]
    left = {row["id"] for row in wanted_conversations(missive.truth()).values() if row["team"] == team}
    assert {each for (each,) in ask(settings, "select missive_id from conversations")} == left
    for kind in ("emails", "email_comments"):
        rows = ask(settings, f"select distinct missive_conversation_id from {kind}")
        raw = ask(settings, "select distinct body ->> 'conversation_id' from ops.raw_records where kind = %s", kind)
        assert {each for (each,) in rows} | {each for (each,) in raw} <= left
    assert ask(settings, "select count(*) from email_attachments where email_id is null and comment_id is null") == [
        (0,)
    ]
    kinds = ask(settings, "select vendor_id from ops.raw_records where kind = 'conversations'")
    assert {each for (each,) in kinds} == left


# --- what vanishes, merges, moves


def test_a_conversation_that_was_deleted_is_found_missing_and_comes_back_if_it_does(
    settings: Settings, missive: MissiveSimulator
) -> None:
    here, row = connected(settings, missive), of_a_team(missive)
    sync(here)
    mails = """select e.id from emails e join conversations c on c.id = e.conversation_id
               where c.missive_id = %s and e.deleted_at is null order by 1"""
    ids = ask(here, mails, row["id"])
    actions.delete_conversation(missive.office, row)
    sync(here)
    live = "select deleted_at is null from conversations where missive_id = %s"
    assert ask(here, live, row["id"]) == [(True,)], "a quick sync cannot know"
    sync(here, full=True)
    assert ask(here, live, row["id"]) == [(False,)]
    assert differences(here, missive.truth()) == []
    missive.office.change(row, {"_gone": False})
    for each in missive.office.everything_inside("messages", row["id"]):
        missive.office.change(each, {"_gone": False})
    sync(here, full=True)
    back = ask(here, mails, row["id"])
    assert back == ids, "rows, not new ones"


def test_so_many_that_vanish_at_once_are_not_believed_until_a_person_says_so(
    settings: Settings, missive: MissiveSimulator
) -> None:
    here = connected(settings, missive)
    sync(here)
    before = ask(here, "select count(*) from conversations where deleted_at is null")
    for row in list(wanted_conversations(missive.truth()).values())[:12]:
        actions.delete_conversation(missive.office, missive.office.tables["conversations"][row["id"]])
    report = sync(here, full=True)
    assert report.refused == 12
    assert ask(here, "select count(*) from conversations where deleted_at is null") == before
    assert ask(here, "select sum(refused_deletions) from ops.sync_cursors where source = 'missive'") == [(12,)]
    assert sync(here, full=True, confirm_deletions=True).refused == 0
    assert differences(here, missive.truth()) == []


@pytest.mark.parametrize("survivor", ["target", "other", "new"])
def test_a_merged_conversation_leads_to_the_one_that_holds_its_mails(
    settings: Settings, missive: MissiveSimulator, survivor: Literal["target", "other", "new"]
) -> None:
    here = connected(settings, missive)
    sync(here)
    wanted = sorted(row["id"] for row in wanted_conversations(missive.truth()).values() if row["team"])[:2]
    ids = dict(ask(here, "select missive_id, id from emails"))
    missive.switches = replace(missive.switches, merge_survivor=survivor)
    actions.merge(missive.office, *(missive.office.tables["conversations"][each] for each in wanted))
    sync_conversations(here, wanted)
    merged = ask(
        here,
        """select s.missive_id, c.deleted_at is not null, s.deleted_at is null
           from conversations c join conversations s on s.id = c.merged_into_id""",
    )
    assert len(merged) == (2 if survivor == "new" else 1)
    assert {each[1:] for each in merged} == {(True, True)}
    assert differences(here, missive.truth()) == []
    assert dict(ask(here, "select missive_id, id from emails")) == ids


def test_a_mail_that_was_filed_elsewhere_moves_and_one_that_was_deleted_goes(
    settings: Settings, missive: MissiveSimulator, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(module, "YOUNG_DAYS", 10_000)  # that a comment was deleted is seen in young conversations only
    here = connected(settings, missive)
    sync(here)
    missive.mutate(seed=3, count=3, names=["move message"])
    missive.mutate(seed=4, count=3, names=["delete message", "delete comment"])
    sync(here, full=True)
    assert differences(here, missive.truth()) == []


def test_a_mail_that_is_deleted_and_comes_back_keeps_its_attachments_and_their_files(
    settings: Settings, missive: MissiveSimulator
) -> None:
    here = connected(settings, missive)
    sync(here)
    [(mail, attachment, number)] = ask(
        here,
        """select e.missive_id, a.id, c.missive_id from email_attachments a join emails e on e.id = a.email_id
           join conversations c on c.id = e.conversation_id where c.messages_count > 1 limit 1""",
    )
    ask(here, "insert into contents (hash, size_bytes) values (repeat('a', 64), 1) returning 1")
    ask(here, "update email_attachments set content_hash = repeat('a', 64) where id = %s returning 1", attachment)
    message = missive.office.tables["messages"][mail]
    missive.office.change(message, {"_gone": True})
    sync_conversations(here, [number])
    query = "select a.deleted_at is null, a.content_hash from email_attachments a where id = %s"
    assert ask(here, query, attachment) == [(False, "a" * 64)]
    missive.office.change(message, {"_gone": False})
    sync_conversations(here, [number])
    assert ask(here, query, attachment) == [(True, "a" * 64)]


# --- what goes wrong


def test_a_malformed_mail_is_stored_or_refused_with_a_reason_and_harms_no_other(settings: Settings) -> None:
    with MissiveSimulator(projects=3, conversations=21, malformed=True, rate_limit=False) as missive:
        here = connected(settings, missive)
        report = sync(here)
        refused = ask(here, "select vendor_id, error from ops.raw_records where error is not null")
        assert report.of("missive_emails").failed == len(refused)
        assert report.due == 0
        lost = {number for number, _ in refused}
        found = [each for each in differences(here, missive.truth()) if not any(number in each for number in lost)]
        assert found == []
        assert len(lost) <= 2, refused


def test_a_conversation_that_cannot_be_read_stops_no_other_and_is_tried_again(
    settings: Settings, missive: MissiveSimulator
) -> None:
    row = of_a_team(missive)
    with proxy(missive.url.removesuffix("/v1")) as way:
        here = connected(settings, missive, missive_url=f"{way.url}/v1")
        way.before = lambda asked: Given(500, b"oops") if f"{row['id']}/messages" in asked.path else None
        report = sync(here)
        assert report.due == 1
        [(error,)] = ask(here, "select error from ops.conversation_reads where error is not null")
        assert "500" in error
        found = differences(here, missive.truth())
        assert found
        messages = {each["id"] for each in missive.truth()["messages"] if each["conversation"] == row["id"]}
        comments = {each["id"] for each in missive.truth()["comments"] if each["conversation"] == row["id"]}
        assert all(
            each.startswith("attachment") or any(number in each for number in messages | comments) for each in found
        )
        way.calm()
        ask(here, "update ops.conversation_reads set next_try_at = now() where error is not null returning 1")
        assert sync(here).due == 0
        assert differences(here, missive.truth()) == []


def test_a_body_that_cannot_be_read_keeps_back_its_own_conversation_only(
    settings: Settings, missive: MissiveSimulator
) -> None:
    row = of_a_team(missive)
    mail = next(
        each["id"] for each in missive.truth()["messages"] if each["conversation"] == row["id"] and each["readable"]
    )
    with proxy(missive.url.removesuffix("/v1")) as way:
        here = connected(settings, missive, missive_url=f"{way.url}/v1")
        way.before = lambda asked: Given(500, b"oops") if mail in asked.path else None
        assert sync(here).due == 1
        stored = ask(here, "select count(*) from emails")[0][0]
        readable = [
            each for each in missive.truth()["messages"] if each["readable"] and each["conversation"] != row["id"]
        ]
        wanted = wanted_conversations(missive.truth())
        assert stored == sum(each["conversation"] in wanted for each in readable)


def test_what_vanished_and_cannot_be_asked_for_stays_and_stops_nothing_else(
    settings: Settings, missive: MissiveSimulator
) -> None:
    with proxy(missive.url.removesuffix("/v1")) as way:
        here = connected(settings, missive, missive_url=f"{way.url}/v1")
        sync(here)
        row, other = [each for each in wanted_conversations(missive.truth()).values() if each["messages_count"] > 1][:2]
        actions.delete_conversation(missive.office, missive.office.tables["conversations"][row["id"]])
        [mail, *_] = missive.office.inside("messages", other["id"])
        actions.delete_message(missive.office, mail)
        missive.mutate(seed=9, count=2, names=["new mail"])
        doubtful = (f"/v1/conversations/{row['id']}", f"/v1/messages/{mail['id']}")
        way.before = lambda asked: Given(500, b"oops") if asked.path in doubtful else None
        sync(here, full=True)
        assert len(differences(here, missive.truth())) > 0
        live = ask(here, "select deleted_at is null from conversations where missive_id = %s", row["id"])
        assert live == [(True,)], "nobody knows whether it is gone"
        newest = max(each["delivered_at"] for each in missive.truth()["messages"] if each["readable"])
        assert ask(here, "select extract(epoch from max(delivered_at))::bigint from emails") == [(newest,)]
        way.calm()
        sync(here, full=True)
        assert differences(here, missive.truth()) == []


def test_a_missive_that_is_down_ends_the_sync_and_loses_nothing(settings: Settings, missive: MissiveSimulator) -> None:
    here = connected(settings, missive)
    sync(here)
    before = what_is_stored(here)
    missive.mutate(seed=5, count=30)
    missive.faults = missive.faults.changed({"server_error": 1.0})
    with pytest.raises(VendorUnavailableError):
        sync(here, full=True)
    assert what_is_stored(here) == before
    missive.faults = missive.faults.changed({"server_error": 0.0, "token_expired": True})
    with pytest.raises(VendorRefusedError, match="IBHELM_MISSIVE_TOKEN"):
        sync(here, full=True)
    assert what_is_stored(here) == before


def test_an_answer_of_another_shape_is_no_empty_list(settings: Settings, missive: MissiveSimulator) -> None:
    with proxy(missive.url.removesuffix("/v1")) as way:
        here = connected(settings, missive, missive_url=f"{way.url}/v1")
        sync(here)
        before = what_is_stored(here)
        for body in ({}, {"conversations": {}}, {"errors": ["no"]}, {"conversations": [{"subject": "ohne id"}]}):
            way.after = lambda asked, given, body=body: (  # type: ignore[misc]
                given.with_body(body) if asked.path == "/v1/conversations" else None
            )
            with pytest.raises(VendorUnavailableError):
                sync(here, full=True)
        assert what_is_stored(here) == before


def test_two_syncs_at_once_are_one(settings: Settings, missive: MissiveSimulator) -> None:
    here = connected(settings, missive)
    with proxy(missive.url.removesuffix("/v1")) as way:
        through = connected(settings, missive, missive_url=f"{way.url}/v1")
        refusals = []

        def after(asked: Asked, given: Given) -> Given:
            if asked.path == "/v1/conversations" and not refusals:
                with pytest.raises(BusyError) as error:
                    sync(here)
                refusals.append(error.value)
            return replace(given)

        way.after = after
        sync(through)
    assert len(refusals) == 1


def test_a_month_is_read_again_whole_and_repairs_what_was_damaged(
    settings: Settings, missive: MissiveSimulator
) -> None:
    here = connected(settings, missive)
    sync(here)
    [(mail, month)] = ask(
        here,
        """select e.missive_id, to_char(c.last_activity_at at time zone 'utc', 'YYYY-MM') from emails e
           join conversations c on c.id = e.conversation_id order by c.last_activity_at limit 1""",
    )
    ask(here, "update emails set body_text = 'kaputt', subject = 'kaputt' where missive_id = %s returning 1", mail)
    cursors = ask(here, "select * from ops.sync_cursors where resource like 'conversations%%' order by resource")
    report = sync_months(here, [month])
    assert set(report.counts["missive_emails"]) == {f"{month}-01"}
    assert differences(here, missive.truth()) == []
    assert ask(here, "select count(*) from emails where body_text = 'kaputt'") == [(0,)]
    assert (
        ask(here, "select * from ops.sync_cursors where resource like 'conversations%%' order by resource") == cursors
    )


def test_single_conversations_are_told_in_the_outbox_by_month(settings: Settings, missive: MissiveSimulator) -> None:
    here, row = connected(settings, missive), of_a_team(missive)
    sync(here)
    missive.mutate(seed=6, count=1, names=["new mail"])
    new = max(missive.truth()["conversations"], key=lambda each: each["created_at"])
    sync_conversations(here, [new["id"], row["id"], "00000000-0000-4000-8000-000000000000"])
    month = f"{dt.datetime.fromtimestamp(new['last_activity_at'], dt.UTC):%Y-%m-01}"
    told = ask(here, "select asset, folder from ops.outbox where asset like 'missive%%'")
    assert {("missive_conversations", month), ("missive_emails", month)} <= set(told)
    assert differences(here, missive.truth()) == []


def test_a_person_who_was_forgotten_does_not_come_back_and_the_counts_stay_right(
    settings: Settings, missive: MissiveSimulator
) -> None:
    here = connected(settings, missive)
    sync(here)
    [(address, name)] = ask(
        here,
        """select from_address, min(from_name) from emails where type = 'email' and from_address like '%%@%%'
           group by 1 order by count(*) desc limit 1""",
    )
    forget(here, [address])
    missive.mutate(seed=8, count=10, names=["reply", "new mail"])
    sync(here, full=True)
    [month] = ask(here, "select to_char(max(last_activity_at), 'YYYY-MM') from conversations")
    sync_months(here, month)
    assert ask(here, "select count(*) from emails where from_address = %s", address) == [(0,)]
    assert ask(here, "select count(*) from email_recipients where address = %s", address) == [(0,)]
    raw = "select count(*) from ops.raw_records where body ->> 'from_field' ilike '%%' || %s || '%%'"
    assert ask(here, raw, address) == [(0,)]
    counts = ask(
        here,
        """select c.missive_id, c.messages_count, count(e.id) + (
               select count(*) from ops.forgotten_messages f where f.missive_conversation_id = c.missive_id)
           from conversations c left join emails e on e.conversation_id = c.id and e.deleted_at is null
           where c.deleted_at is null group by c.id""",
    )
    assert [each for each in counts if each[1] != each[2]] == []
    assert ask(here, "select count(*) > 0 from ops.forgotten_messages") == [(True,)], name
