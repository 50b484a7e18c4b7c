"""What stands around a deployment: files with secrets, clocks, versions and rights in Postgres, watches, what is open.

Each look returns a fact or raises what is wrong and what to do; `ibhelm doctor` asks them all, on one machine and in a
container alike.
"""

from __future__ import annotations

import datetime as dt
import ipaddress
import warnings
from collections.abc import Callable, Mapping
from email.utils import parsedate_to_datetime
from pathlib import Path
from typing import TYPE_CHECKING

import psutil
import requests
from urllib3.exceptions import InsecureRequestWarning

from ibhelm_pipelines.db.connect import connect
from ibhelm_pipelines.db.queries import load_queries
from ibhelm_pipelines.errors import ConfigurationError, TransientError
from ibhelm_pipelines.local import dagster_process
from ibhelm_pipelines.local.secret_files import open_to_others
from ibhelm_pipelines.settings import PREFIX, Settings

if TYPE_CHECKING:
    from collections.abc import Iterator

SECONDS = 10
MOST_CLOCK_SECONDS = 5.0
"""To Postgres: its clock dates rows and leases, ours dates what is compared with them."""

MOST_S3_CLOCK_SECONDS = 300.0
"""To S3: servers refuse requests that are dated 15 minutes off."""

OLDEST_POSTGRES, OLDEST_VECTOR = 16, (0, 7)
"""Half-precision vectors came with pgvector 0.7."""

WATCHES = Path("/proc/sys/fs/inotify/max_user_watches")
SPARE_WATCHES = 1.2
DAGSTER_SIGNS = ("dagster-webserver", "dagster api grpc", "dagster code-server")


def secret_files(settings: Settings) -> str:
    """Say whether files with secrets are their owner's alone, and named like settings.

    Raises:
        ConfigurationError: others may read one, or one is named like no setting.
    """
    folder = settings.secrets_dir
    if folder is None:
        return "not used; IBHELM_SECRETS_DIR is not set"
    if opened := open_to_others(folder):
        raise ConfigurationError(
            f"Others than their owner may read secrets in {folder}: {', '.join(opened)}.",
            next_step="chmod 600 them; let them belong to the user that runs ibhelm.",
        )
    names = {path.name.upper() for path in folder.iterdir() if path.name.upper().startswith(PREFIX)}
    if unknown := sorted(names - {f"{PREFIX}{name}".upper() for name in Settings.model_fields}):
        raise ConfigurationError(
            f"Files in {folder} are named like no setting and are not read: {', '.join(unknown).lower()}.",
            next_step="Correct their names; `ibhelm doctor` lists all settings.",
        )
    return f"{len(names)} in {folder}"


def postgres_version(settings: Settings) -> str:
    """Say which versions of Postgres and pgvector answer, and how large the database is.

    Raises:
        ConfigurationError: they are too old.
        DatabaseUnavailableError: Postgres does not answer.
    """
    with connect(settings.require_database_url(), application="doctor", autocommit=True) as connection:
        row = connection.execute(load_queries("surroundings")["versions"]).fetchone()
    assert row is not None
    server, number, vector, size = row
    is_old = tuple(int(part) for part in (vector or "0.0").split(".")[:2]) < OLDEST_VECTOR
    if number // 10_000 < OLDEST_POSTGRES or is_old:
        raise ConfigurationError(
            f"Postgres {server} with pgvector {vector or 'missing'} is too old.",
            next_step=f"Use Postgres {OLDEST_POSTGRES} with pgvector {'.'.join(map(str, OLDEST_VECTOR))}, or newer.",
        )
    return f"{server}, pgvector {vector}, {size}"


