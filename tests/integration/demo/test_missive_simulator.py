"""The simulated Missive answers as shared/facts/apis.md, section 1, says that the real one does."""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Iterator
from itertools import pairwise
from random import Random

import pytest
import requests
from missive_asker import MissiveAsker, Row
from simulated_clock import Clock

from ibhelm_pipelines.demo.missive.contents import Contents
from ibhelm_pipelines.demo.missive.rows import Rows
from ibhelm_pipelines.demo.missive.seed import TIED_SECOND, seed_office
from ibhelm_pipelines.demo.missive.server import MissiveSimulator
from ibhelm_pipelines.demo.missive.state import Office
from ibhelm_pipelines.demo.missive.truth import MAILBOXES, truth
from ibhelm_pipelines.demo.model import make_projects

TIES = 75
JSON = {"Content-Type": "application/json"}


@pytest.fixture(scope="module")
def missive() -> Iterator[MissiveSimulator]:
    """One for all tests that only read."""
    with MissiveSimulator(clock=Clock(), rate_limit=False) as simulator:
        yield simulator


@pytest.fixture(scope="module")
def missive_asker(missive) -> MissiveAsker:
    return MissiveAsker(missive)


@pytest.fixture
def fresh(clock) -> Iterator[MissiveAsker]:
    """One for a test that writes."""
    with MissiveSimulator(clock=clock, rate_limit=False) as simulator:
        yield MissiveAsker(simulator)


@pytest.fixture(scope="module")
def tied() -> Iterator[MissiveAsker]:
    with MissiveSimulator(conversations=150, ties=TIES, clock=Clock(), rate_limit=False) as simulator:
        yield MissiveAsker(simulator)


def _one(rows: dict[str, Row]) -> Row:
    assert rows
    return next(iter(rows.values()))


def _long_thread(asker: MissiveAsker) -> Row:
    return max(asker.readable("conversations").values(), key=lambda row: row["messages_count"])


def _message_with(asker: MissiveAsker, what: str) -> Row:
    return _one(asker.truth("messages", lambda row: row["readable"] and row[what]))


def _hidden(asker: MissiveAsker) -> list[str]:
    """Conversations of others, vanished ones, and those that the token's user was only invited to."""
    return list(asker.truth("conversations", lambda row: not row["readable"] and not row["merged_into"]))


def test_a_seed_makes_the_same_office_each_time(clock):
    def made(seed: int) -> object:
        contents = Contents(seed=seed, projects=6)
        office = Office(clock=clock, contents=contents, seed=seed)
        seed_office(office, seed=seed, conversations=21, ties=0)
        return truth(office, Rows(office, attachments_url="", secret=""))

    first = made(1)
    clock.tick(3600)
    assert made(1) == first
    assert made(1) != made(2)


def test_a_small_office_has_every_kind_of_conversation(missive_asker):
    conversations = missive_asker.truth("conversations")
    messages = missive_asker.truth("messages")
    per_conversation = Counter(row["conversation"] for row in messages.values())
    assert max(per_conversation.values()) > 25
    assert {row["type"] for row in messages.values()} == {"email", "sms", "whatsapp", "messenger"}
    for flag in ("trashed", "junked", "closed", "snoozed", "flagged", "drafts", "guest", "merged_into", "deleted"):
        assert any(row[flag] for row in conversations.values()), flag
    assert any(row["id"] not in per_conversation for row in conversations.values() if row["readable"])
    kinds = [(row["body"] is None, bool(row["mentions"]), bool(row["task"]), bool(row["attachment"]))
             for row in missive_asker.readable("comments").values()]  # fmt: skip
    assert all(any(kind[number] for kind in kinds) for number in range(4))


def test_subjects_name_the_projects_of_the_demo_nas(missive, missive_asker):
    titles = [project.title for project in missive.office.contents.projects]
    assert titles == [project.title for project in make_projects(6, Random("7 projects"))]
    subjects = " ".join(str(row["subject"]) for row in missive_asker.truth("messages").values())
    assert all(title in subjects for title in titles)


@pytest.mark.parametrize("headers", [{}, {"Authorization": "Bearer wrong"}, {"Authorization": "missive_pat-simulated"}])
def test_nobody_gets_in_without_the_token(missive, headers):
    answer = requests.get(f"{missive.url}/users", headers=headers, timeout=20)
    assert answer.status_code == 401
    assert answer.json() == {"error": {"message": "Authentication token is invalid or has been revoked"}}


