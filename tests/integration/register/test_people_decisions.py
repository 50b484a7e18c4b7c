"""What a person decides in NocoDB: merging, splitting, names, firms, notes. It wins, stays, and can be handed back."""

from __future__ import annotations

import random

import psycopg
import pytest
from people_desk import Desk

from ibhelm_pipelines.settings import Settings

ASSIGN = "update person_identities set person_id = %s where label = %s and kind = %s"


@pytest.fixture
def desk(settings: Settings, owner_database_url: str) -> Desk:
    return Desk(settings, owner_database_url)


def renew(desk: Desk) -> None:
    """Everything of Missive is read anew: other rows of ours, the same ids at Missive."""
    desk.rows(
        "with gone as (delete from contact_infos returning *), cards as (delete from contacts returning *),"
        " made as (insert into contacts (missive_id, name, first_name, last_name)"
        " select missive_id, name, first_name, last_name from cards returning id, missive_id)"
        " insert into contact_infos (contact_id, ordinal, kind, value) select made.id, g.ordinal, g.kind, g.value"
        " from gone g join cards c on c.id = g.contact_id join made using (missive_id)"
    )


def test_a_split_by_hand_survives_runs_syncs_and_new_mails_until_it_is_handed_back(desk: Desk) -> None:
    desk.contact("Max und Eva", "max@firma.de", "eva@firma.de")
    desk.mail("max@firma.de", "eva@firma.de")
    desk.merge()
    both = desk.person("max@firma.de")
    assert desk.person("eva@firma.de") == both
    desk.by_hand("insert into persons (name, note) values ('Eva Eller', 'Bauleitung')")
    eva = desk.one("select id from persons where name = 'Eva Eller'")
    assert desk.by_hand(ASSIGN, eva, "eva@firma.de", "address") == 1
    for _ in range(2):
        desk.merge()
        assert (desk.person("eva@firma.de"), desk.person("max@firma.de")) == (eva, both)
        assert desk.rows("select name, note, email from persons where id = %s", eva) == [
            ("Eva Eller", "Bauleitung", "eva@firma.de")
        ]
        renew(desk)
        desk.mail("Eva@Firma.de", name="Eva E.")
    desk.by_hand(ASSIGN, None, "eva@firma.de", "address")
    desk.merge()
    assert desk.person("eva@firma.de") == both
    assert desk.rows("select note from persons where id = %s", eva) == [("Bauleitung",)], "she was entered by a person"


def test_the_oldest_identity_taken_away_leaves_the_person_to_the_rest(desk: Desk) -> None:
    desk.teamwork("Max Muster", "max@firma.de")
    desk.contact("Max Muster", "max@firma.de")
    desk.merge()
    before = desk.person("max@firma.de")
    desk.by_hand("update persons set note = 'bleibt'")
    desk.by_hand("insert into persons (name) values ('Der andere Max')")
    other = desk.one("select id from persons where name = 'Der andere Max'")
    desk.by_hand(ASSIGN, other, "Max Muster", "teamwork")
    for _ in range(2):
        desk.merge()
        assert desk.rows("select kind, person_id from person_identities order by kind") == [
            ("address", before), ("contact", before), ("teamwork", other),
        ]  # fmt: skip
    desk.by_hand(ASSIGN, None, "Max Muster", "teamwork")
    desk.merge()
    assert desk.rows("select distinct person_id from person_identities") == [(before,)]
    assert desk.one("select note from persons where id = %s", before) == "bleibt"


def test_addresses_that_only_a_card_carries_go_with_it_and_those_that_another_one_carries_stay(desk: Desk) -> None:
    desk.user("Max Muster", "max@firma.de")
    desk.contact("Muster privat", "max@firma.de", "privat@web.de")
    desk.merge()
    before = desk.person("max@firma.de")
    assert desk.person("privat@web.de") == before
    desk.by_hand("insert into persons (name) values ('Ein anderer')")
    other = desk.one("select id from persons where name = 'Ein anderer'")
    desk.by_hand(ASSIGN, other, "Muster privat", "contact")
    desk.merge()
    assert (desk.person("privat@web.de"), desk.person("max@firma.de")) == (other, before)
    # Gone without a trace, as what the settings leave out for a while: the decision stays, the name does not.
    [(card,)] = desk.rows("delete from contacts returning missive_id")
    desk.merge()
    assert desk.rows("select label, person_id from person_identities where kind = 'contact'") == [(card, other)]
    desk.rows("insert into contacts (missive_id, name, last_name) values (%s, 'Muster', 'Muster')", card)
    desk.merge()
    assert desk.person("Muster") == other


