"""The register against the truth: how much of what is said anywhere in the demo office is linked, and how much of what
is linked is true; and that links follow what is said, whatever happens in whatever order."""

from __future__ import annotations

import shutil
import subprocess
import sys
import uuid
from pathlib import Path
from random import Random
from typing import TYPE_CHECKING, Any

import databases
import psycopg
import pytest
import register_measures
import tables
from filed_office import FiledOffice, Size, Vendors, generate

from ibhelm_pipelines.demo.missive import actions as mail
from ibhelm_pipelines.demo.teamwork import actions
from ibhelm_pipelines.local.s3 import EmbeddedS3
from ibhelm_pipelines.nas.scan import scan
from ibhelm_pipelines.register.linking import link_items
from ibhelm_pipelines.settings import Settings

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from ibhelm_pipelines.local.postgres import EmbeddedPostgres

DEMO = Size(files=400, projects=24, tasks=600, conversations=300)
SMALL = Size(files=60, projects=6, tasks=60, conversations=30)
PRECISION, RECALL = 0.99, 0.95
TEAMWORK_LIFE = (
    *("tag task", "remove last tag of task", "move task", "rename tags", "delete tags", "set custom value of task"),
    *("create task", "delete task", "restore task", "rename projects", "archive project"),
)
MISSIVE_LIFE = (*("label on or off", "last label off", "new mail", "rename subject", "merge", "rename shared_labels"),)
MAKE_NAS = Path(__file__).resolve().parents[2].parent / "shared" / "make_nas.py"

pytestmark = pytest.mark.timeout(600)


@pytest.fixture(scope="module")
def vendors() -> Iterator[Vendors]:
    vendors = Vendors(DEMO)
    vendors.start()
    yield vendors
    vendors.stop()