def test_conversations_need_a_mailbox(missive_asker):
    organization = _one(missive_asker.truth("organizations"))["id"]
    for params in ({}, {"organization": organization}, {"all": "false"}, {"limit": "5"}):
        answer = missive_asker.get("/conversations", **params)
        assert answer.status_code == 400, params
        assert answer.json() == {"error": {"message": "You need to paginate at least one mailbox"}}


@pytest.mark.parametrize(
    ("path", "most"),
    [("/conversations", 50), ("/conversations/ID/messages", 10), ("/conversations/ID/comments", 10), ("/tasks", 50)],
)
def test_pages_have_between_two_and_so_many_rows(missive_asker, path, most):
    path = path.replace("ID", _long_thread(missive_asker)["id"])
    asked = {limit: missive_asker.get(path, all="true", limit=limit) for limit in (1, 2, most, most + 1)}
    assert {limit: answer.status_code for limit, answer in asked.items()} == {1: 400, 2: 200, most: 200, most + 1: 400}
    assert asked[1].json() == {"error": {"message": "min 'limit' value is 2"}}
    assert len(next(iter(asked[2].json().values()))) == 2


def test_conversations_come_newest_first_25_a_page(missive_asker):
    page = missive_asker.rows("/conversations", all="true")
    assert len(page) == 25
    times = [row["last_activity_at"] for row in page]
    assert times == sorted(times, reverse=True)


def test_until_gives_the_boundary_row_again(missive_asker):
    first = missive_asker.rows("/conversations", all="true", limit=10)
    boundary = first[-1]["last_activity_at"]
    second = missive_asker.rows("/conversations", all="true", limit=10, until=boundary)
    assert second[0]["id"] == first[-1]["id"]
    assert [row["id"] for row in second[1:]] == list(missive_asker.conversations(all="true"))[10:19]


def test_a_page_holds_more_rows_than_its_limit_when_they_share_the_last_second(tied):
    page = tied.rows("/conversations", all="true", limit=50)
    assert len(page) == TIES
    assert {row["last_activity_at"] for row in page} == {TIED_SECOND}
    assert {row["id"] for row in tied.rows("/conversations", all="true", limit=50, until=TIED_SECOND)} == {
        row["id"] for row in page
    }


def test_a_client_that_takes_the_documentation_literally_stops_at_a_full_second_and_a_careful_one_does_not(tied):
    expected = tied.truth("conversations", lambda row: row["all"])
    literal = {row["id"] for row in tied.rows("/conversations", all="true", limit=50)}
    assert len(literal) < len(expected)
    assert set(tied.conversations(all="true", limit=50)) == set(expected)


@pytest.mark.parametrize("mailbox", MAILBOXES)
def test_each_mailbox_shows_what_is_in_it(missive_asker, mailbox):
    expected = missive_asker.truth("conversations", lambda row: row[mailbox])
    assert set(missive_asker.conversations(**{mailbox: "true"})) == set(expected)


def test_mailboxes_are_those_of_the_tokens_user(missive, missive_asker):
    for row in missive_asker.truth("conversations", lambda row: row["all"] or row["trashed"] or row["junked"]).values():
        flags = row["users"][missive.office.me]
        assert (row["trashed"], row["junked"]) == ("trashed" in flags, "junked" in flags)
        assert row["all"] == (not row["trashed"] and not row["junked"])
    assert missive_asker.truth("conversations", lambda row: row["trashed"])


def test_mailboxes_can_be_narrowed_to_an_organization(missive_asker):
    everything = missive_asker.conversations(all="true")
    organization = next(row["organization"]["id"] for row in everything.values() if row.get("organization"))
    narrowed = missive_asker.conversations(all="true", organization=organization)
    truth = missive_asker.truth("conversations", lambda row: row["all"] and row["organization"] == organization)
    assert set(narrowed) == set(truth)
    assert set(narrowed) < set(everything)


def test_teams_and_labels_are_mailboxes(missive, missive_asker):
    me = missive.office.me
    for team in missive_asker.truth("teams"):
        rows = missive_asker.truth("conversations", lambda row, team=team: row["all"] and row["team"] == team)
        closed = {key for key, row in rows.items() if "closed" in row["users"][me]}
        assert set(missive_asker.conversations(team_all=team)) == set(rows)
        assert set(missive_asker.conversations(team_closed=team)) == closed
        assert set(missive_asker.conversations(team_inbox=team)) == set(rows) - closed
    for label in missive_asker.truth("shared_labels"):
        rows = missive_asker.truth(
            "conversations", lambda row, label=label: row["all"] and label in row["shared_labels"]
        )
        assert set(missive_asker.conversations(shared_label=label)) == set(rows)


