"""Each switch of the simulated Missive gives either answer that the real service may give."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import replace
from random import Random

import pytest
import requests
from missive_asker import MissiveAsker, Row
from simulated_clock import Clock

from ibhelm_pipelines.demo.missive import actions
from ibhelm_pipelines.demo.missive.server import MissiveSimulator
from ibhelm_pipelines.demo.missive.state import Office
from ibhelm_pipelines.demo.missive.switches import Switches
from ibhelm_pipelines.errors import ConfigurationError


@pytest.fixture
def asker(missive) -> MissiveAsker:
    return MissiveAsker(missive)


def _switch(asker: MissiveAsker, **switches: object) -> None:
    asker.missive.switches = replace(Switches(), **switches)


def _conversation(office: Office, **values: object) -> Row:
    """A conversation of the token's user with several mails, which last changed long ago."""
    for row in office.live("conversations"):
        is_plain = row["team"] and not row["_guest"] and office.me in row["users"] and not row["users"][office.me]
        if is_plain and len(office.inside("messages", row["id"])) > 2 and all(row[k] == v for k, v in values.items()):
            return row
    raise AssertionError(f"no conversation with {values}")


@contextmanager
def _changing(asker: MissiveAsker) -> Iterator[tuple[Office, Row]]:
    office = asker.missive.office
    with office.lock:
        yield office, _conversation(office)


def _label(office: Office, row: Row) -> None:
    actions.set_labels(office, row, [next(iter(office.tables["shared_labels"]))])


def _close(office: Office, row: Row) -> None:
    actions.set_flag(office, row, "closed", on=True)


def _assign(office: Office, row: Row) -> None:
    actions.assign(office, row, [office.me])


def _rename(office: Office, row: Row) -> None:
    actions.rename(office, row, "Neu")


def _draft(office: Office, row: Row) -> None:
    message = office.inside("messages", row["id"])[0]
    actions.add_draft(office, {**message, "id": "draft", "delivered_at": None})


def _task(office: Office, row: Row) -> None:
    comment = office.add("comments", {"conversation": row["id"], "created_at": 1, "attachment": None, "task": {}})
    actions.edit_task(office, comment, state="closed")


def _merge(office: Office, row: Row) -> None:
    other = next(each for each in office.live("conversations") if each["last_activity_at"] < row["last_activity_at"])
    actions.merge(office, other, row)


def _import(office: Office, row: Row) -> None:
    old = {**office.inside("messages", row["id"])[0], "id": "old", "attachments": [], "created_at": office.now()}
    actions.add_message(office, {**old, "delivered_at": 1_000_000}, imported=True)


@pytest.mark.parametrize(
    ("switch", "action"),
    [
        ("labels_move_activity", _label),
        ("closing_moves_activity", _close),
        ("assigning_moves_activity", _assign),
        ("moving_moves_activity", _rename),
        ("drafts_move_activity", _draft),
        ("task_changes_move_activity", _task),
        ("merging_moves_activity", _merge),
        ("imports_move_activity", _import),
    ],
)
@pytest.mark.parametrize("moves", [False, True])
def test_what_moves_a_conversation_to_the_top(asker, switch, action, moves):
    _switch(asker, **{switch: moves})
    with _changing(asker) as (office, row):
        before = row["last_activity_at"]
        action(office, row)
        assert (row["last_activity_at"] == office.now()) == moves
        assert moves or row["last_activity_at"] == before


def test_new_mails_and_comments_move_it_always(asker):
    assert asker.missive.mutate(seed=1, count=2, names=["reply", "comment"])
    now = asker.missive.office.now()
    page = asker.rows("/conversations", all="true")
    assert page[0]["last_activity_at"] >= now


@pytest.mark.parametrize("answer", ["no", "now", "back"])
def test_what_a_deletion_does_to_the_time_of_activity(asker, answer):
    _switch(asker, deletions_move_activity=answer)
    with _changing(asker) as (office, row):
        before = row["last_activity_at"]
        for message in office.inside("messages", row["id"])[:2]:
            actions.delete_message(office, message)
        for comment in office.inside("comments", row["id"]):
            actions.delete_comment(office, comment)
        expected = {"no": before, "now": office.now(), "back": office.inside("messages", row["id"])[0]["delivered_at"]}
        assert row["last_activity_at"] == expected[answer]


@pytest.mark.parametrize("most", [50, 10])
def test_the_largest_page_of_conversations(asker, most):
    _switch(asker, conversations_limit=most)
    assert asker.get("/conversations", all="true", limit=most).status_code == 200
    assert asker.get("/conversations", all="true", limit=most + 1).status_code == 400


