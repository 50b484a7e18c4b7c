"""The simulated Missive refuses, fails, breaks off and sends broken mails as the real one may."""

from __future__ import annotations

import hashlib
import signal
import subprocess
import sys
import time
from concurrent.futures import ThreadPoolExecutor

import pytest
import requests
from missive_asker import MissiveAsker, Row

from ibhelm_pipelines.demo.missive.faults import MissiveFaults
from ibhelm_pipelines.demo.missive.malformed import ATTACHED, MALFORMED
from ibhelm_pipelines.demo.missive.server import MissiveSimulator
from ibhelm_pipelines.demo.missive.switches import Switches
from ibhelm_pipelines.demo.missive.wording import ODD_FILENAMES
from ibhelm_pipelines.errors import ConfigurationError


class Hours:
    """The clock of the limits, which stands until it is told to go on."""

    def __init__(self) -> None:
        self.now = 1_000.0

    def __call__(self) -> float:
        return self.now


def _limited(hours: Hours, **values: object) -> MissiveSimulator:
    return MissiveSimulator(conversations=0, monotonic=hours, **values)


def _attachment(asker: MissiveAsker, **values: object) -> tuple[Row, str]:
    """An attachment of a mail: the truth about it, and its address."""
    for message in asker.readable("messages").values():
        for row in message["attachments"]:
            if row["size"] > 1000 and all(row[key] == value for key, value in values.items()):
                (shown,) = [each for each in asker.message(message["id"])["attachments"] if each["id"] == row["id"]]
                return row, shown["url"]
    raise AssertionError(f"no attachment with {values}")


def test_300_requests_a_minute_and_900_in_15_minutes_are_allowed():
    hours = Hours()
    with _limited(hours) as missive:
        asker = MissiveAsker(missive)
        with requests.Session() as session:
            session.headers["Authorization"] = f"Bearer {missive.token}"

            def ask(count: int) -> list[int]:
                return [session.get(f"{missive.url}/users", timeout=20).status_code for _ in range(count)]

            for _ in range(3):
                assert ask(301) == [*[200] * 300, 429]
                hours.now += 60
            refused = asker.get("/users")
        assert refused.status_code == 429
        assert refused.headers["Retry-After"] == str(900 - 180)
        assert (refused.headers["X-RateLimit-Limit"], refused.headers["X-RateLimit-Remaining"]) == ("900", "0")
        assert abs(int(refused.headers["X-RateLimit-Reset"]) - time.time() - 720) < 60
        hours.now += 720
        assert asker.get("/users").status_code == 200
        log = missive.requests
        assert (log.total, log.refused, log.by_status[429]) == (905, 4, 4)
        assert (log.most_in_60_seconds, log.most_in_900_seconds) == (301, 904)
        assert log.by_path == {"/v1/users": 905}


def test_limits_can_be_scaled_and_switched_off():
    hours = Hours()
    with _limited(hours, rate_limit=0.01, window_factor=0.5) as missive:
        answers = [MissiveAsker(missive).get("/users") for _ in range(4)]
        assert [answer.status_code for answer in answers] == [200, 200, 200, 429]
        assert answers[3].headers["Retry-After"] == "30"
    with _limited(hours, rate_limit=False) as missive:
        assert {MissiveAsker(missive).get("/users").status_code for _ in range(320)} == {200}


def test_only_refusals_tell_the_limit_unless_a_switch_says_otherwise():
    with _limited(Hours()) as missive:
        asker = MissiveAsker(missive)
        assert "X-RateLimit-Remaining" not in asker.get("/users").headers
        missive.switches = Switches(rate_limit_headers="always")
        assert asker.get("/users").headers["X-RateLimit-Remaining"] == "298"


@pytest.mark.parametrize(("answer", "statuses"), [("refused", {200, 429}), ("queued", {200})])
def test_more_than_five_requests_at_once_are_too_many(answer, statuses):
    slow = MissiveFaults(slow=1.0, slow_seconds=0.4)
    with _limited(Hours(), faults=slow, switches=Switches(too_many_at_once=answer)) as missive:
        asker = MissiveAsker(missive)
        with ThreadPoolExecutor(12) as pool:
            answers = list(pool.map(lambda _: asker.get("/users"), range(12)))
        assert {each.status_code for each in answers} == statuses
        assert missive.requests.most_concurrent > 5
        assert all(each.headers["Retry-After"] == "1" for each in answers if each.status_code == 429)


@pytest.fixture
def asker(missive) -> MissiveAsker:
    return MissiveAsker(missive)


