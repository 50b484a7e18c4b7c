"""The simulated Missive lives: what changes shows in the API, in the truth and in webhooks."""

from __future__ import annotations

import hashlib
import hmac
import json

import pytest
import requests
from missive_asker import MissiveAsker
from webhook_mailbox import Mailbox, mailbox

from ibhelm_pipelines.demo.missive import actions
from ibhelm_pipelines.demo.missive.faults import MissiveFaults
from ibhelm_pipelines.demo.missive.mutations import BULK, MUTATIONS
from ibhelm_pipelines.demo.missive.server import MissiveSimulator
from ibhelm_pipelines.demo.missive.switches import Switches
from ibhelm_pipelines.demo.missive.webhooks import API_TYPES, MAX_FAILURES, SIGNATURE_HEADER

SECRET = "Geheimnis für Haken"


@pytest.fixture
def asker(missive) -> MissiveAsker:
    return MissiveAsker(missive)


@pytest.fixture
def box():
    with mailbox() as box:
        yield box


def _hook(missive: MissiveSimulator, box: Mailbox, kind: str, **values: object) -> object:
    missive.switches = missive.switches.changed({"webhook_validation": "none"})
    return missive.webhooks.add(kind=kind, url=box.url, secret=SECRET, **values)


def test_the_same_seeds_live_the_same_life(clock):
    def lived() -> object:
        with MissiveSimulator(conversations=40, clock=clock) as simulator:
            done = simulator.mutate(seed=3, count=200)
            return done, simulator.truth()["conversations"], simulator.truth()["messages"][5]["body"]

    assert lived() == lived()


def test_life_has_every_kind_of_change(missive):
    done = missive.mutate(seed=1, count=2500)
    known = {name for name, (weight, _) in MUTATIONS.items() if weight}
    assert {line.rpartition(" ")[0] for line in done} == known


def test_a_click_on_many_moves_seventy_conversations_in_one_second(clock):
    with MissiveSimulator(conversations=120, clock=clock, rate_limit=False) as missive:
        missive.mutate(seed=1, count=1, names=["bulk"])
        now = missive.office.now()
        moved = MissiveAsker(missive).truth("conversations", lambda row: row["last_activity_at"] == now)
        assert len(moved) == BULK


def test_an_imported_mail_is_old_and_may_not_move_its_conversation(missive, asker):
    before = asker.truth("conversations")
    known = asker.truth("messages")
    missive.mutate(seed=1, count=1, names=["import"])
    (row,) = [row for key, row in asker.truth("messages").items() if key not in known]
    assert row["delivered_at"] < row["created_at"] - 86_400
    conversation = asker.truth("conversations")[row["conversation"]]
    assert conversation["last_activity_at"] == before[row["conversation"]]["last_activity_at"]
    assert conversation["messages_count"] == before[row["conversation"]]["messages_count"] + 1


def test_a_conversation_that_moves_to_a_foreign_team_is_lost_from_sight(missive, asker):
    office = missive.office
    foreign = next(key for key, row in asker.truth("teams").items() if office.me not in row["active_members"])
    row = next(row for row in asker.readable("conversations").values() if not row["guest"])
    with office.lock:
        actions.move(office, office.tables["conversations"][row["id"]], foreign)
    assert asker.get(f"/conversations/{row['id']}").status_code == 404
    fate = asker.truth("conversations")[row["id"]]
    assert (fate["deleted"], fate["readable"]) == (False, False)


@pytest.mark.parametrize(
    ("table", "inside", "key"),
    [("shared_labels", "conversations", "shared_labels"), ("users", "conversations", "assignees"),
     ("users", "conversations", "users"), ("users", "teams", "active_members"),
     ("teams", "conversations", "team"), ("shared_labels", "shared_labels", "parent")],
)  # fmt: skip
def test_what_is_deleted_from_a_directory_is_named_nowhere_any_more(missive, asker, table, inside, key):
    def named() -> set[str]:
        values = [row[key] for row in asker.truth(inside, lambda row: not row["deleted"]).values()]
        return {name for value in values for name in ([value] if isinstance(value, str) else value or ())}

    office = missive.office
    gone = next(each for each in sorted(named()) if each != office.me)
    with office.lock:
        actions.delete_row(office, table, office.tables[table][gone])
    assert gone not in named()
    assert gone not in {row["id"] for row in asker.rows(f"/{table}")}