@pytest.mark.parametrize("inclusive", [True, False])
def test_whether_until_gives_its_own_second(asker, inclusive):
    _switch(asker, until_inclusive=inclusive)
    first = asker.rows("/conversations", all="true", limit=5)
    second = asker.rows("/conversations", all="true", limit=5, until=first[-1]["last_activity_at"])
    assert (second[0]["id"] == first[-1]["id"]) == inclusive
    assert set(asker.conversations(all="true")) == set(asker.truth("conversations", lambda row: row["all"]))


@pytest.mark.parametrize("has", [False, True])
def test_whether_all_has_trash_and_spam(asker, has):
    _switch(asker, all_has_trash_and_spam=has)
    away = {*asker.conversations(trashed="true"), *asker.conversations(junked="true")}
    assert away
    assert away <= set(asker.conversations(all="true")) if has else not away & set(asker.conversations(all="true"))


@pytest.mark.parametrize("counts", [True, False])
def test_whether_a_trashed_message_still_counts(asker, counts):
    _switch(asker, trashed_messages_count=counts)
    trashed = next(iter(asker.truth("messages", lambda row: row["trashed"]).values()))
    (row,) = asker.rows(f"/conversations/{trashed['conversation']}")
    assert row["messages_count"] == (3 if counts else 2)
    assert (trashed["id"] in asker.messages(row["id"])) == counts == trashed["readable"]
    assert asker.get(f"/messages/{trashed['id']}").status_code == (200 if counts else 404)


@pytest.mark.parametrize("lags", [False, True])
def test_whether_the_count_lags_behind_a_deletion(asker, lags):
    _switch(asker, messages_count_lags=lags)
    with _changing(asker) as (office, row):
        actions.delete_message(office, office.inside("messages", row["id"])[1])
    (shown,) = asker.rows(f"/conversations/{row['id']}")
    assert shown["messages_count"] == len(asker.messages(row["id"])) + lags
    with _changing(asker) as (office, _):
        newest = office.inside("messages", row["id"])[0]
        actions.add_message(office, {**newest, "id": "x", "attachments": [], "created_at": office.now()})
    (shown,) = asker.rows(f"/conversations/{row['id']}")
    assert shown["messages_count"] == len(asker.messages(row["id"]))


@pytest.mark.parametrize("moves", [True, False])
def test_whether_an_edited_message_says_so(asker, moves):
    _switch(asker, edits_move_updated_at=moves)
    with _changing(asker) as (office, row):
        message = office.inside("messages", row["id"])[0]
        before = message["updated_at"]
        actions.edit_message(office, message, body="<p>neu</p>")
    whole = asker.message(message["id"])
    assert whole["body"] == "<p>neu</p>"
    assert (whole["updated_at"] != before) == moves


@pytest.mark.parametrize(
    ("spelling", "keys"),
    [("id", {"id", "index", "length"}), ("user_id", {"user_id", "offset", "length"})],
)
def test_how_mentions_are_spelt(asker, spelling, keys):
    _switch(asker, mentions=spelling)
    row = next(iter(asker.truth("comments", lambda row: row["mentions"] and row["readable"]).values()))
    (mention,) = asker.comments(row["conversation"])[row["id"]]["mentions"]
    assert mention.keys() == keys
    assert set(mention.values()) == set(row["mentions"][0].values())


@pytest.mark.parametrize("most", [100, 50, 10])
def test_how_many_messages_one_request_may_ask_for(asker, most):
    _switch(asker, bulk_ids=most)
    ids = list(asker.readable("messages"))
    assert asker.get(f"/messages/{','.join(ids[:most])}").status_code == 200
    assert asker.get(f"/messages/{','.join(ids[: most + 1])}").status_code == 400


def test_what_a_bulk_answer_does_with_ids_that_are_not_there(asker):
    ids = [*list(asker.readable("messages"))[:3], "gone"]
    assert len(asker.get(f"/messages/{','.join(ids)}").json()["messages"]) == 3
    _switch(asker, bulk_missing="not_found")
    assert asker.get(f"/messages/{','.join(ids)}").status_code == 404


def test_messages_may_come_without_their_conversation_and_one_as_a_list(asker):
    ids = list(asker.readable("messages"))[:2]
    assert all("conversation" in row for row in asker.get(f"/messages/{','.join(ids)}").json()["messages"])
    _switch(asker, bulk_has_conversation=False, single_message_as="array")
    assert not any("conversation" in row for row in asker.get(f"/messages/{','.join(ids)}").json()["messages"])
    (row,) = asker.get(f"/messages/{ids[0]}").json()["messages"]
    assert row["id"] == ids[0]