def test_conversations_can_be_asked_for_by_address_or_by_domain_but_not_by_both(missive_asker):
    address = _message_with(missive_asker, "cc_fields")["cc_fields"][0]["address"]
    domain = address.partition("@")[2]
    by_address = missive_asker.conversations(email=address)
    assert by_address
    assert set(by_address) <= set(missive_asker.conversations(domain=domain))
    assert missive_asker.get("/conversations", email=address, domain=domain).status_code == 400


def test_conversations_of_which_one_is_a_guest_have_two_keys(missive_asker):
    guest = _one(missive_asker.truth("conversations", lambda row: row["guest"]))
    row = missive_asker.conversations(all="true")[guest["id"]]
    assert row == {"id": guest["id"], "last_activity_at": guest["last_activity_at"]}
    assert missive_asker.get(f"/conversations/{guest['id']}").json() == {"conversations": [row]}
    assert missive_asker.get(f"/conversations/{guest['id']}/messages").status_code == 404


def test_what_others_have_for_themselves_and_what_is_gone_cannot_be_told_apart(missive_asker):
    hidden = [key for key in _hidden(missive_asker) if not missive_asker.truth("conversations")[key]["guest"]]
    assert len(hidden) >= 3
    answers = [missive_asker.get(f"/conversations/{key}") for key in [*hidden, "no-such-id"]]
    assert {(answer.status_code, answer.text) for answer in answers} == {(404, answers[0].text)}
    inside = missive_asker.truth("messages", lambda row: row["conversation"] in hidden)
    assert {missive_asker.get(f"/messages/{key}").status_code for key in inside} == {404}


def test_one_conversation_comes_as_a_list_of_one_with_the_same_values(missive_asker):
    for key, row in list(missive_asker.conversations(all="true").items())[:5]:
        assert missive_asker.get(f"/conversations/{key}").json() == {"conversations": [row]}


def test_a_conversation_says_what_is_in_it(missive_asker):
    truth = missive_asker.truth("conversations")
    for key, row in missive_asker.conversations(all="true").items():
        if truth[key]["guest"]:
            continue
        assert row["messages_count"] == len(missive_asker.messages(key))
        assert row["tasks_count"] == sum(bool(each["task"]) for each in missive_asker.comments(key).values())
        assert "comments_count" not in row
        assert sorted(label["id"] for label in row["shared_labels"]) == truth[key]["shared_labels"]
        assert row["shared_label_names"] == ", ".join(label["name"] for label in row["shared_labels"])
        assert row["web_url"] == f"https://mail.missiveapp.com/#inbox/conversations/{key}"


def test_mailbox_states_are_those_of_each_user(missive, missive_asker):
    trashed = _one(missive_asker.truth("conversations", lambda row: row["trashed"]))
    users = missive_asker.conversations(trashed="true")[trashed["id"]]["users"]
    assert {user["id"]: user["trashed"] for user in users} == {
        user: user == missive.office.me for user in trashed["users"]
    }


def test_a_merged_id_answers_with_the_one_that_survived(missive_asker):
    merged = _one(missive_asker.truth("conversations", lambda row: row["merged_into"]))
    (row,) = missive_asker.rows(f"/conversations/{merged['id']}")
    assert row["id"] == merged["merged_into"] != merged["id"]
    assert set(missive_asker.messages(merged["id"])) == set(missive_asker.messages(row["id"]))
    assert merged["id"] not in missive_asker.conversations(all="true")


def test_messages_come_ten_a_page_newest_first_without_bodies_and_without_drafts(missive_asker):
    conversation = _long_thread(missive_asker)
    page = missive_asker.rows(f"/conversations/{conversation['id']}/messages")
    assert len(page) == 10
    assert all(newer["delivered_at"] >= older["delivered_at"] for newer, older in pairwise(page))
    assert not any("body" in row or row["draft"] for row in page)
    messages = missive_asker.messages(conversation["id"])
    assert len(messages) == conversation["messages_count"] == 31
    drafted = _one(missive_asker.truth("conversations", lambda row: row["drafts_count"]))
    drafts = {row["id"]: row for row in missive_asker.rows(f"/conversations/{drafted['id']}/drafts")}
    assert {row["delivered_at"] for row in drafts.values()} == {None}
    assert len(drafts) == drafted["drafts_count"]
    assert not drafts.keys() & missive_asker.messages(drafted["id"]).keys()


