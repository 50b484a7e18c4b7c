"""People of both vendors, read from their simulators: a sync changes no person, and merging no row of the vendors."""

from __future__ import annotations

import missive_office
import teamwork_office
from people_desk import Desk

from ibhelm_pipelines.demo.missive.server import MissiveSimulator
from ibhelm_pipelines.demo.teamwork.server import TeamworkSimulator
from ibhelm_pipelines.settings import Settings
from ibhelm_pipelines.vendors.missive.sync import sync as sync_missive
from ibhelm_pipelines.vendors.teamwork.sync import sync as sync_teamwork

VENDORS = (
    "people",
    "companies",
    "projects",
    "missive_users",
    "contacts",
    "contact_infos",
    "emails",
    "email_recipients",
)


def test_a_full_sync_of_both_vendors_changes_no_person_and_merging_changes_no_row_of_theirs(
    settings: Settings, owner_database_url: str
) -> None:
    desk = Desk(settings, owner_database_url)
    with (
        TeamworkSimulator(projects=3, tasks=12, rate_limit=teamwork_office.PLENTY) as first,
        MissiveSimulator(projects=3, conversations=12, rate_limit=False) as second,
    ):
        connected = missive_office.connected(teamwork_office.connected(settings, first), second)

        def sync() -> None:
            sync_teamwork(connected, full=True)
            sync_missive(connected, full=True)

        def vendors() -> list[list[tuple[object, ...]]]:
            return [desk.rows(f"select xmin::text, t::text from {name} t order by 2") for name in VENDORS]

        sync()
        desk.rows("insert into conversation_projects (conversation_id, project_id)"
                  " select c.id, p.id from conversations c join projects p on p.id = c.id %% 3 + 1")  # fmt: skip
        theirs = vendors()
        report = desk.merge()
        assert vendors() == theirs
        # Some colleagues have the same address in Missive and in Teamwork.
        both = "select count(*) from missive_users m join people p using (email)"
        merged = """select count(*) from person_identities m join person_identities t using (person_id)
                    where m.kind = 'missive_user' and t.kind = 'teamwork'"""
        assert desk.one(merged) == desk.one(both) > 0
        nobody = "select count(*) from person_identities where person_id is null"
        assert (desk.one(nobody), report.participants > 10) == (0, True)

        one, other = desk.rows("select id from persons where not is_colleague and kind = 'person' order by id limit 2")
        desk.by_hand("update persons set merged_into_id = %s, note = 'n' where id = %s", *one, *other)
        desk.by_hand(
            "update project_participants set role = 'Architekt' where id = (select min(id) from project_participants)"
        )
        desk.merge()
        before = desk.everything()
        sync()
        assert desk.merge().changes == 0
        assert desk.everything() == before