def test_merging_by_hand_carries_what_hangs_on_both_and_emptying_the_cell_parts_them(desk: Desk) -> None:
    project = desk.project("2301 Kita")
    desk.mail("max@firma.de", "max@privat.de", conversation=desk.conversation(project))
    desk.merge()
    one, other = desk.person("max@firma.de"), desk.person("max@privat.de")
    desk.by_hand("update persons set note = 'kommt spät' where id = %s", other)
    desk.by_hand("update persons set note = 'Tel. nur früh' where id = %s", one)
    for person, role in ((one, "Architekt"), (other, "Entwurf")):
        desk.by_hand("update project_participants set role = %s, note = %s where person_id = %s", role, role[0], person)
    desk.by_hand("update persons set merged_into_id = %s where id = %s", one, other)
    desk.merge()
    assert desk.person("max@privat.de") == one
    assert desk.rows("select person_id, role, note, mails from project_participants") == [
        (one, "Architekt, Entwurf", "A\nE", 1)
    ]
    assert desk.one("select note from persons where id = %s", one) == "Tel. nur früh\nkommt spät"
    desk.by_hand("update persons set note = 'kurz' where id = %s", one)
    assert desk.merge().changes == 0
    assert desk.one("select note from persons where id = %s", one) == "kurz", "carried once, then it is the office's"
    # A card that holds both, and no card again: people said so, whatever the rules say meanwhile.
    card = desk.contact("Max Muster", "max@firma.de", "max@privat.de")
    desk.merge()
    desk.rows("delete from contacts where id = %s", card)
    desk.merge()
    assert desk.person("max@privat.de") == one
    desk.by_hand("update persons set merged_into_id = null where id = %s", other)
    desk.merge()
    assert (desk.person("max@firma.de"), desk.person("max@privat.de")) == (one, other)


def test_whom_people_chose_to_stay_stays_also_when_the_rules_would_keep_another(desk: Desk) -> None:
    desk.mail("a@firma.de", "b@firma.de", "c@firma.de")
    desk.merge()
    a, b, c = (desk.person(f"{each}@firma.de") for each in "abc")
    desk.by_hand("update persons set merged_into_id = %s where id = %s", c, a)
    desk.contact("A und B", "a@firma.de", "b@firma.de")
    desk.merge()
    assert {desk.person(f"{each}@firma.de") for each in "abc"} == {c}
    assert desk.rows("select id, merged_into_id, merged_into_source from persons order by id") == [
        (a, c, "person"), (b, c, "rule"), (c, None, "rule"),
    ]  # fmt: skip


def test_moving_all_that_somebody_has_to_another_one_takes_the_words_along(desk: Desk) -> None:
    desk.mail("max@firma.de", "max@privat.de", conversation=desk.conversation(desk.project("2301")))
    desk.merge()
    one, other = desk.person("max@firma.de"), desk.person("max@privat.de")
    desk.by_hand("update persons set note = 'Bauherr', name = 'Dr. Max' where id = %s", other)
    desk.by_hand("update project_participants set role = 'Bauherr' where person_id = %s", other)
    desk.by_hand(ASSIGN, one, "max@privat.de", "address")
    desk.merge()
    assert desk.rows("select name, note from persons where id = %s", one) == [("Dr. Max", "Bauherr")]
    assert desk.rows("select label, role from project_participants") == [("Dr. Max", "Bauherr")]