def test_downloads_are_equal_byte_for_byte_and_want_no_token(missive, asker):
    done = 0
    with requests.Session() as session:
        for message in list(asker.readable("messages").values())[:80]:
            urls = {row["id"]: row["url"] for row in asker.message(message["id"])["attachments"]}
            for row in message["attachments"]:
                answer = session.get(urls[row["id"]], timeout=20)
                assert hashlib.sha256(answer.content).hexdigest() == row["sha256"]
                assert (len(answer.content), answer.status_code) == (row["size"], 200)
                done += 1
    assert done > 20
    log = missive.requests
    assert (log.attachments.total, log.attachments_with_token) == (done, 0)
    assert not missive.attachments_url.startswith(missive.url.removesuffix("/v1"))


def test_a_token_sent_to_the_host_of_the_attachments_is_noticed(missive, asker):
    _, url = _attachment(asker)
    requests.get(url, headers={"Authorization": f"Bearer {missive.token}"}, timeout=20)
    assert missive.requests.attachments_with_token == 1
    assert missive.requests.as_counters()["attachments"]["with_token"] == 1


def test_addresses_of_attachments_cannot_be_made_up(asker):
    _, url = _attachment(asker)
    later = url.replace("Expires=1", "Expires=2")
    assert later != url
    unsigned = url.partition("?")[0]
    assert [requests.get(each, timeout=20).status_code for each in (url, later, unsigned)] == [200, 403, 403]


def test_the_same_bytes_are_in_many_mails_under_ids_of_their_own(asker):
    rows = [row for message in asker.truth("messages").values() for row in message["attachments"]]
    assert len({row["id"] for row in rows}) == len(rows)
    assert len({row["sha256"] for row in rows}) < len(rows) / 2


def test_some_attachments_are_files_of_the_nas(tmp_path, clock):
    with MissiveSimulator(clock=clock, rate_limit=False) as missive:
        folder = missive.office.contents.projects[2].folder
    for name in ("Angebot Ä.pdf", "Plan.dwg"):
        (tmp_path / folder).mkdir(parents=True, exist_ok=True)
        (tmp_path / folder / name).write_bytes(name.encode() * 500)
    with MissiveSimulator(clock=clock, rate_limit=False, files=tmp_path) as missive:
        row, url = _attachment(MissiveAsker(missive), nas_path=f"{folder}/Angebot Ä.pdf")
        assert requests.get(url, timeout=20).content == (tmp_path / row["nas_path"]).read_bytes()


@pytest.mark.parametrize(("fault", "status"), [("attachment_expired", 403), ("attachment_server_error", 500)])
def test_downloads_fail(missive, asker, fault, status):
    _, url = _attachment(asker)
    missive.faults = MissiveFaults(**{fault: 1.0})
    assert requests.get(url, timeout=20).status_code == status
    assert asker.get("/users").status_code == 200, "the API has no part in it"
    missive.faults = MissiveFaults()
    assert requests.get(url, timeout=20).status_code == 200


@pytest.mark.parametrize(
    ("fault", "error"),
    [("attachment_reset", requests.ConnectionError), ("attachment_cut", requests.exceptions.ChunkedEncodingError)],
)
def test_downloads_break_off(missive, asker, fault, error):
    _, url = _attachment(asker)
    missive.faults = MissiveFaults(**{fault: 1.0})
    with pytest.raises(error):
        requests.get(url, timeout=20)