def test_one_message_is_an_object_with_body_and_conversation(missive_asker):
    row = _message_with(missive_asker, "readable")
    whole = missive_asker.get(f"/messages/{row['id']}").json()["messages"]
    assert (whole["id"], whole["body"], whole["conversation"]["id"]) == (row["id"], row["body"], row["conversation"])
    assert "last_activity_at" not in whole["conversation"]


def test_several_messages_are_a_list_with_bodies(missive_asker):
    rows = list(missive_asker.messages(_long_thread(missive_asker)["id"]))[:12]
    several = missive_asker.get(f"/messages/{','.join(rows)}").json()["messages"]
    assert [row["id"] for row in several] == rows
    assert all(row["body"] for row in several)


def test_a_mail_can_be_found_by_its_message_id_even_where_it_came_twice(missive_asker):
    messages = missive_asker.readable("messages").values()
    twice = next(
        key for key, count in Counter(row["email_message_id"] for row in messages).items() if key and count > 1
    )
    found = missive_asker.rows("/messages", email_message_id=twice)
    assert len(found) == 2
    assert {row["email_message_id"] for row in found} == {twice}
    assert missive_asker.get("/messages").status_code == 400


def test_answers_name_the_mail_that_they_answer(missive_asker):
    messages = missive_asker.messages(_long_thread(missive_asker)["id"]).values()
    known = {row["email_message_id"] for row in messages}
    answered = [reference for row in messages for reference in row["in_reply_to"]]
    assert len(answered) == len(messages) - 1
    assert set(answered) <= known


def test_telephones_have_numbers_or_user_names_instead_of_addresses(missive_asker):
    keys = {row["type"]: row["from_field"].keys() for row in missive_asker.readable("messages").values()}
    assert all("phone_number" in keys[kind] for kind in ("sms", "whatsapp"))
    assert {"id", "username"} <= keys["messenger"]
    assert all("address" not in keys[kind] for kind in ("sms", "whatsapp", "messenger"))


def test_inline_pictures_have_no_source_and_stand_among_the_attachments(missive_asker):
    row = _one(
        missive_asker.truth("messages", lambda row: row["readable"] and any(a["inline"] for a in row["attachments"]))
    )
    whole = missive_asker.message(row["id"])
    pictures = re.findall(r'<img [^>]*data-missive-attachment-id="([^"]+)"[^>]*>', whole["body"])
    assert set(pictures) & {each["id"] for each in whole["attachments"]}
    assert "src=" not in whole["body"]


def test_comments_have_authors_mentions_tasks_and_attachments(missive_asker):
    truth = missive_asker.readable("comments")
    for conversation in {row["conversation"] for row in truth.values()}:
        for key, row in missive_asker.comments(conversation).items():
            expected = truth.pop(key)
            for name in ("body", "created_at", "mentions"):
                assert row[name] == expected[name]
            assert row["author"]["id"] == expected["author"]
            assert (row["attachment"] or {}).get("id") == (expected["attachment"] or {}).get("id")
            assert (row["task"] or {}).get("state") == (expected["task"] or {}).get("state")
            assert "updated_at" not in row
            for mention in row["mentions"]:
                name = row["body"][mention["index"] : mention["index"] + mention["length"]]
                assert name[1:] == missive_asker.truth("users")[mention["id"]]["name"]
    assert truth == {}


def test_tasks_are_listed_newest_first(missive_asker):
    expected = {row["task"]["id"] for row in missive_asker.readable("comments").values() if row["task"]}
    assert set(missive_asker.all_rows("/tasks", "created_at", limit=2)) == expected


@pytest.mark.parametrize("table", ["users", "teams", "organizations", "shared_labels", "contact_books"])
def test_directories_are_paged_by_offset(missive_asker, table):
    everything = [row["id"] for row in missive_asker.rows(f"/{table}", limit=200)]
    assert set(everything) == set(missive_asker.truth(table))
    paged = [row["id"] for offset in range(0, 20, 2) for row in missive_asker.rows(f"/{table}", limit=2, offset=offset)]
    assert paged == everything
    assert missive_asker.get(f"/{table}", limit=201).status_code == 400