def roles(settings: Settings) -> str:
    """Say whether the roles of the settings have no more rights than they need.

    Raises:
        ConfigurationError: one is a superuser, or may make roles or databases, or belongs to the owner.
        DatabaseUnavailableError: Postgres does not answer.
    """
    excess = []
    for name in ("database_url", "dagster_database_url", "nocodb_database_url", "reader_database_url"):
        url = getattr(settings, name)
        if url is None:
            continue
        with connect(url.get_secret_value(), application="doctor", autocommit=True) as connection:
            row = connection.execute(load_queries("surroundings")["rights_of_role"]).fetchone()
        assert row is not None
        if row[1]:
            excess.append(f"{row[0]} ({PREFIX}{name.upper()}) {', '.join(row[1])}")
    if excess:
        raise ConfigurationError(
            f"Roles of Postgres have rights that they do not need: {'; '.join(excess)}.",
            next_step="Use the roles that `ibhelm provision` makes, and keep the superuser for it alone.",
        )
    return "none may more than it needs"


def clock_of_postgres(settings: Settings) -> str:
    """Say how far the clock of Postgres is from ours.

    Raises:
        ConfigurationError: too far.
        DatabaseUnavailableError: Postgres does not answer.
    """
    with connect(settings.require_database_url(), application="doctor", autocommit=True) as connection:
        before = dt.datetime.now(dt.UTC)
        row = connection.execute(load_queries("surroundings")["clock"]).fetchone()
        after = dt.datetime.now(dt.UTC)
    assert row is not None
    return judged_clock("Postgres", row[0], before + (after - before) / 2, MOST_CLOCK_SECONDS)


def clock_of_s3(settings: Settings) -> str:
    """Say how far the clock of the S3 server is from ours, by the date that it puts on every answer.

    Raises:
        ConfigurationError: too far.
        TransientError: it does not answer.
    """
    endpoint = settings.require_s3_endpoint()
    try:
        answer = requests.head(endpoint, timeout=SECONDS, allow_redirects=False)
    except requests.RequestException as error:
        raise TransientError(
            f"The S3 server {endpoint} does not answer: {type(error).__name__}.", next_step="Look whether it runs."
        ) from error
    said = answer.headers.get("Date")
    if said is None:
        return "the server does not say its time"
    return judged_clock("the S3 server", parsedate_to_datetime(said), dt.datetime.now(dt.UTC), MOST_S3_CLOCK_SECONDS)


def judged_clock(whose: str, theirs: dt.datetime, ours: dt.datetime, most: float) -> str:
    """Say how far a clock is from ours.

    Args:
        whose: it is, for the sentence.
        theirs: what it says.
        ours: what ours says at the same moment.
        most: seconds that are borne.

    Raises:
        ConfigurationError: too far.
    """
    seconds = (theirs - ours).total_seconds()
    if abs(seconds) > most:
        raise ConfigurationError(
            f"The clock of {whose} is {abs(seconds):,.0f} s {'ahead of' if seconds > 0 else 'behind'} ours.",
            next_step="Let both machines keep their time by NTP.",
        )
    return f"{abs(seconds):.1f} s apart"


def watches(settings: Settings) -> str:
    """Say whether the kernel grants enough watches for every folder of the share.

    Raises:
        ConfigurationError: it does not, so the watcher would look again and again instead of being told.
        DatabaseUnavailableError: Postgres, which knows the folders, does not answer.
    """
    if settings.nas_root is None or settings.watch_mode == "poll" or not WATCHES.exists():
        return "not needed here"
    granted = int(WATCHES.read_text(encoding="ascii"))
    with connect(settings.require_database_url(), application="doctor", autocommit=True) as connection:
        row = connection.execute(load_queries("surroundings")["folders"]).fetchone()
    assert row is not None
    needed = int(row[0] * SPARE_WATCHES)
    if needed > granted:
        raise ConfigurationError(
            f"The share has about {row[0]:,} folders, and the kernel grants {granted:,} watches: the watcher cannot be"
            " told of changes and looks again and again instead.",
            next_step=f"As root on the machine of the disk: sysctl fs.inotify.max_user_watches={max(needed, 524_288)}.",
        )
    return f"{granted:,} watches for {row[0]:,} folders"