def test_what_people_write_into_a_person_stays_until_they_empty_it(desk: Desk) -> None:
    firm, domains = desk.company("Firma"), desk.company("Domain GmbH", website="firma.de")
    desk.mail("max@firma.de", name="M. M.")
    desk.merge()
    edit = "update persons set name = %s, company_id = %s, kind = %s"
    desk.by_hand(edit, "Max Muster", firm, "mailbox")
    desk.mail("max@firma.de", name="Anders")
    desk.mail("max@firma.de", name="Anders")
    desk.contact("", "max@firma.de", phone="+49 30 123")
    desk.merge()
    assert desk.rows("select name, company_id, kind, phone from persons") == [
        ("Max Muster", firm, "mailbox", "+49 30 123")
    ]
    desk.by_hand(edit, "", None, None)
    desk.merge()
    assert desk.rows("select name, company_id, kind from persons") == [("Anders", domains, "person")]


def test_what_would_make_no_sense_is_refused_in_german(desk: Desk) -> None:
    desk.mail("a@firma.de", "b@firma.de", conversation=desk.conversation(desk.project("2301")))
    desk.merge()
    a, b = desk.person("a@firma.de"), desk.person("b@firma.de")
    desk.by_hand("update persons set merged_into_id = %s where id = %s", b, a)
    with pytest.raises(psycopg.errors.RaiseException, match=r"-- .*selbst das Ziel der Zusammenführung"):
        desk.by_hand("update persons set merged_into_id = %s where id = %s", a, b)
    with pytest.raises(psycopg.errors.RaiseException, match=r"-- .*kann nicht gelöscht werden"):
        desk.by_hand("delete from persons where id = %s", b)
    with pytest.raises(psycopg.errors.RaiseException, match=r"-- .*ergibt sich aus Aufgaben, Mails oder Dateien"):
        desk.by_hand("delete from project_participants")
    with pytest.raises(psycopg.errors.RaiseException, match=r"-- .*Bitte einen Namen eingeben"):
        desk.by_hand("insert into persons (name) values (' ')")
    for column in ("email", "phone", "is_colleague", "deleted_at", "name_source", "merged_into_source", "id"):
        with pytest.raises(psycopg.errors.InsufficientPrivilege):
            desk.by_hand(f"update persons set {column} = default")
    for column in ("label", "key", "kind", "person_source", "contact_id"):
        with pytest.raises(psycopg.errors.InsufficientPrivilege):
            desk.by_hand(f"update person_identities set {column} = null")
    for column in ("label", "roles", "mails", "person_id", "last_contact_at"):
        with pytest.raises(psycopg.errors.InsufficientPrivilege):
            desk.by_hand(f"update project_participants set {column} = null")
    assert desk.by_hand("insert into persons (name) values ('Nur Telefon')") == 1
    desk.merge()
    assert desk.by_hand("delete from persons where name = 'Nur Telefon'") == 1


@pytest.mark.parametrize("seed", range(3))
def test_whatever_people_do_no_identity_is_lost_and_what_they_decided_holds(desk: Desk, seed: int) -> None:
    chance = random.Random(seed)
    names = [f"p{n}@firma.de" for n in range(8)]
    desk.mail(*names)
    desk.merge()
    pinned: dict[str, int] = {}
    for _ in range(12):
        persons = [number for (number,) in desk.rows("select id from persons where merged_into_id is null")]
        name, person = chance.choice(names), chance.choice(persons)
        match chance.randrange(4):
            case 0:
                if desk.person(name) != person:  # to choose the same one again decides nothing
                    desk.by_hand(ASSIGN, person, name, "address")
                    pinned[name] = person
            case 1:
                desk.by_hand(ASSIGN, None, name, "address")
                pinned.pop(name, None)
            case 2:
                desk.contact("", *chance.sample(names, 2))
            case 3:
                desk.rows("delete from contacts where id = (select min(id) from contacts)")
        desk.merge()
        assert desk.one("select count(*) from person_identities where kind = 'address' and person_id is not null") == 8
        into = dict(desk.rows("select id, merged_into_id from persons"))
        decided = dict(desk.rows("select key, person_id from person_identities where person_source = 'person'"))
        assert decided == {each: end_of(into, person) for each, person in pinned.items()}
        assert all(into[person] is None for (person,) in desk.rows("select person_id from person_identities"))
        assert desk.merge().changes == 0


def end_of(into: dict[int, int | None], person: int) -> int:
    while (following := into[person]) is not None:
        person = following
    return person