def test_one_user_is_the_tokens_and_in_every_team_but_one(missive, missive_asker):
    assert [row["id"] for row in missive_asker.rows("/users") if row["me"]] == [missive.office.me]
    teams = missive_asker.rows("/teams")
    foreign = [row for row in teams if missive.office.me not in {user["id"] for user in row["active_members"]}]
    assert len(foreign) == 1
    assert missive_asker.truth("conversations", lambda row: row["team"] == foreign[0]["id"])
    assert missive_asker.conversations(team_all=foreign[0]["id"]) == {}


def test_labels_have_the_names_of_their_parents(missive_asker):
    labels = {row["name"]: row for row in missive_asker.rows("/shared_labels")}
    assert labels["Abnahme"]["name_with_parent_names"] == "Projekte/Bauphase/Abnahme"
    assert labels["Abnahme"]["parent"] == labels["Bauphase"]["id"]


def test_contacts_need_a_book_and_tell_what_changed_and_what_was_deleted(fresh, clock):
    assert fresh.get("/contacts").status_code == 400
    book = fresh.rows("/contact_books")[0]["id"]
    before = {row["id"] for row in fresh.rows("/contacts", contact_book=book)}
    now = int(clock.now.timestamp())
    clock.tick(60)
    fresh.missive.mutate(seed=1, count=6, names=["rename contacts", "delete contacts", "new contact"])
    assert fresh.get("/contacts", contact_book=book, include_deleted="true").status_code == 400
    changed = fresh.rows("/contacts", contact_book=book, modified_since=now + 1, include_deleted="true")
    truth = fresh.truth("contacts", lambda row: row["modified_at"] > now and row["contact_book"] == book)
    assert {row["id"]: row["deleted"] for row in changed} == {key: row["deleted"] for key, row in truth.items()}
    deleted = [row for row in changed if row["deleted"]]
    assert deleted
    assert all(row == {"id": row["id"], "deleted": True} for row in deleted)
    after = {row["id"] for row in fresh.rows("/contacts", contact_book=book)}
    assert before != after == set(fresh.truth("contacts", lambda row: row["readable"] and row["contact_book"] == book))


def test_contact_groups_are_those_of_a_book(missive_asker):
    book = missive_asker.rows("/contact_books")[0]
    assert [
        row["contact_book"] for row in missive_asker.rows("/contact_groups", contact_book=book["id"], kind="group")
    ] == [book["id"]]


def test_a_post_can_put_labels_on_and_take_them_off(fresh):
    conversation = _one(fresh.truth("conversations", lambda row: row["readable"] and row["shared_labels"]))
    new = next(key for key in fresh.truth("shared_labels") if key not in conversation["shared_labels"])
    wish = {"conversation": conversation["id"], "text": "Hallo", "add_shared_labels": [new]}
    wish["remove_shared_labels"] = conversation["shared_labels"]
    assert fresh.send("POST", "/posts", json={"posts": wish}).status_code == 201
    (row,) = fresh.rows(f"/conversations/{conversation['id']}")
    assert [label["id"] for label in row["shared_labels"]] == [new]
    assert [post["text"] for post in fresh.rows(f"/conversations/{conversation['id']}/posts")] == ["Hallo"]


def test_two_conversations_can_be_merged(fresh):
    rows = [row for row in fresh.readable("conversations").values() if row["messages_count"] > 1][:2]
    source, target = rows
    answer = fresh.send(
        "POST", f"/conversations/{source['id']}/merge", json={"target": target["id"], "subject": "Zusammen"}
    )
    assert answer.status_code == 200, answer.text
    (row,) = fresh.rows(f"/conversations/{source['id']}")
    assert (row["id"], row["subject"]) == (target["id"], "Zusammen")
    assert row["messages_count"] == sum(each["messages_count"] for each in rows)


def test_writing_needs_the_content_type_of_json(missive_asker):
    assert missive_asker.send("POST", "/posts", data=b"{}").status_code == 400
    assert missive_asker.send("POST", "/posts", data=b"{", headers=JSON).status_code == 400
    assert missive_asker.send("POST", "/posts", json={"posts": {"conversation": "nowhere"}}).status_code == 404


def test_what_is_not_there_is_404(missive_asker):
    for path in ("/nothing", "/conversations/x", "/conversations/x/messages", "/messages/x", "/hooks/x"):
        assert missive_asker.get(path).status_code == 404, path