def dagster(settings: Settings) -> str:
    """Say whether the UI answers, our code is loaded and the daemons live.

    Raises:
        TransientError: one of them does not.
    """
    url = settings.dagster_url
    if url is None:
        return "not asked; IBHELM_DAGSTER_URL is not set (`ibhelm status` tells of the one that `ibhelm up` runs)"
    if problems := dagster_process.problems(url):
        raise TransientError(f"Dagster: {'; '.join(problems)}.", next_step="Look into the log of what is named.")
    return f"{url}: code loaded, daemons alive"


def exposure(settings: Settings) -> str:
    """Say whether Dagster, which asks nobody who they are, can be reached past a login.

    Raises:
        ConfigurationError: it can.
    """
    behind_proxy = not all(_is_loopback(address) for address in settings.trusted_proxies)
    if not _is_loopback(settings.listen_host) and not behind_proxy:
        raise ConfigurationError(
            f"Our servers listen on {settings.listen_host} (IBHELM_LISTEN_HOST), but no proxy is named.",
            next_step="Set IBHELM_LISTEN_HOST to 127.0.0.1, or IBHELM_TRUSTED_PROXIES to the proxy that does TLS.",
        )
    if not behind_proxy and (opened := sorted(_open_listeners())):
        raise ConfigurationError(
            f"Whoever reaches this machine can command Dagster without a login: {', '.join(opened)}.",
            next_step="Start it on 127.0.0.1, as `ibhelm up` does, and put a proxy with a login in front.",
        )
    return _login_of_dagster(settings)


def _is_loopback(address: str) -> bool:
    try:
        network = ipaddress.ip_network(address, strict=False)
    except ValueError:
        return address == "localhost"
    mapped = getattr(network.network_address, "ipv4_mapped", None)  # how gRPC writes 127.0.0.1
    return (mapped or network).is_loopback


def _open_listeners() -> Iterator[str]:
    """Yield Dagster's processes that listen for other machines, where the kernel lets us see whose a socket is."""
    for connection in psutil.net_connections("tcp"):
        if connection.status != psutil.CONN_LISTEN or connection.pid is None or not connection.laddr:
            continue
        address, port = connection.laddr.ip, connection.laddr.port
        command = "" if _is_loopback(address) else _command(connection.pid)
        if any(sign in command for sign in DAGSTER_SIGNS):
            yield f"{address}:{port} (pid {connection.pid})"


def _command(pid: int) -> str:
    try:
        return " ".join(psutil.Process(pid).cmdline())
    except psutil.Error:  # it ended meanwhile
        return ""


def _login_of_dagster(settings: Settings) -> str:
    """Ask the UI's public address as a stranger would. The certificate may be of an authority of the office's own."""
    url = settings.dagster_public_url
    if url is None:
        return "no Dagster listens for other machines"
    try:
        answer = _ask_as_a_stranger(f"{url.rstrip('/')}/server_info")
    except requests.RequestException as error:
        return f"{url} was not reached from here ({type(error).__name__}), so nobody was let in"
    if answer.status_code == requests.codes.ok:
        raise ConfigurationError(
            f"Dagster's UI answers at {url} without asking who comes.",
            next_step="Put the login of deploy/caddy/Caddyfile in front of it, now.",
        )
    return f"{url} asks who comes"


def _ask_as_a_stranger(url: str) -> requests.Response:
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", InsecureRequestWarning)  # nothing is sent that a wrong server could abuse
        return requests.get(url, timeout=SECONDS, allow_redirects=False, verify=False)  # noqa: S501


Looks = Mapping[str, Callable[[Settings], str]]

AT_POSTGRES: Looks = {
    "Version of Postgres": postgres_version,
    "Rights of the roles": roles,
    "Clock of Postgres": clock_of_postgres,
    "Watches of the kernel": watches,
}
"""To be asked when it answers and has our tables."""

AT_S3: Looks = {"Clock of S3": clock_of_s3}

ELSEWHERE: Looks = {"Files with secrets": secret_files, "Dagster": dagster, "Exposure": exposure}