@pytest.mark.parametrize("seconds", [60, 3600, 604_800])
def test_how_long_the_address_of_an_attachment_is_good(asker, clock, seconds):
    _switch(asker, attachment_url_seconds=seconds)
    message = next(iter(asker.truth("messages", lambda row: row["readable"] and row["attachments"])))
    url = asker.message(message)["attachments"][0]["url"]
    clock.tick(seconds)
    assert requests.get(url, timeout=20).status_code == 200
    clock.tick(1)
    assert requests.get(url, timeout=20).status_code == 403
    assert requests.get(asker.message(message)["attachments"][0]["url"], timeout=20).status_code == 200


def test_a_guest_may_read_what_the_list_does_not_tell(asker):
    _switch(asker, guest_conversations_readable=True)
    guest = next(iter(asker.truth("conversations", lambda row: row["guest"] and row["readable"]).values()))
    assert asker.conversations(all="true")[guest["id"]].keys() == {"id", "last_activity_at"}
    (row,) = asker.rows(f"/conversations/{guest['id']}")
    assert row["messages_count"] == len(asker.messages(guest["id"])) > 0


@pytest.mark.parametrize("survivor", ["target", "other", "new"])
def test_which_id_survives_a_merge(asker, survivor):
    _switch(asker, merge_survivor=survivor)
    with _changing(asker) as (office, target):
        source = next(row for row in office.live("conversations") if row is not target and not row["_guest"])
        counts = sum(len(office.inside("messages", row["id"])) for row in (source, target))
    asker.send("POST", f"/conversations/{source['id']}/merge", json={"target": target["id"]})
    found = {asker.rows(f"/conversations/{row['id']}")[0]["id"] for row in (source, target)}
    (survived,) = found
    old = {source["id"]: "other", target["id"]: "target"}
    assert old.get(survived, "new") == survivor
    assert len(asker.messages(survived)) == counts
    merged = asker.truth("conversations", lambda row: row["merged_into"] == survived)
    assert set(merged) == set(old) - {survived}


def test_empty_lists_may_be_null_or_missing(asker):
    message = next(iter(asker.truth("messages", lambda row: row["readable"] and not row["bcc_fields"])))
    assert asker.message(message)["bcc_fields"] == []
    _switch(asker, empty_lists="null")
    assert asker.message(message)["bcc_fields"] is None
    _switch(asker, empty_lists="missing")
    assert "bcc_fields" not in asker.message(message)


@pytest.mark.parametrize("shape", ["error", "errors", "message"])
def test_errors_have_one_of_several_shapes_but_for_the_documented_401(asker, shape):
    _switch(asker, error_body=shape)
    assert list(asker.get("/conversations").json()) == [shape]
    assert list(asker.get("/users/x").json()) == [shape]
    unknown = asker.send("GET", "/users", headers={"Authorization": "Bearer x"})
    assert unknown.json() == {"error": {"message": "Authentication token is invalid or has been revoked"}}


def test_switches_are_drawn_with_every_answer_and_others_are_refused():
    drawn = [Switches.drawn(Random(seed)) for seed in range(80)]
    for name, choices in Switches.answers().items():
        assert {getattr(switches, name) for switches in drawn} == set(choices), name
    with pytest.raises(ConfigurationError, match="No switch mentions"):
        Switches().changed({"mentions": "name"})
    assert Switches().changed({"mentions": "user_id"}).mentions == "user_id"


@pytest.mark.parametrize("seed", range(4))
def test_after_any_life_whatever_the_habits_the_pages_are_the_truth(seed):
    clock, switches = Clock(), Switches.drawn(Random(seed))
    with MissiveSimulator(seed=seed, clock=clock, switches=switches, rate_limit=False) as missive:
        asker = MissiveAsker(missive)
        for step in range(8):
            clock.tick(30)
            missive.mutate(seed=f"{seed} {step}", count=25)
        missive.mutate(seed=seed, count=1, names=["bulk"])
        listed = {
            **asker.conversations(all="true"),
            **asker.conversations(trashed="true"),
            **asker.conversations(junked="true"),
        }
        truth = asker.readable("conversations")
        full = {key for key, row in listed.items() if "messages_count" in row}
        assert full == {key for key, row in truth.items() if not row["guest"]}
        assert set(asker.readable("messages")) == {key for each in truth for key in asker.messages(each)}
        assert set(asker.readable("comments")) == {key for each in truth for key in asker.comments(each)}
        for key, row in truth.items():
            if not row["guest"]:
                shown = listed[key]
                assert sorted(label["id"] for label in shown.get("shared_labels") or []) == row["shared_labels"]
                assert sorted(user["id"] for user in shown.get("assignees") or []) == row["assignees"]
                assert shown["messages_count"] == row["messages_count"]
