"""What the vendors send, row by row (shared/facts/apis.md 1.7 and 2.7), and what strangers might."""

from __future__ import annotations

import hashlib
import hmac
import json

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from ibhelm_pipelines.live.webhook_formats import FORMATS, is_signed, read_missive, read_teamwork
from ibhelm_pipelines.local.rate_limit import RateLimit

TASK_V2 = {
    "eventCreator": {"id": 7, "firstName": "Ada"},
    "task": {"id": 5, "name": "Lüftung", "projectId": 3},
    "taskList": {"id": 4},
    "project": {"id": 3},
}


def as_json(document: object) -> bytes:
    return json.dumps(document).encode()


@pytest.mark.parametrize(
    ("event", "body", "kind", "object_id"),
    [
        ("TASK.CREATED", as_json(TASK_V2), "task", "5"),
        ("TASK.MOVED", as_json({"project": {"id": 3}, "task": {"id": "5"}}), "task", "5"),  # the id as text
        ("TASKLIST.UPDATED", as_json(TASK_V2), "tasklist", "4"),
        ("PROJECT.ARCHIVED", as_json(TASK_V2), "project", "3"),
        ("COMMENT.CREATED", as_json({"comment": {"id": 8, "body": "x"}, "task": {"id": 5}}), "comment", "8"),
        ("TIME.UPDATED", as_json({"time": {"id": 9}, "task": {"id": 5}}), "time", "9"),
        ("TIME.UPDATED", as_json({"timelog": {"id": 9}, "task": {"id": 5}}), "time", "9"),
        ("MILESTONE.COMPLETED", as_json({"milestone": {"id": 10}}), "milestone", "10"),
        ("COMPANY.CREATED", as_json({"company": {"id": 11}}), "company", "11"),
        ("USER.UPDATED", as_json({"user": {"id": 12}}), "user", "12"),
        ("TASK.DELETED", as_json({"id": 5}), "task", "5"),
        ("task.created", as_json(TASK_V2), "task", "5"),  # the first connector's spelling
        ("TASK.UPDATED", b"accountId=1&event=TASK.UPDATED&objectId=5&userId=7", "task", "5"),  # v1
        ("TASK.UPDATED", b"AccountID=1&Event=TASK.UPDATED&ObjectID=5&UserID=7", "task", "5"),  # v1, other capitals
        (None, b"accountId=1&event=TASK.DELETED&objectId=5&projectId=3&userId=7", "task", "5"),  # v1, event in the body
        (
            "TASK.UPDATED",
            b"EventCreator.FirstName=Ada&EventCreator.ID=7&Task.ID=5&Project.ID=3",
            "task",
            "5",
        ),  # v2 form
        ("COMMENT.CREATED", b"Comment.ObjectID=8&Task.ID=5", "comment", "8"),
        ("TASK.DELETED", b"ID=5", "task", "5"),
    ],
)
def test_teamwork_says_what_changed_in_many_ways(event: str | None, body: bytes, kind: str, object_id: str) -> None:
    headers = {"x-projects-delivery": "uuid", **({"x-projects-event": event} if event else {})}
    delivery = read_teamwork(headers, body)
    assert (delivery.kind, delivery.object_id, delivery.delivery, delivery.has_own_id) == (
        kind,
        object_id,
        "uuid",
        True,
    )
    assert delivery.event == (event or "TASK.DELETED")


@pytest.mark.parametrize(
    "body",
    [
        as_json({"rule": {"id": "r", "type": "new_comment"}, "conversation": {"id": "c-1"}, "comment": {}}),
        as_json({"rule": {"type": "new_comment"}, "conversation": {"id": "c-1"}, "latest_message": {"id": "m"}}),
    ],
)
def test_missive_says_which_conversation_changed_and_its_body_is_its_name(body: bytes) -> None:
    delivery = read_missive({"x-projects-delivery": "ignored"}, body)
    assert (delivery.kind, delivery.object_id, delivery.event) == ("conversation", "c-1", "new_comment")
    assert (delivery.delivery, delivery.has_own_id) == (hashlib.sha256(body).hexdigest(), False)


def test_a_rule_that_we_do_not_know_still_says_that_its_conversation_changed() -> None:
    delivery = read_missive({}, as_json({"conversation": {"id": "c-1"}, "rule": {"type": ["?"]}}))
    assert (delivery.kind, delivery.object_id, delivery.event) == ("conversation", "c-1", "")


