"""Which conversations a mailbox of the token's user has; at least one mailbox must be named.

Several mailboxes, or a mailbox and an organization, give what is in all of them.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING

from ibhelm_pipelines.demo.vendor.exchange import BadQuery, Parameters

if TYPE_CHECKING:
    from ibhelm_pipelines.demo.missive.state import Office, Row

    Test = Callable[[Row], bool]

NO_MAILBOX = "You need to paginate at least one mailbox"
_PUT_AWAY = {"trashed", "junked"}


def in_mailboxes(office: Office, query: Parameters) -> Test:
    """Return what says whether a conversation is in the mailboxes that a request names.

    Raises:
        BadQuery: it names none, or filters that exclude each other.
    """
    tests = [*_flag_tests(office, query), *_id_tests(office, query), *_contact_tests(office, query)]
    if not tests:
        raise BadQuery(NO_MAILBOX)
    organization = query.text("organization")
    if organization:
        tests.append(lambda row: row["organization"] == organization)
    return lambda row: office.is_listed(row) and all(test(row) for test in tests)


def _flag_tests(office: Office, query: Parameters) -> list[Test]:
    me = office.me
    hides = set() if office.switches.all_has_trash_and_spam else _PUT_AWAY
    flags: dict[str, Test] = {
        "inbox": lambda row: not {*_PUT_AWAY, "closed", "archived", "snoozed"} & set(row["users"][me]),
        "all": lambda row: not hides & set(row["users"][me]),
        "assigned": lambda row: me in row["assignees"] and not hides & set(row["users"][me]),
        "closed": lambda row: "closed" in row["users"][me] and not hides & set(row["users"][me]),
        "snoozed": lambda row: "snoozed" in row["users"][me],
        "flagged": lambda row: "flagged" in row["users"][me],
        "trashed": lambda row: "trashed" in row["users"][me],
        "junked": lambda row: "junked" in row["users"][me],
        "drafts": lambda row: bool(office.inside("drafts", row["id"])),
    }
    return [test for name, test in flags.items() if query.flag(name)]


def _id_tests(office: Office, query: Parameters) -> list[Test]:
    me = office.me
    hides = set() if office.switches.all_has_trash_and_spam else _PUT_AWAY
    tests: list[Test] = []
    label = query.text("shared_label")
    if label:
        tests.append(lambda row: label in row["shared_labels"] and not hides & set(row["users"][me]))
    for name in ("team_inbox", "team_closed", "team_all"):
        team = query.text(name)
        if team:
            tests.append(_team_test(me, name, team, hides))
    return tests


def _team_test(me: str, name: str, team: str, hides: set[str]) -> Test:
    def in_team(row: Row) -> bool:
        flags = set(row["users"][me])
        if row["team"] != team or hides & flags:
            return False
        if name == "team_all":
            return True
        return ("closed" in flags) == (name == "team_closed")

    return in_team


def _contact_tests(office: Office, query: Parameters) -> list[Test]:
    named = [name for name in ("email", "domain", "contact_organization") if query.text(name)]
    if len(named) > 1:
        raise BadQuery(f"{' and '.join(named)} exclude each other")
    if not named:
        return []
    wanted = query.text(named[0]).casefold()

    def written_by(row: Row) -> bool:
        for message in office.inside("messages", row["id"]):
            for field in (message["from_field"], *message["to_fields"], *message["cc_fields"]):
                address = str((field or {}).get("address", "")).casefold()
                if wanted in (address, address.rpartition("@")[2]):
                    return True
        return False

    return [written_by]
