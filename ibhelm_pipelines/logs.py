"""Logs: one JSON object a line on standard error, without secrets and without document text.

Every line has timestamp, level, event, process, run, asset and folder; the last three are null where there is none.
What libraries say through Python's logging from WARNING on, Python's warnings, and the exception that ends the process
take the same way out, so that nothing reaches the log around the redaction. With a Sentry DSN, unexpected exceptions
are reported as well; expected errors are ours, are no mistakes in the code, and are not.
"""

from __future__ import annotations

import logging
import sys
import threading
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any, TextIO, cast

import structlog
from structlog.processors import JSONRenderer, TimeStamper, add_log_level, format_exc_info
from structlog.stdlib import ProcessorFormatter, add_logger_name

from ibhelm_pipelines.errors import ConfigurationError
from ibhelm_pipelines.redaction import Redactor

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping, Sequence
    from types import TracebackType

    from structlog.typing import EventDict, Processor, WrappedLogger

    from ibhelm_pipelines.settings import Settings

CONTEXT = ("run", "asset", "folder")
"""What work a line belongs to; in every line."""

_FIRST = ("timestamp", "level", "event", "process", *CONTEXT)


def configure_logging(process: str, settings: Settings) -> None:
    """Make all that this process logs JSON lines on standard error.

    Args:
        process: what the process is, in every line.
        settings: their secrets are kept out; a Sentry DSN in them is used.

    Raises:
        ConfigurationError: a DSN is set, but cannot be used.
    """
    tail = configure_own_logging(process, settings)
    handler = logging.StreamHandler(cast("TextIO", _StandardError()))
    handler.setFormatter(
        ProcessorFormatter(
            foreign_pre_chain=[structlog.contextvars.merge_contextvars, add_log_level, add_logger_name],
            processors=[ProcessorFormatter.remove_processors_meta, *tail],
        )
    )
    logging.basicConfig(level=logging.WARNING, handlers=[handler], force=True)
    logging.captureWarnings(capture=True)
    sys.excepthook = _log_crash
    threading.excepthook = _log_crashed_thread


def configure_own_logging(process: str, settings: Settings) -> list[Processor]:
    """Do so for our own lines only, in a process whose logging belongs to another, such as a run of Dagster.

    Returns:
        the processors behind all that came before: they date, order, redact and render a line.
    """
    redactor = Redactor(settings)
    if settings.sentry_dsn is not None:
        _report_to_sentry(settings.sentry_dsn.get_secret_value(), redactor, process)
    tail: list[Processor] = [
        TimeStamper(fmt="iso", utc=True),
        format_exc_info,
        _Completed(process, redactor),
        JSONRenderer(ensure_ascii=False),
    ]
    report: list[Processor] = [_report_exception] if settings.sentry_dsn is not None else []
    structlog.configure(
        processors=[structlog.contextvars.merge_contextvars, add_log_level, *report, *tail],
        wrapper_class=structlog.make_filtering_bound_logger(logging.INFO),
        logger_factory=structlog.WriteLoggerFactory(cast("TextIO", _StandardError())),
    )
    return tail


@contextmanager
def log_context(
    *, run: str | None = None, asset: str | None = None, folder: str | Sequence[str] | None = None
) -> Iterator[None]:
    """Say in every line of the block what work it belongs to; what is not given stays as it is outside.

    Args:
        run: id of the run of Dagster, or of the batch of a worker.
        asset: name of the asset, or of the job.
        folder: the project folder, or several.
    """
    known = {"run": run, "asset": asset, "folder": folder}
    with structlog.contextvars.bound_contextvars(**{name: value for name, value in known.items() if value is not None}):
        yield


class _StandardError:
    """Standard error as it is at the moment of writing: it may be exchanged while the process runs."""

    def write(self, text: str) -> int:
        return sys.stderr.write(text)

    def flush(self) -> None:
        sys.stderr.flush()


class _Completed:
    """Gives a line all its keys in the same order, and takes the secrets out; the last thing before rendering."""

    def __init__(self, process: str, redactor: Redactor) -> None:
        self._process = process
        self._redactor = redactor

    def __call__(self, _logger: WrappedLogger, _method: str, line: EventDict) -> EventDict:
        line.setdefault("process", self._process)
        first = {key: line.pop(key, None) for key in _FIRST}
        return cast("EventDict", self._redactor.value({**first, **line}))


def _log_crash(kind: type[BaseException], error: BaseException, traceback: TracebackType | None) -> None:
    if issubclass(kind, KeyboardInterrupt):
        sys.__excepthook__(kind, error, traceback)
        return
    structlog.get_logger().critical("crashed", exc_info=(kind, error, traceback))


def _log_crashed_thread(args: threading.ExceptHookArgs) -> None:
    name = args.thread.name if args.thread is not None else None
    error = args.exc_value or args.exc_type()
    structlog.get_logger().critical("thread_crashed", thread=name, exc_info=(args.exc_type, error, args.exc_traceback))


def _report_to_sentry(dsn: str, redactor: Redactor, process: str) -> None:
    try:
        import sentry_sdk  # noqa: PLC0415 - optional: only who sets a DSN needs the package
    except ImportError as error:
        raise ConfigurationError(
            "IBHELM_SENTRY_DSN is set, but the package sentry-sdk is not installed.",
            next_step="Install it with `pip install 'ibhelm-pipelines[sentry]'`, or unset IBHELM_SENTRY_DSN.",
        ) from error

    def before_send(event: Any, _hint: Mapping[str, Any]) -> Any:
        return redactor.value(event)

    options: dict[str, Any] = {
        "before_send": before_send,
        "send_default_pii": False,
        "include_local_variables": False,
        "max_request_body_size": "never",
        "auto_enabling_integrations": False,  # they attach requests, queries and what else they find
        "max_breadcrumbs": 0,
    }
    try:
        sentry_sdk.init(dsn=dsn, **options)
    except sentry_sdk.utils.BadDsn as error:
        raise ConfigurationError(
            f"IBHELM_SENTRY_DSN cannot be used: {redactor.text(str(error))}.",
            next_step="Copy the DSN from the project's settings, section Client Keys.",
        ) from None
    sentry_sdk.set_tag("process", process)


def _report_exception(_logger: WrappedLogger, _method: str, line: EventDict) -> EventDict:
    """Send the exception of a line from ERROR on; what libraries log, Sentry's own integration sees."""
    import sentry_sdk  # noqa: PLC0415 - a DSN is set, so it is there

    if line.get("exc_info") and line["level"] in ("error", "critical"):
        with sentry_sdk.new_scope() as scope:
            scope.set_tags({key: str(line[key]) for key in CONTEXT if line.get(key) is not None})
            info = line["exc_info"]
            scope.capture_exception(None if info is True else info)
    return line
