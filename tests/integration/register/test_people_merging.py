"""Who is one person and who is not: by address, never by name; the ugly cases first."""

from __future__ import annotations

import random

import psycopg
import pytest
from people_desk import Desk

from ibhelm_pipelines.errors import BusyError
from ibhelm_pipelines.settings import Settings


@pytest.fixture
def desk(settings: Settings, owner_database_url: str) -> Desk:
    return Desk(settings, owner_database_url)


def test_an_address_of_several_records_of_one_source_merges_nobody(desk: Desk) -> None:
    desk.contact("Anna Alt", "buchung@firma.de", "anna@firma.de")
    desk.contact("Bert Bau", "buchung@firma.de")
    desk.teamwork("Carl Claus", "zentral@stadt.de")
    desk.teamwork("Dora Dill", "zentral@stadt.de")
    desk.merge()
    assert desk.groups() == {
        frozenset({("contact", "Anna Alt"), ("address", "anna@firma.de")}),
        frozenset({("contact", "Bert Bau")}),
        frozenset({("address", "buchung@firma.de")}),
        frozenset({("teamwork", "Carl Claus")}),
        frozenset({("teamwork", "Dora Dill")}),
        frozenset({("address", "zentral@stadt.de")}),
    }
    mailboxes = desk.rows("select name from persons where kind = 'mailbox' order by 1")
    assert mailboxes == [("buchung@firma.de",), ("zentral@stadt.de",)]


@pytest.mark.parametrize("address", ["info@firma.de", "no-reply@firma.de", "rechnung-2026@firma.de", "büro@firma.de"])
def test_a_role_address_is_a_mailbox_and_merges_not_even_two_that_alone_carry_it(desk: Desk, address: str) -> None:
    desk.contact("Firma GmbH", address)
    desk.teamwork("Erik Erle", address)
    desk.mail(address, name="Irgendwer")
    report = desk.merge()
    assert (report.persons, report.mailboxes) == (2, 1)
    assert desk.rows("select name, email from persons where kind = 'mailbox'") == [(address, address)]


def test_two_cards_of_one_name_and_address_are_one_person_even_if_the_address_is_a_roles(desk: Desk) -> None:
    for _ in range(2):
        desk.contact("Otto Ofen", "info@ofen.de")
        desk.contact("Paula Pumpe", "paula@pumpe.de")
    desk.contact("Otto Ofen", "otto@anderswo.de")
    assert desk.merge().persons == 3, "and a namesake with another address is somebody else"


def test_capitals_spaces_and_ways_to_write_umlauts_make_no_second_person(desk: Desk) -> None:
    desk.teamwork("Jürgen Groß", "jürgen@büro-groß.de")
    desk.contact("J. Groß", "  JU\u0308RGEN@bu\u0308ro-Groß.DE ")
    desk.mail("Ju\u0308rgen@Büro-groß.de", "jürgen@büro-groß.de", name="Jürgen Groß")
    assert desk.merge().persons == 1
    assert desk.rows("select name, email from persons") == [("Jürgen Groß", "jürgen@büro-groß.de")]


def test_one_contact_with_two_addresses_makes_one_person_of_both(desk: Desk) -> None:
    desk.mail("max@firma.de", "max.muster@web.de")
    desk.merge()
    one, other = desk.person("max@firma.de"), desk.person("max.muster@web.de")
    assert one != other
    contact = desk.contact("Max Muster", "max@firma.de", "max.muster@web.de", phone="+49 30 123")
    report = desk.merge()
    assert (report.merged, report.persons) == (1, 1)
    assert desk.person("max.muster@web.de") == desk.person("max@firma.de") == min(one, other)  # type: ignore[type-var]
    assert desk.rows("select name, phone from persons where merged_into_id is null") == [("Max Muster", "+49 30 123")]

    desk.rows("delete from contact_infos where contact_id = %s and value = 'max.muster@web.de'", contact)
    assert desk.merge().split == 1
    assert (desk.person("max@firma.de"), desk.person("max.muster@web.de")) == (one, other), "each is who they were"


def test_an_address_that_leaves_a_card_leaves_the_person_too(desk: Desk) -> None:
    desk.mail("max@firma.de", "max.muster@web.de")
    contact = desk.contact("Max Muster", "max@firma.de", "max.muster@web.de")
    desk.merge()
    before = desk.person("Max Muster")
    assert desk.person("max.muster@web.de") == before
    desk.rows("delete from contact_infos where contact_id = %s and value = 'max.muster@web.de'", contact)
    assert desk.merge().split == 1
    assert desk.person("max@firma.de") == desk.person("Max Muster") == before != desk.person("max.muster@web.de")


