"""`ibhelm status` on one screen of 100 columns: what is wrong comes last, where the eye ends up."""

from __future__ import annotations

import datetime as dt
from typing import TYPE_CHECKING

from rich.filesize import decimal
from rich.table import Table
from rich.text import Text

from ibhelm_pipelines.alerts.conditions import plain
from ibhelm_pipelines.alerts.message import BERLIN

if TYPE_CHECKING:
    from rich.console import Console

    from ibhelm_pipelines.local.status import DiskLine, HealthLine, OfficeStatus

_STYLES = {"ok": "green", "runs": "green", "warning": "yellow", "error": "bold red", "DOWN": "bold red"}

_LONGEST_DETAIL = 200

_UNITS = ((86400, "d"), (3600, "h"), (60, "min"), (1, "s"))


def show_status(console: Console, status: OfficeStatus) -> None:
    """Print all of it."""
    console.print(_services(status))
    now = dt.datetime.now(dt.UTC)
    if status.health:
        console.print(_health(status.health, now))
    if status.failures:
        console.print(_failures(status))
    for line in [*map(_disk, status.disks), _ticks(status, now)]:
        console.print(line, markup=False, highlight=False)
    for point in status.open:
        console.print(Text(f"{point.severity}: ", style=_STYLES[point.severity]).append(point.text, style="default"))
    console.print(_verdict(status))


def _verdict(status: OfficeStatus) -> Text:
    if status.broken:
        return Text("Not healthy.", style=_STYLES["error"])
    if not status.healthy:
        return Text("It works, but see the warnings.", style=_STYLES["warning"])
    return Text("Healthy.", style=_STYLES["ok"])


def _services(status: OfficeStatus) -> Table:
    table = _table("service", "state", "where")
    for service in status.services:
        table.add_row(
            service.name, _state("runs" if service.running else "DOWN"), _text(service.where or service.problem)
        )
    return table


def _health(lines: list[HealthLine], now: dt.datetime) -> Table:
    table = _table("subject", "state", "number", "size", "since", "detail", right=("number", "size", "since"))
    for line in lines:
        table.add_row(
            _text(line.subject),
            _state(line.state),
            "" if line.number is None else f"{line.number:,}",
            "" if line.bytes is None else decimal(line.bytes),
            "" if line.since is None else ago(now - line.since),
            _text(line.detail),
        )
    return table


def _failures(status: OfficeStatus) -> Table:
    table = _table("failed", "contents", "reason", right=("contents",))
    for line in status.failures:
        table.add_row(line.step, f"{line.contents:,}", _text(line.reason))
    return table


def ago(age: dt.timedelta) -> str:
    """Return an age in its largest unit, as in `5 min ago`."""
    seconds = max(0, int(age.total_seconds()))
    size, unit = next(((size, unit) for size, unit in _UNITS if seconds >= size), (1, "s"))
    return f"{seconds // size} {unit} ago"


def _disk(line: DiskLine) -> str:
    if line.free_bytes is None or line.total_bytes is None:
        return f"Disk of the {line.what} {line.path}: {line.problem}"
    used = "" if line.used_bytes is None else f"it takes {decimal(line.used_bytes)}; "
    free = f"{decimal(line.free_bytes)} of {decimal(line.total_bytes)} free"
    low = "; ALMOST FULL: nothing is lost, but nothing new is stored without room" if line.is_low else ""
    return f"Disk of the {line.what} {line.path}: {used}{free}{low}"


def _ticks(status: OfficeStatus, now: dt.datetime) -> str:
    if not status.next_ticks:
        return "Next: unknown, the Dagster UI does not answer"
    ticks = sorted(status.next_ticks.items(), key=lambda tick: tick[1])
    return "Next: " + ", ".join(f"{name} {_clock(moment, now)}" for name, moment in ticks)


def _clock(moment: dt.datetime, now: dt.datetime) -> str:
    local = moment.astimezone(BERLIN)
    return local.strftime("%H:%M" if local.date() == now.astimezone(BERLIN).date() else "%d.%m. %H:%M")


def _state(state: str) -> Text:
    return Text(state, style=_STYLES[state])


def _text(text: str) -> Text:
    line = plain(text)
    return Text(line if len(line) <= _LONGEST_DETAIL else f"{line[:_LONGEST_DETAIL]} ...")


def _table(*columns: str, right: tuple[str, ...] = ()) -> Table:
    table = Table(box=None, pad_edge=False, header_style="bold underline")
    for column in columns:
        justify, overflow = ("right", "fold") if column in right else ("left", "fold")
        table.add_column(column, justify=justify, overflow=overflow)  # type: ignore[arg-type]
    return table