def test_downloads_may_be_of_another_size_than_the_message_says(missive, asker):
    row, url = _attachment(asker)
    missive.faults = MissiveFaults(attachment_wrong_size=1.0)
    answer = requests.get(url, timeout=20)
    assert (answer.status_code, len(answer.content)) == (200, row["size"] * 2 // 3)


def test_downloads_may_be_slow(missive, asker):
    _, url = _attachment(asker)
    missive.faults = MissiveFaults(attachment_slow=1.0, slow_seconds=30.0)
    with pytest.raises(requests.ReadTimeout):
        requests.get(url, timeout=0.2)


@pytest.mark.parametrize(
    ("fault", "status"),
    [("too_many_requests", 429), ("server_error", 500), ("bad_gateway", 502), ("unavailable", 503)],
)
def test_faults_have_their_statuses(missive, asker, fault, status):
    missive.faults = MissiveFaults(**{fault: 1.0})
    assert asker.get("/users").status_code == status
    missive.faults = MissiveFaults()
    assert asker.get("/users").status_code == 200


def test_answers_are_truncated_cut_and_reset(missive, asker):
    missive.faults = MissiveFaults(truncated_json=1.0)
    with pytest.raises(requests.JSONDecodeError):
        asker.get("/users").json()
    missive.faults = MissiveFaults(cut=1.0)
    with pytest.raises(requests.exceptions.ChunkedEncodingError):
        asker.get("/users")
    missive.faults = MissiveFaults(reset=1.0)
    with pytest.raises(requests.ConnectionError):
        asker.get("/users")


def test_tokens_expire_and_paths_are_forbidden(missive, asker):
    missive.faults = MissiveFaults(token_expired=True)
    assert asker.get("/users").status_code == 401
    missive.faults = MissiveFaults(forbidden=("/v1/teams",))
    assert [asker.get(path).status_code for path in ("/users", "/teams")] == [200, 403]


def test_conversations_jump_to_the_top_between_pages(missive, asker):
    missive.faults = MissiveFaults(moving_rows=1.0, moving_rows_changes=20)
    first = asker.rows("/conversations", all="true", limit=10)
    missive.faults = MissiveFaults()
    again = asker.rows("/conversations", all="true", limit=10)
    assert [row["id"] for row in first] != [row["id"] for row in again]
    assert again[0]["last_activity_at"] > first[0]["last_activity_at"]


def test_the_vendors_clock_may_be_wrong(missive, asker, clock):
    missive.faults = MissiveFaults(clock_skew_seconds=-3600)
    missive.mutate(seed=1, count=1, names=["new mail"])
    newest = asker.rows("/conversations", all="true")[0]["last_activity_at"]
    assert newest - (int(clock.now.timestamp()) - 3600) in (0, 2)


@pytest.fixture(scope="module")
def broken() -> MissiveAsker:
    with MissiveSimulator(conversations=21, malformed=True, rate_limit=False) as missive:
        yield MissiveAsker(missive)


def _malformed(asker: MissiveAsker, name: str) -> Row:
    """A malformed mail by the answer that has its body."""
    mails = asker.missive.office.tables["messages"].values()
    subject = MALFORMED.get(name, {}).get("subject", f"Kaputt: {name}")
    row = next(row for row in mails if row["subject"] == subject and row["type"] == "email")
    return asker.message(row["id"])


@pytest.mark.parametrize("name", MALFORMED)
def test_mails_are_broken_in_many_ways(broken, name):
    row = _malformed(broken, name)
    assert {key: row[key] for key in MALFORMED[name]} == MALFORMED[name]
    (listed,) = broken.rows(f"/conversations/{row['conversation']['id']}/messages")
    assert listed["id"] == row["id"]


def test_among_them_are_the_worst(broken):
    assert _malformed(broken, "no sender")["from_field"] is None
    dates = [_malformed(broken, name)["delivered_at"] for name in ("no date", "negative date", "date as text")]
    assert [type(each) for each in dates] == [type(None), int, str]
    assert _malformed(broken, "far future")["delivered_at"] > 10**13
    assert len(_malformed(broken, "subject of a megabyte")["subject"]) > 900_000
    assert len(_malformed(broken, "ten thousand recipients")["to_fields"]) == 10_000
    assert "\x00" in _malformed(broken, "NUL")["body"]
    assert "\ud83d" in _malformed(broken, "half surrogates")["body"]
    assert _malformed(broken, "deep quotes")["body"].count("<blockquote") == 2_000
    assert _malformed(broken, "no body")["body"] is None
    names = [row["filename"] for row in _malformed(broken, "odd names")["attachments"]]
    assert {"../../etc/passwd", "CON.pdf", "a:b?.pdf", ""} <= set(names)
    assert max(map(len, names)) == 300


@pytest.mark.parametrize("name", ATTACHED)
def test_attachments_are_broken_in_many_ways_and_can_be_downloaded(broken, name):
    attachments = _malformed(broken, name)["attachments"]
    if name == "odd names":
        assert [row["filename"] for row in attachments] == list(ODD_FILENAMES)
    for row in attachments:
        assert (row["url"] is None) == (name == "no address of the file")
        if row["url"]:
            assert len(requests.get(row["url"], timeout=20).content) == row["size"]


def test_a_malformed_mail_comes_as_a_mutation_too(missive, asker):
    before = len(asker.readable("messages"))
    missive.mutate(seed=5, count=10, names=["malformed"])
    assert len(asker.readable("messages")) == before + 10


def test_a_port_that_is_taken_is_said_in_a_sentence(missive):
    port = int(missive.attachments_url.rpartition(":")[2])
    with pytest.raises(ConfigurationError, match="attachments cannot listen on port"):
        MissiveSimulator(conversations=1, attachments_port=port)


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT])
def test_the_command_says_its_address_and_ends_in_good_order(number):
    command = [sys.executable, "-m", "ibhelm_pipelines.cli", "simulate-missive", "--port", "0", "--conversations", "21"]
    with subprocess.Popen([*command, "--every", "0.05"], stdout=subprocess.PIPE, text=True) as process:
        assert process.stdout is not None
        url, token = process.stdout.readline().rstrip(".\n").split(" at ")[1].split(", its token is ")
        answer = requests.get(f"{url}/users", headers={"Authorization": f"Bearer {token}"}, timeout=20)
        assert answer.status_code == 200
        control = process.stdout.readline() and process.stdout.readline().split(": ", 1)[1].strip().removesuffix(
            "/truth"
        )
        assert requests.get(f"{control}/requests", timeout=20).json()["windows"][0]["limit"] == 300
        process.send_signal(number)
        process.stdout.read()
        assert process.wait(timeout=60) == 0
