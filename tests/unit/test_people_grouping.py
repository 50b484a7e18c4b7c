"""Who is one person, as a pure function: whatever comes in whatever order."""

from __future__ import annotations

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from ibhelm_pipelines.register.people_addresses import is_mail_service, is_role
from ibhelm_pipelines.register.people_grouping import ADDRESS, CARDS, FILE_OWNER, TEAMWORK, Identity, group

POOL = ["a@x.de", "b@x.de", "c@y.de", "info@x.de"]
NAMES = ["Anna Alt", "Alt, Anna", "Bert Bau", ""]

cards = st.builds(
    lambda kind, name, said, is_live: (kind, name, tuple(said[:1] if kind == TEAMWORK else said), is_live),
    st.sampled_from(CARDS),
    st.sampled_from(NAMES),
    st.lists(st.sampled_from(POOL), max_size=3, unique=True),
    st.booleans(),
)  # fmt: skip


def identities(made: list[tuple[str, str, tuple[str, ...], bool]], order: list[int]) -> list[Identity]:
    """The cards, all addresses, and two owners of files, numbered in some order."""
    things = [{"kind": kind, "key": str(at), "name": name, "addresses": addresses, "is_live": is_live}
              for at, (kind, name, addresses, is_live) in enumerate(made)]  # fmt: skip
    things += [{"kind": ADDRESS, "key": each} for each in POOL]
    things += [{"kind": FILE_OWNER, "key": each} for each in ("a", "root")]
    return [Identity(id=order[at], **each) for at, each in enumerate(things)]


def parts(made: list[Identity]) -> set[frozenset[tuple[str, str]]]:
    return {frozenset((e.kind, e.key) for e in each.identities) for each in group(made, {"x.de"}).groups}


@settings(max_examples=300, deadline=None)
@given(st.lists(cards, max_size=6), st.randoms(use_true_random=False))
def test_the_order_of_arrival_changes_nothing_and_everybody_is_in_one_group(made, chance):
    numbers = list(range(1, len(made) + len(POOL) + 3))
    first = identities(made, numbers)
    shuffled = identities(made, chance.sample(numbers, len(numbers)))
    chance.shuffle(shuffled)
    assert parts(first) == parts(shuffled)
    assert sum(map(len, parts(first))) == len(first) - 1, "but for the machine's account"


@settings(max_examples=300, deadline=None)
@given(st.lists(cards, max_size=6))
def test_people_whom_teamwork_tells_apart_at_one_address_are_never_one_and_a_role_joins_no_two_names(made):
    for each in group(identities(made, list(range(1, len(made) + 9))), {"x.de"}).groups:
        present = [one for one in each.identities if one.kind == TEAMWORK and one.is_live and one.called]
        by_address = {(one.addresses, one.called) for one in present if one.addresses}
        assert len({addresses for addresses, _ in by_address}) == len(by_address)
        assert not any(e.key == "info@x.de" for e in each.identities) or len(each.identities) == 1


@pytest.mark.parametrize(
    ("address", "expected"),
    [
        ("info@x.de", True), ("info.berlin@x.de", True), ("No-Reply@x.de".lower(), True), ("rechnung2026@x.de", True),
        ("noreply+abc123@x.de", True), ("büro@x.de", True), ("mailer-daemon@x.de", True),
        ("anna.post@x.de", False), ("informatik.meier@x.de", False), ("supportini@x.de", False), ("a.info@x.de", False),
        ("@x.de", False), ("+4930123", False), ("123@x.de", False),
    ],
)  # fmt: skip
def test_an_address_is_a_roles_by_its_first_whole_word(address, expected):
    assert is_role(address) is expected


def test_mail_services_are_known_in_every_country_and_no_firm_is_one():
    assert all(map(is_mail_service, ["gmx.de", "gmx.at", "web.de", "t-online.de", "yahoo.co.uk", "outlook.com"]))
    assert not any(map(is_mail_service, ["helm.de", "web.firma.de", "web-bau.de", "live-bau.de", "bau.gmx.de"]))