def test_a_renamed_parent_renames_the_labels_below_it(missive, asker):
    office = missive.office
    parent = next(row for row in office.live("shared_labels") if row["name"] == "Bauphase")
    with office.lock:
        actions.rename_row(office, parent, "name", "Bauzeit")
    names = {row["name"]: row["name_with_parent_names"] for row in asker.rows("/shared_labels")}
    assert names["Abnahme"] == "Projekte/Bauzeit/Abnahme"


def test_a_message_that_is_filed_elsewhere_leaves_its_conversation_without_moving_it(missive, asker):
    before = asker.truth("messages")
    times = {key: row["last_activity_at"] for key, row in asker.truth("conversations").items()}
    missive.mutate(seed=1, count=1, names=["move message"])
    (moved,) = [
        row for key, row in asker.truth("messages").items() if row["conversation"] != before[key]["conversation"]
    ]
    assert moved["id"] in asker.messages(moved["conversation"])
    assert moved["id"] not in asker.messages(before[moved["id"]]["conversation"])
    assert times == {key: row["last_activity_at"] for key, row in asker.truth("conversations").items()}


def test_the_office_can_be_kept_and_taken_up_again(clock):
    with MissiveSimulator(conversations=40, clock=clock) as first:
        first.mutate(seed=1, count=50)
        kept = json.loads(json.dumps(first.as_json()))
        with MissiveSimulator(conversations=3, clock=clock) as second:
            second.take(kept)
            assert second.truth() == first.truth()
            second.mutate(seed=2, count=20)


def test_hooks_are_made_and_removed_through_the_api(missive, asker, box):
    answer = asker.send("POST", "/hooks", json={"hooks": {"type": "incoming_email", "url": box.url}})
    assert answer.status_code == 201
    hook = answer.json()["hooks"]["id"]
    ((_, validation),) = box.wait_for(1)
    assert json.loads(validation) == {}
    missive.mutate(seed=1, count=5, names=["new mail", "comment"])
    assert missive.webhooks.settle()
    told = [json.loads(body) for _, body in box.posts[1:]]
    assert told
    assert {body["rule"]["type"] for body in told} == {"incoming_email"}
    assert {body["rule"]["id"] for body in told} == {hook}
    assert asker.send("DELETE", f"/hooks/{hook}").status_code == 200
    assert asker.send("DELETE", f"/hooks/{hook}").status_code == 404
    missive.mutate(seed=1, count=5, names=["new mail"])
    assert missive.webhooks.settle()
    assert len(box.posts) == len(told) + 1


@pytest.mark.parametrize("kind", ["label_change", "outgoing_email", "", "new_message"])
def test_hooks_of_other_kinds_are_refused(asker, box, kind):
    assert kind not in API_TYPES
    assert asker.send("POST", "/hooks", json={"hooks": {"type": kind, "url": box.url}}).status_code == 400


def test_a_webhook_has_the_conversation_and_the_message_without_its_body(missive, asker, box):
    hook = _hook(missive, box, "incoming_email")
    missive.mutate(seed=2, count=12, names=["new mail"])
    headers, body = box.wait_for(1)[0]
    told = json.loads(body)
    assert told["rule"] == {"id": hook.id, "description": "IBHelm", "type": "incoming_email"}
    assert told["conversation"]["id"] == asker.message(told["message"]["id"])["conversation"]["id"]
    assert "body" not in told["message"]
    assert headers[SIGNATURE_HEADER] == "sha256=" + hmac.new(SECRET.encode(), body, hashlib.sha256).hexdigest()