@pytest.fixture(scope="module")
def shop(
    postgres: EmbeddedPostgres, s3: EmbeddedS3, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[Callable[..., Settings]]:
    """Makes settings with a database and a bucket of their own; scans are not read, for the truth counts on none."""
    made = []

    def make(root: Path, *, template: str = "template_ibhelm") -> Settings:
        name = f"test_{uuid.uuid4().hex}"
        databases.create(postgres, name, template=template)
        made.append(name)
        keys = {"access_key": s3.access_key, "secret_key": s3.secret_key}
        bucket = EmbeddedS3(folder=s3.folder, bucket="ibhelm-register", **keys)
        bucket.start()
        return Settings(
            _env_file=None, nas_root=root, state_dir=tmp_path_factory.mktemp("state"), s3_endpoint=s3.endpoint,
            s3_bucket=bucket.bucket, content_workers=1, ocr=False,
            database_url=postgres.url(name, user="ibhelm_pipeline", password="password of the tests"),
        )  # fmt: skip

    yield make
    tables.close()
    for name in made:
        databases.drop(postgres, name)


@pytest.fixture(scope="module")
def read_office(
    shop: Callable[..., Settings], vendors: Vendors, tmp_path_factory: pytest.TempPathFactory
) -> FiledOffice:
    """The demo office in the tables, and linked; nobody may change it."""
    office = FiledOffice(shop(generate(tmp_path_factory.mktemp("demo"), DEMO)), vendors)
    office.read_everything()
    return office


@pytest.fixture
def office(read_office: FiledOffice, shop: Callable[..., Settings], tmp_path: Path) -> Iterator[FiledOffice]:
    """A copy of it, NAS and database, that a test may do with what it likes."""
    tables.close()
    root = tmp_path / "copy" / "nas"
    shutil.copytree(read_office.nas.root.parent, root.parent, copy_function=shutil.copy2)
    yield FiledOffice(shop(root, template=read_office.url.rpartition("/")[2]), read_office.vendors)
    read_office.vendors.restore()


def test_the_links_of_the_demo_office_are_true_and_nearly_all_that_is_told_is_linked(read_office: FiledOffice) -> None:
    measures = read_office.measures()
    print(*measures, sep="\n")  # noqa: T201 - the figures are what one wants to see (-s)
    assert all(len(measure.true) >= 40 for measure in measures), "too little to measure"
    wrong = [each.explained() for each in measures if each.precision < PRECISION or each.recall < RECALL]
    assert not wrong, "\n".join(wrong)
    assert register_measures.foreign_places(read_office.url) == []


@pytest.mark.soak
@pytest.mark.parametrize("seed", range(1, 7))
def test_so_it_is_in_any_other_office(seed: int, shop: Callable[..., Settings], tmp_path: Path) -> None:
    size = Size(files=300, projects=12 + 2 * seed, tasks=500, conversations=300, seed=seed)
    vendors = Vendors(size)
    vendors.start()
    try:
        office = FiledOffice(shop(generate(tmp_path, size)), vendors)
        office.read_everything()
        measures = office.measures()
    finally:
        vendors.stop()
    print(*measures, sep="\n")  # noqa: T201 - the figures are what one wants to see (-s)
    # Of mails alone it may be a little less: a subject whose only word on its project is a name of one word names none.
    assert not [each.explained() for each in measures if each.precision < PRECISION]
    assert not [each.explained() for each in register_measures.pooled(measures) if each.recall < RECALL]
    assert register_measures.foreign_places(office.url) == []


def _of(office: FiledOffice, *names: str) -> list[register_measures.Measure]:
    return [each for each in office.measures() if each.name in names]


def test_taking_off_a_tag_takes_its_links_and_no_others_be_it_the_last_one_or_one_that_meant_nothing(
    office: FiledOffice,
) -> None:
    simulated, rng = office.vendors.teamwork.office, Random(1)
    kinds = ("tasks, cost group", "tasks, place")
    before = _of(office, *kinds)
    tagged = [task for task in simulated.live("tasks") if task["tagIds"]]
    emptied = 0
    for task in rng.sample(tagged, 150):
        off = rng.choice(task["tagIds"])
        emptied += len(task["tagIds"]) == 1
        kept = [each for each in task["tagIds"] if each != off]
        actions.edit(simulated, "tasks", task, task["createdBy"], "UNTAGGED", tagIds=kept)
    assert emptied >= 20
    office.read_teamwork()
    office.link()
    for old, new in zip(before, _of(office, *kinds), strict=True):
        gone = old.all_told - new.all_told
        assert len(gone) >= 20
        assert not gone & new.found, "a link outlived its tag"
        assert new.found >= old.found - gone, "a link went with a tag that had not made it"
        assert not new.invented - old.invented


def test_taking_off_a_label_takes_its_links_unless_the_subject_says_the_same(office: FiledOffice) -> None:
    missive, rng = office.vendors.missive, Random(2)
    kinds = ("conversations, project", "conversations, cost group", "conversations, place")
    labelled = [row for row in missive.office.live("conversations") if row["shared_labels"]]
    before = missive.meant()
    for row in rng.sample(labelled, 60):
        kept = rng.sample(row["shared_labels"], len(row["shared_labels"]) - 1)
        mail.set_labels(missive.office, row, kept)
    office.read_missive(full=True)
    office.link()
    after = _of(office, *kinds)
    now = missive.meant()
    for kind, measure in zip(("projects", "cost_groups"), after, strict=False):
        untold = {
            (key, target)
            for key, about in before.items()
            for target in getattr(about.told_by["label"], kind)
            if not any(target in getattr(told, kind) for told in now[key].told_by.values())
        }
        assert len(untold) >= 5
        numbers = office.projects()
        untold = {(key, numbers[target]) for key, target in untold} if kind == "projects" else untold
        assert not untold & measure.found, "a link outlived its label"
    assert not [each.explained() for each in after if each.invented or each.recall < RECALL]


def _rename(office: FiledOffice, old: str, new: str) -> None:
    (office.nas.path(new).parent).mkdir(parents=True, exist_ok=True)
    office.nas.path(old).rename(office.nas.path(new))


def test_a_moved_file_and_a_moved_folder_change_project_and_places_and_keep_what_they_are(office: FiledOffice) -> None:
    lines = [line for line in office.truth() if not line["junk"] and line["project"] and line["place"]]
    photo = next(line for line in lines if line["kind"] == "Foto" and line["told_by"].get("room"))
    plans = [line for line in lines if line["kind"] == "Plan" and line["project"] != photo["project"]]
    folder = plans[0]["path"].rpartition("/")[0]
    moved = {line["path"]: line for line in lines if line["path"].startswith(f"{folder}/")}
    target = next(line for line in lines if line["project"] not in (photo["project"], plans[0]["project"]))
    top = "/".join(target["path"].split("/")[:2])
    ids = {path: office.nas.one("select id from files where raw_path = %s", path.encode()) for path in moved}
    inside = "/".join(photo["path"].split("/")[2:])
    _rename(office, photo["path"], f"{top}/{inside}")
    _rename(office, folder, f"{top}/03_Planung/Von anderswo")

    office.read_nas()
    office.link()

    query = """
        select p.teamwork_id, array(select l.building from file_locations b join locations l on l.id = b.location_id
                                    where b.file_id = f.id and l.project_id = f.project_id),
               array(select g.number from file_cost_groups b join cost_groups g on g.id = b.cost_group_id
                     where b.file_id = f.id)
        from files f join projects p on p.id = f.project_id where f.raw_path = %s and f.deleted_at is null"""
    project = office.projects()[target["project"]]
    [(found, buildings, _)] = office.nas.rows(query, f"{top}/{inside}".encode())
    assert (found, buildings) == (project, [photo["place"]["building"]])
    for path, line in moved.items():
        raw = f"{top}/03_Planung/Von anderswo/{path.rpartition('/')[2]}".encode()
        [(found, _, groups)] = office.nas.rows(query, raw)
        assert (found, groups) == (project, [line["cost_group"]])
        assert office.nas.one("select id from files where raw_path = %s and deleted_at is null", raw) == ids[path]
    assert register_measures.foreign_places(office.url) == []


def test_what_persons_decide_survives_every_sync_scan_and_move_and_goes_back_to_the_rules_when_it_is_taken_back(
    office: FiledOffice, postgres: EmbeddedPostgres
) -> None:
    as_it_was = register_measures.links_by_nature(office.url)

    def by_hand(statement: str) -> int:
        with psycopg.connect(postgres.url(office.url.rpartition("/")[2])) as connection:
            connection.execute("set role ibhelm_nocodb")
            return connection.execute(statement).rowcount

    other = "(select min(id) from projects where number = '2302')"
    assert by_hand(f"update files set project_id = {other} where name like 'IMG%' and project_id <> {other}") >= 5
    assert by_hand("delete from file_cost_groups where file_id % 5 = 0") >= 10
    assert by_hand("delete from task_locations where task_id % 3 = 0") >= 10
    assert by_hand("delete from conversation_projects where conversation_id % 4 = 0") >= 10
    group = "(select id from cost_groups where number = 371)"
    assert by_hand(f"insert into file_cost_groups (file_id, cost_group_id) select id, {group} from files limit 9") == 9
    assert by_hand(f"insert into task_cost_groups (task_id, cost_group_id) select id, {group} from tasks limit 9") == 9

    simulated = office.vendors.teamwork.office
    tag = next(row for row in simulated.live("tags") if row["name"] == "dringend")["id"]
    for task in list(simulated.live("tasks")):
        actions.edit(simulated, "tasks", task, task["createdBy"], "TAGGED", tagIds=sorted({*task["tagIds"], tag}))
    photo = office.nas.one("select path from files where project_source = 'person' order by path limit 1")
    _rename(office, photo, f"{photo}.verschoben.jpg")
    office.link()
    decided = register_measures.links_by_nature(office.url)
    office.read_everything(full=True)
    again = register_measures.links_by_nature(office.url)

    changed = {name for name in again if again[name] != as_it_was[name]}
    assert changed >= {"file projects", "file cost groups", "task cost groups", "task places", "conversation projects"}
    assert office.nas.one("select count(*) from files where project_source = 'person' and deleted_at is null") >= 5
    for name in ("task cost groups", "task places", "conversation projects", "conversation cost groups"):
        assert again[name] == decided[name], name
    assert office.nas.one("select count(*) from file_cost_groups b join cost_groups g on g.id = b.cost_group_id"
                          " where g.number = 371 and b.rule is null") == 9  # fmt: skip

    for item, target in (("file", "cost_group"), ("task", "location"), ("conversation", "project")):
        back = f"""select count(*) from {item}_{target}s b join link_decisions d on d.item = '{item}'
                   and d.target = '{target}' and d.item_id = b.{item}_id and d.target_id = b.{target}_id
                   where not d.is_linked"""
        assert office.nas.one(back) == 0, "what a person took away is back"

    _rename(office, f"{photo}.verschoben.jpg", photo)
    by_hand("delete from link_decisions")
    by_hand("update files set project_id = null where project_source = 'person'")
    office.read_everything()
    assert register_measures.links_by_nature(office.url) == as_it_was


def test_a_rule_that_is_switched_off_takes_its_links_back_and_nothing_else(
    office: FiledOffice, postgres: EmbeddedPostgres
) -> None:
    before = register_measures.links_by_nature(office.url)
    rule = office.nas.one("""select r.name from link_rules r join file_cost_groups b on b.rule = r.name
                             where r.reads = 'folder' group by 1 order by count(*) desc limit 1""")

    def switch(enabled: str) -> None:
        with psycopg.connect(postgres.url(office.url.rpartition("/")[2])) as connection:
            connection.execute("set role ibhelm_nocodb")
            connection.execute("update link_rules set is_enabled = %s where name = %s", [enabled, rule])
        office.link()

    switch("false")
    without = register_measures.links_by_nature(office.url)
    assert not [key for key in without["file cost groups"] if key[2] == rule]
    assert {name: links for name, links in without.items() if name != "file cost groups"} == {
        name: links for name, links in before.items() if name != "file cost groups"
    }
    switch("true")
    assert register_measures.links_by_nature(office.url) == before


def test_of_a_project_that_the_settings_exclude_nothing_is_linked_and_all_is_when_it_is_allowed_again(
    office: FiledOffice,
) -> None:
    before = register_measures.links_by_nature(office.url)
    number = office.projects()["2301"]
    name = office.nas.one("select name from projects where teamwork_id = %s", number)
    assert any(name in key for links in before.values() for key in links)

    office.read_teamwork(full=True, teamwork_excluded_projects=(str(number),))
    office.link()
    without = register_measures.links_by_nature(office.url)
    assert not any(name in key for links in without.values() for key in links)
    assert not office.nas.one("select count(*) from files f where f.project_id is null and f.project_rule is not null")

    office.read_everything(full=True)
    assert register_measures.links_by_nature(office.url) == before


@pytest.fixture(scope="module")
def small_vendors() -> Iterator[Vendors]:
    vendors = Vendors(SMALL)
    vendors.start()
    yield vendors
    vendors.stop()


def _live_on(office: FiledOffice, rng: Random) -> None:
    """What people do meanwhile: tags and labels come and go, are renamed and deleted; a folder moves."""
    seed = rng.random()
    office.vendors.teamwork.mutate(seed=str(seed), count=25, names=TEAMWORK_LIFE)
    office.vendors.missive.mutate(seed=str(seed), count=15, names=MISSIVE_LIFE)
    folders = sorted(path for path in office.nas.root.glob("projekte*/*/*") if path.is_dir())
    chosen = rng.choice(folders)
    target = rng.choice(folders).parent / f"{chosen.name} verschoben"
    if not target.exists():
        chosen.rename(target)


ORDERS = [pytest.param(seed, marks=[] if seed < 2 else [pytest.mark.soak]) for seed in range(12)]


@pytest.mark.parametrize("seed", ORDERS)
def test_whatever_comes_in_whatever_order_the_links_are_those_of_a_first_reading(
    seed: int, small_vendors: Vendors, shop: Callable[..., Settings], tmp_path: Path
) -> None:
    rng = Random(seed)
    office = FiledOffice(shop(generate(tmp_path, SMALL)), small_vendors)
    steps = [office.read_nas, office.read_teamwork, office.read_missive, office.link, office.link]
    steps += [lambda: _live_on(office, rng)] * 2 + steps
    rng.shuffle(steps)
    try:
        for step in steps:
            step()
        office.read_everything(full=True)
        assert link_items(office.settings, everything=True).changed == 0, "a change was overlooked"
        fresh = FiledOffice(shop(office.nas.root), small_vendors)
        fresh.read_everything()
    finally:
        small_vendors.restore()
    links, first = register_measures.links_by_nature(office.url), register_measures.links_by_nature(fresh.url)
    for name, counter in first.items():
        assert sum(counter.values()) >= 3
        assert links[name] == counter, name


GROUPS = {f"03_Planung/KGR {number} ": number for number in (410, 420, 430, 434, 440, 480)}
PLACES = {
    "05_Fotos/O-Haus A/EG/": {"building": "Haus A", "level": "EG", "room": None},
    "05_Fotos/O-Haus B/Raum 1.04/": {"building": "Haus B", "level": None, "room": "1.04"},
}


def _by_folder(raw_path: bytes) -> dict[str, Any]:
    """The truth about a file of make_nas.py: its folders are called what they mean."""
    path = raw_path.decode()
    _, project, rest = path.split("/", 2)
    group = next((number for folder, number in GROUPS.items() if rest.startswith(folder)), None)
    place = next((place for folder, place in PLACES.items() if rest.startswith(folder)), None)
    told = dict.fromkeys(("cost_group", "building", "level", "room"), "folder")
    known = {"path": path, "project": project, "cost_group": group, "place": place}
    return {**known, "told_by": told, "mentions": [], "junk": False}


def test_an_office_that_files_in_folders_finds_project_cost_group_and_place_by_them(
    shop: Callable[..., Settings], tmp_path: Path
) -> None:
    if not MAKE_NAS.is_file():
        pytest.skip(f"{MAKE_NAS} is not on this machine")
    root = tmp_path / "nas"
    subprocess.run([sys.executable, MAKE_NAS, "build", root, "--files", "150"], check=True, capture_output=True)
    (root / ".ibhelm-share").touch()
    office = FiledOffice(shop(root), None)  # type: ignore[arg-type]  # it has no vendors
    folders = sorted(path.name for path in root.glob("projekte*/*"))
    for number, folder in enumerate(folders):
        title = folder.rpartition("-")[0].replace("-", " ", 1)
        office.nas.rows("insert into projects (teamwork_id, name) values (%s, %s)", number, title)
    scan(office.settings)
    office.link()
    truth = [_by_folder(path) for path in office.nas.on_disk()]
    measures = register_measures.measure_files(office.url, truth, {name: i for i, name in enumerate(folders)})
    print(*measures, sep="\n")  # noqa: T201 - the figures are what one wants to see (-s)
    assert not [each.explained() for each in measures if each.precision < PRECISION or each.recall < RECALL]