@pytest.mark.parametrize(
    ("event", "body"),
    [
        ("TASK.UPDATED", b""),
        ("TASK.UPDATED", b"{"),
        ("TASK.UPDATED", b"[1, 2]"),
        ("TASK.UPDATED", b'{"task": {"id": ' + b"9" * 5000 + b"}}"),
        ("TASK.UPDATED", b'{"a":' * 100_000),
        ("TASK.UPDATED", as_json({"task": {"id": True}})),
        ("TASK.UPDATED", as_json({"task": {"id": -5}})),
        ("TASK.UPDATED", as_json({"task": {"id": "5; drop"}})),
        ("TASK.UPDATED", as_json({"task": {"id": "5\x00"}})),
        ("TASK.UPDATED", as_json({"task": {"id": "५"}})),
        ("TASK.UPDATED", as_json({"project": {"id": 3}})),  # of another kind than the event
        ("TASK.UPDATED", b"ID=5&" + b"&".join(b"a=1" for _ in range(2000))),
        ("TASK.UPDATED", b"\xff\xfe=5&ID=5"),
        (None, as_json(TASK_V2)),  # v2 says the event in the header only
        ("\xfc.x", as_json(TASK_V2)),
    ],
)
def test_what_is_not_understood_is_unknown_and_named_after_itself(event: str | None, body: bytes) -> None:
    delivery = read_teamwork({"x-projects-event": event} if event else {}, body)
    assert (delivery.kind, delivery.object_id) == ("unknown", hashlib.sha256(body).hexdigest())
    assert not delivery.understood


@pytest.mark.parametrize("named", ["", "x" * 201, "two words", "\x00", "ü"])
def test_a_delivery_without_a_sane_name_is_known_by_its_body(named: str) -> None:
    delivery = read_teamwork({"x-projects-delivery": named}, b"body")
    assert (delivery.delivery, delivery.has_own_id) == (hashlib.sha256(b"body").hexdigest(), False)


HEADERS = st.dictionaries(st.sampled_from(["x-projects-event", "x-projects-delivery"]), st.text(max_size=30))
JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=10),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.sampled_from(["task", "id", "rule", "x"]), inner),
    max_leaves=10,
)


@settings(max_examples=300, deadline=None)
@given(HEADERS, st.binary(max_size=200) | st.builds(as_json, JSON))
def test_no_bytes_make_the_readers_fail_or_bring_out_what_no_row_can_hold(headers: dict[str, str], body: bytes) -> None:
    for delivery in (read_teamwork(headers, body), read_missive(headers, body)):
        texts = (delivery.delivery, delivery.event, delivery.kind, delivery.object_id)
        assert all(text.isascii() and text.isprintable() and len(text) <= 200 for text in texts)
        assert delivery.kind


@pytest.mark.parametrize(
    ("prefix", "change", "verdict"),
    [
        ("", str, True),
        ("sha256=", str, True),
        (" ", str, True),  # white space around a header's value
        ("", str.upper, True),  # hex is hex
        ("sha512=", str, False),
        ("", lambda signature: signature[:-1], False),
        ("", lambda _: "", False),
        ("", lambda _: "ü" * 64, False),
    ],
)
def test_a_signature_is_the_hmac_of_the_body_with_or_without_prefix(prefix, change, verdict: bool) -> None:
    signature = hmac.new("geheim-ü".encode(), b"body", hashlib.sha256).hexdigest()
    assert is_signed(b"body", prefix + change(signature), "geheim-ü") is verdict
    assert not is_signed(b"another body", prefix + change(signature), "geheim-ü")
    assert not is_signed(b"body", prefix + change(signature), "another")


class Clock:
    seconds = 0.0

    def __call__(self) -> float:
        return self.seconds


def test_a_client_may_do_a_burst_and_then_as_much_as_comes_back() -> None:
    clock = Clock()
    limit = RateLimit(per_second=50, burst=200, max_clients=10, clock=clock)
    assert [limit.wait_seconds("a") for _ in range(200)] == [0] * 200
    assert limit.wait_seconds("a") == 1
    assert limit.wait_seconds("b") == 0
    clock.seconds += 1
    assert [limit.wait_seconds("a") for _ in range(51)] == [0] * 50 + [1]
    clock.seconds += 1000
    assert [limit.wait_seconds("a") for _ in range(201)] == [0] * 200 + [1]


def test_a_client_that_goes_on_while_refused_is_not_refused_for_ever() -> None:
    clock = Clock()
    limit = RateLimit(per_second=1, burst=1, max_clients=10, clock=clock)
    allowed = 0
    for _ in range(100):
        allowed += limit.wait_seconds("a") == 0
        clock.seconds += 0.125
    assert allowed == 13  # 100 / 8, and the first


def test_the_number_of_remembered_clients_is_bounded_and_the_quietest_is_forgotten() -> None:
    limit = RateLimit(per_second=0.001, burst=1, max_clients=3, clock=Clock())
    assert [limit.wait_seconds(name) for name in "abc"] == [0, 0, 0]
    assert limit.wait_seconds("a") > 0
    assert limit.wait_seconds("d") == 0
    assert len(limit) == 3
    assert limit.wait_seconds("a") > 0, "a was heard of after b"
    assert limit.wait_seconds("b") == 0, "b was forgotten"


@pytest.mark.parametrize(
    ("body", "of_missive"),
    [
        (b"{}", True),
        (as_json({"rule": {"id": "r", "type": "incoming_email"}}), True),
        (as_json({"rule": {"type": "new_comment"}, "conversation": {"id": "c-1"}}), False),  # that is news: sign it
    ],
)
def test_only_an_unsigned_post_of_missive_that_names_nothing_is_a_trial(body: bytes, of_missive: bool) -> None:
    assert {form.vendor: form.is_trial({}, body) for form in FORMATS} == {"teamwork": False, "missive": of_missive}