def test_a_card_with_the_addresses_of_several_people_is_none_of_them(desk: Desk) -> None:
    desk.teamwork("Anna Alt", "anna@firma.de")
    desk.teamwork("Bert Bau", "bert@firma.de")
    desk.contact("Firma GmbH", "anna@firma.de", "bert@firma.de", "carl@firma.de")
    desk.contact("Alt, Anna", "anna@firma.de", "bert@firma.de")  # she keeps her colleague's at hand: still her name
    desk.merge()
    assert desk.person("Anna Alt") == desk.person("anna@firma.de")
    assert desk.person("Bert Bau") == desk.person("bert@firma.de")
    assert len({desk.person("Anna Alt"), desk.person("Bert Bau"), desk.person("Firma GmbH")}) == 3


def test_who_left_teamwork_and_came_back_is_the_same_person(desk: Desk) -> None:
    first = desk.teamwork("Lena Kraft", "lena@helm.de")
    desk.merge()
    before = desk.person("lena@helm.de")
    desk.rows("update people set deleted_at = now()")
    desk.merge()
    assert desk.rows("select id, deleted_at is null, name from persons") == [(before, False, "Lena Kraft")]
    desk.rows("update people set deleted_at = null where id = %s", first)
    desk.merge()
    assert desk.rows("select id, deleted_at from persons") == [(before, None)]
    # Under a new number, as after she was deleted and invited again; somebody else got the address of a third.
    desk.rows("update people set deleted_at = now()")
    desk.teamwork("Lena Kraft", "lena@helm.de")
    desk.teamwork("Mia Mai", "platz3@helm.de", deleted=True)
    desk.teamwork("Nils Nau", "platz3@helm.de")
    desk.merge()
    assert desk.person("Lena Kraft") == before
    assert desk.person("Nils Nau") == desk.person("platz3@helm.de") != desk.person("Mia Mai")


def test_a_row_that_was_read_anew_under_another_number_of_ours_is_the_same_person(desk: Desk) -> None:
    desk.user("Lena Kraft", "lena@helm.de")
    desk.merge()
    desk.by_hand("update persons set note = 'Schlüssel Nr. 4'")
    before = desk.rows("select id, note from persons")
    desk.rows("with gone as (delete from missive_users returning missive_id, name, email)"
              " insert into missive_users (missive_id, name, email) select * from gone")  # fmt: skip
    desk.merge()
    assert desk.rows("select id, note from persons") == before
    assert desk.one("select missive_user_id from person_identities where kind = 'missive_user'") == desk.one(
        "select id from missive_users"
    )


def test_the_order_in_which_things_come_changes_nothing_of_who_is_who(desk: Desk) -> None:
    def cards(order: random.Random) -> None:
        made = [
            lambda: desk.teamwork("Anna Alt", "anna@firma.de"),
            lambda: desk.user("Anna Alt", "a.alt@helm.de"),
            lambda: desk.contact("Alt, Anna", "anna@firma.de", "a.alt@helm.de", "info@firma.de"),
            lambda: desk.contact("Firma GmbH", "info@firma.de", "bert@firma.de"),
            lambda: desk.teamwork("Bert Bau", "bert@firma.de"),
            lambda: desk.mail("info@firma.de", "bert@firma.de", "carl@web.de"),
            lambda: desk.file("bert"),
            lambda: desk.contact("Carl und Cora", "carl@web.de"),
            lambda: desk.contact("Cora Claus", "carl@web.de", "cora@web.de"),
        ]
        order.shuffle(made)
        for each in made:
            each()
            if order.random() < 0.5:
                desk.merge()
        desk.merge()

    found = []
    for seed in range(4):
        desk.empty()
        cards(random.Random(seed))
        found.append(desk.groups())
    assert all(each == found[0] for each in found)
    assert frozenset({("address", "bert@firma.de"), ("teamwork", "Bert Bau"), ("contact", "Firma GmbH")}) in found[0]