def test_a_webhook_may_call_it_latest_message_and_sign_without_a_prefix(missive, box):
    missive.switches = Switches(webhook_message_key="latest_message", webhook_signature_prefix=False)
    _hook(missive, box, "incoming_email")
    missive.mutate(seed=2, count=12, names=["new mail"])
    headers, body = box.wait_for(1)[0]
    assert "latest_message" in json.loads(body)
    assert "message" not in json.loads(body)
    assert headers[SIGNATURE_HEADER] == hmac.new(SECRET.encode(), body, hashlib.sha256).hexdigest()


@pytest.mark.parametrize(("answer", "posted"), [("rule", {"rule"}), ("empty", set())])
def test_what_is_posted_when_a_hook_is_made(missive, box, answer, posted):
    missive.switches = Switches(webhook_validation=answer)
    missive.webhooks.add(kind="new_comment", url=box.url)
    headers, body = box.wait_for(1)[0]
    assert set(json.loads(body)) == posted
    assert SIGNATURE_HEADER not in headers


def test_an_event_that_nobody_took_is_told_again_with_the_same_bytes(missive, box):
    box.statuses = [500, 404]
    _hook(missive, box, "new_comment")
    missive.mutate(seed=1, count=1, names=["comment"])
    posts = box.wait_for(3)
    assert missive.webhooks.settle()
    assert len({body for _, body in posts}) == 1
    assert len(box.posts) == 3


def test_a_hook_that_fails_more_than_fifty_times_in_a_row_is_disabled_without_a_word(missive, box):
    box.statuses = [500] * 500
    hook = _hook(missive, box, "new_comment")
    missive.mutate(seed=1, count=40, names=["comment"])
    assert missive.webhooks.settle()
    assert not hook.enabled
    assert len(box.posts) == MAX_FAILURES + 1


def test_hooks_are_filtered(missive, box):
    _hook(missive, box, "new_comment", filters={"is_task": True})
    missive.mutate(seed=1, count=40, names=["comment"])
    assert missive.webhooks.settle()
    assert 0 < len(box.posts) < 40
    assert all(json.loads(body)["comment"]["task"] for _, body in box.posts)


def test_only_rules_of_the_app_tell_of_labels_and_outgoing_mails(missive, box):
    for kind in ("label_change", "outgoing_email"):
        _hook(missive, box, kind)
    missive.mutate(seed=1, count=12, names=["label on or off", "new mail"])
    assert missive.webhooks.settle()
    assert {json.loads(body)["rule"]["type"] for _, body in box.posts} == {"label_change", "outgoing_email"}


def test_webhooks_are_lost_and_doubled(missive, box):
    _hook(missive, box, "new_comment")
    missive.faults = MissiveFaults(webhook_missing=1.0)
    missive.mutate(seed=1, count=3, names=["comment"])
    assert missive.webhooks.settle()
    assert box.posts == []
    missive.faults = MissiveFaults(webhook_duplicate=1.0)
    missive.mutate(seed=2, count=3, names=["comment"])
    assert missive.webhooks.settle()
    bodies = [body for _, body in box.posts]
    assert len(bodies) == 6
    assert len(set(bodies)) == 3


def test_the_simulator_is_controlled_over_http(missive, asker):
    def control(method: str, path: str, wish: object = None) -> requests.Response:
        return requests.request(method, f"{missive.control_url}/{path}", json=wish, timeout=20)

    assert control("GET", "truth").json() == json.loads(json.dumps(missive.truth()))
    assert len(control("POST", "mutate", {"seed": 1, "count": 3, "names": ["comment"]}).json()["done"]) == 3
    assert control("PUT", "faults", {"attachment_cut": 0.5}).json()["attachment_cut"] == 0.5
    assert missive.faults == MissiveFaults(attachment_cut=0.5)
    assert control("PUT", "switches", {"bulk_ids": 10}).json()["bulk_ids"] == 10
    assert missive.switches == Switches(bulk_ids=10)
    assert control("PUT", "switches", {"bulk_ids": 11}).status_code == 400
    assert control("GET", "requests").json()["total"] == 0
    asker.get("/users")
    assert control("GET", "requests").json()["by_path"] == {"/v1/users": 1}