def test_a_second_run_writes_nothing(desk: Desk) -> None:
    own = desk.company("Helm", own=True, website="https://www.helm.de/start")
    project = desk.project("2301 Kita", owner=desk.teamwork("Lena Kraft", "lena@helm.de", company=own))
    desk.mail("x@y.de", "lena@helm.de", "info@y.de", conversation=desk.conversation(project))
    desk.contact("X Ypsilon", "x@y.de", "info@y.de")
    desk.contact("", "x@y.de")
    desk.file("lena", project)
    desk.file("root", project)
    desk.mail("spam@spam.de", conversation=desk.conversation(state="junked"))
    desk.merge()
    one, other = desk.person("x@y.de"), desk.person("lena@helm.de")
    desk.by_hand("update persons set merged_into_id = %s, note = 'n' where id = %s", other, one)
    assert desk.merge().changes > 0
    before = desk.everything()
    assert desk.merge().changes == 0
    assert desk.everything() == before


def test_an_owner_of_files_is_who_has_that_name_before_the_at_of_the_office_and_nobody_else(desk: Desk) -> None:
    own = desk.company("Helm", own=True)
    desk.teamwork("Martin Köhler", "mkoehler@helm.de", company=own)
    desk.teamwork("Fremder Köhler", "fremd@firma.de", company=desk.company("Firma"))
    desk.mail("fremd@firma.de", "zwei@helm.de")
    desk.user("Zwei", "zwei@helm-bau.de")
    for owner in ("HELM\\MKoehler", "fremd", "zwei", "root", "1031"):
        desk.file(owner)
    report = desk.merge()
    assert desk.person("mkoehler") == desk.person("mkoehler@helm.de")
    assert desk.person("fremd") not in (desk.person("fremd@firma.de"), None)
    assert desk.person("zwei") not in (desk.person("zwei@helm.de"), desk.person("zwei@helm-bau.de"), None), "two fit"
    assert (desk.person("root"), desk.person("1031")) == (None, None)
    assert report.persons == 6


def test_who_is_known_by_spam_or_deleted_mails_only_is_nobody(desk: Desk) -> None:
    desk.mail("gewinn@spam.de", "lena@helm.de", conversation=desk.conversation(state="junked"))
    gone = desk.mail("alt@firma.de")
    known = desk.mail("max@firma.de")
    desk.rows("update emails set deleted_at = now() where id = %s", gone)
    assert desk.merge().persons == 1
    before = desk.person("max@firma.de")
    desk.rows("update emails set deleted_at = now() where id = %s", known)
    assert desk.merge().persons == 0
    desk.rows("update emails set deleted_at = null where id = %s", known)
    desk.merge()
    assert desk.rows("select id from persons where deleted_at is null") == [(before,)]


def test_the_firm_is_teamworks_else_that_of_the_domain_if_it_is_of_one_firm_alone(desk: Desk) -> None:
    own = desk.company("Helm", own=True)
    desk.teamwork("Lena Kraft", "lena@helm.de", company=own)
    web = desk.company("Web GmbH", website="HTTPS://www.Web-Bau.de:443/impressum")
    mail = desk.company("Mail GmbH", email="info@mail-bau.de")
    through = desk.company("Durch GmbH", email="durch@gmx.de")
    desk.teamwork("Dora Durch", "dora@durch.de", company=through)
    for name in ("Amt A", "Amt B"):
        desk.teamwork(f"Person {name}", f"{name[-1].lower()}@stadt.de", company=desk.company(name))
    desk.mail(
        "a1@web-bau.de", "a2@mail-bau.de", "a3@durch.de", "a4@gmx.de", "a5@stadt.de", "a6@helm.de", "info@durch.de"
    )
    desk.merge()
    found = dict(desk.rows("select email, company_id from persons where email ~ '^(a\\d|info|dora)'"))
    assert found == {
        "a1@web-bau.de": web, "a2@mail-bau.de": mail, "a3@durch.de": through, "a4@gmx.de": None, "a5@stadt.de": None,
        "a6@helm.de": own, "info@durch.de": through, "dora@durch.de": through,
    }  # fmt: skip
    assert desk.rows("select email from persons where is_colleague order by 1") == [("a6@helm.de",), ("lena@helm.de",)]


def test_two_runs_do_not_cross(desk: Desk, settings: Settings) -> None:
    desk.mail("max@firma.de")
    with psycopg.connect(settings.require_database_url()) as other:
        other.execute("select pg_advisory_xact_lock(hashtextextended('ibhelm people', 0))")
        with pytest.raises(BusyError):
            desk.merge()
    assert desk.merge().persons == 1
