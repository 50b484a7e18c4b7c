"""Opens files in locked-in worker processes: one bad file costs only itself.

Each call blocks its thread and returns an outcome, whatever happened to the worker: it crashed, was killed for its time
or its memory, or served long enough and was replaced.
"""

from __future__ import annotations

import signal
from concurrent.futures import CancelledError
from contextlib import nullcontext
from dataclasses import dataclass, replace
from threading import Lock
from typing import TYPE_CHECKING, Any, BinaryIO

from ibhelm_pipelines.content import jail
from ibhelm_pipelines.content.families import usable_tool
from ibhelm_pipelines.content.jail import Order
from ibhelm_pipelines.content.limits import Limits
from ibhelm_pipelines.content.outcome import Outcome, failed, unread, unsupported
from ibhelm_pipelines.content.programs import PROGRAMS, Conversion, find_program, result_of
from ibhelm_pipelines.content.recognition import PAGE_SECONDS, recognise
from ibhelm_pipelines.content.scratch import SCRATCH_BYTES, Scratch, open_scratch
from ibhelm_pipelines.content.source import handed_out, is_copied, place_of
from ibhelm_pipelines.content.workers import TIME_IS_UP, Slot, Worker, Workers, name_exit
from ibhelm_pipelines.errors import ContentChangedError, FileUnreadableError

if TYPE_CHECKING:
    from pathlib import Path
    from types import TracebackType

    from ibhelm_pipelines.content.families import Tool
    from ibhelm_pipelines.content.source import Place
    from ibhelm_pipelines.settings import Settings


@dataclass(frozen=True, kw_only=True)
class Job:
    """One reader on one content at one place.

    Attributes:
        arguments: what the reader is given beside the file and its limits.
        scratch: the folder that it is given for files of its own.
        conversion: the program that is run instead of a reader; it leaves its result in the scratch folder.
    """

    place: Place
    limits: Limits
    reader: str = ""
    arguments: tuple[Any, ...] = ()
    scratch: Scratch | None = None
    conversion: Conversion | None = None


class Sandbox:
    """Runs the jobs of one run in workers that it shares with other runs; serves any number of threads.

    Args:
        settings: the limits of `read`.
        workers: where its workers come from.
    """

    def __init__(self, settings: Settings, workers: Workers) -> None:
        self._settings = settings
        self._limits = Limits(
            seconds=settings.content_seconds, memory_mb=settings.content_memory_mb, text_chars=settings.text_max_chars
        )
        self._workers = workers
        self._closed = False
        self._mine: set[Slot] = set()
        self._guard = Lock()

    def __enter__(self) -> Sandbox:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> None:
        """Kill the workers that have a job of this sandbox; whoever waits for one is told that it was cancelled."""
        with self._guard:
            self._closed = True
            for slot in self._mine:
                slot.interrupt()
        self._workers.wake()

    def run(self, job: Job) -> Outcome:
        """Run one job in a worker.

        Raises:
            TransientError: worker processes cannot be started on this machine.
            CancelledError: the sandbox or its workers were closed meanwhile.
        """
        try:
            with handed_out(job.place) as file:
                return self._run(job, file)
        except (ContentChangedError, FileUnreadableError) as error:
            return unread(error)

    def read(self, tool: Tool, place: Place, name: str) -> Outcome:
        """Have a tool read a content; `name` is the everyday name of its kind. Errors as of `run`."""
        tool = usable_tool(tool, self._settings)
        if tool.reader is None:
            return unsupported(tool.explain_refusal(name))
        limits = self._limits if tool.seconds is None else replace(self._limits, seconds=tool.seconds)
        if tool.converter is not None:
            return self._convert_and_read(tool, place, name, limits)
        with open_scratch() if tool.scratch else nullcontext() as scratch:
            outcome = self.run(Job(reader=tool.reader, place=place, limits=limits, scratch=scratch))
        return self._recognise(tool.recogniser, place, outcome) if tool.recogniser and outcome.pictured else outcome

    def _recognise(self, reader: str, place: Place, outcome: Outcome) -> Outcome:
        engine = self._settings.ocr_engine
        limits = replace(self._limits, seconds=max(self._limits.seconds, PAGE_SECONDS))

        def read_page(number: int) -> Outcome:
            return self.run(Job(reader=reader, arguments=(number, engine), place=place, limits=limits))

        return recognise(outcome, self._settings, read_page)

    def _convert_and_read(self, tool: Tool, place: Place, name: str, limits: Limits) -> Outcome:
        """When the program makes nothing, or nothing that shows anything, what is done otherwise is done."""
        outcome = self._converted(tool, place, name, limits)
        if outcome.state == "ok" or tool.otherwise is None or outcome.unread:
            return outcome
        return self.read(tool.otherwise, place, name)

    def _converted(self, tool: Tool, place: Place, name: str, limits: Limits) -> Outcome:
        """What the program makes is read like any file."""
        assert tool.converter is not None
        assert tool.reader is not None
        program = find_program(tool.converter, self._settings)
        assert program is not None  # the tool is usable
        extension, executable = place.extension, program.executable
        conversion = Conversion(key=tool.converter, executable=executable, extension=extension, kind=name)
        enough = replace(limits, memory_mb=program.program.memory_mb)
        with open_scratch() as scratch:
            outcome = self.run(Job(place=place, limits=enough, scratch=scratch, conversion=conversion))
            if outcome.state == "ok":
                return self._read_result(tool.reader, result_of(conversion, scratch.folder), limits)
            return outcome

    def _read_result(self, reader: str, path: Path, limits: Limits) -> Outcome:
        try:
            place = place_of(path)
        except ContentChangedError as error:
            return unread(error)
        return self.run(Job(reader=reader, place=place, limits=limits))

    def _run(self, job: Job, file: BinaryIO) -> Outcome:
        slot = self._workers.take(job.place.size_bytes, unless=self._is_over)
        if slot is None:
            raise CancelledError
        try:
            with self._guard:
                self._mine.add(slot)
            return self._judge(slot, job, file)
        finally:
            self._let_go(slot)

    def _is_over(self) -> bool:
        return self._closed or self._workers.closed

    def _let_go(self, slot: Slot) -> None:
        """A worker that may have been interrupted is not handed on: the next file would be blamed for its death."""
        with self._guard:
            self._mine.discard(slot)
        if self._is_over():
            slot.discard()
        self._workers.give_back(slot)

    def _judge(self, slot: Slot, job: Job, file: BinaryIO) -> Outcome:
        """What dies in a worker that served other files is tried once more in a fresh one: they may have broken it."""
        alone = job.scratch is not None or not is_copied(job.place)
        while True:
            worker = slot.worker(alone=alone)
            if self._is_over():
                raise CancelledError
            fresh = worker.files == 0
            answer = _ask(worker, job, file)
            if isinstance(answer, Outcome):
                slot.replace_if_used_up()
                return answer
            status = slot.discard()
            if answer is TIME_IS_UP:
                # Wall time, not processor time: the disk may have stalled, so it gets another chance.
                return failed(_too_long(job), transient=True)
            if fresh and not self._is_over():
                return self._explain_exit(status, job)

    def _explain_exit(self, status: int, job: Job) -> Outcome:
        if status == jail.EXIT_OUT_OF_MEMORY:
            return failed(f"{_name(job)} needed more than {job.limits.memory_mb} MiB")
        if status == -signal.SIGXCPU:
            return failed(_too_long(job))
        if status == -signal.SIGKILL:
            return failed(f"{_name(job)} was killed by the system, which may have been short of memory", transient=True)
        return failed(f"{_name(job)} crashed ({name_exit(status)})")


def _ask(worker: Worker, job: Job, file: BinaryIO) -> object:
    limits = replace(job.limits, scratch=str(job.scratch.folder)) if job.scratch else job.limits
    order = Order(reader=job.reader, limits=limits, arguments=job.arguments, conversion=job.conversion)
    if job.scratch is None:
        return worker.ask(order, file)
    with job.scratch.bounded(worker.kill):
        answer = worker.ask(order, file)
    return (
        failed(f"{_name(job)} wrote more than {SCRATCH_BYTES >> 20} MiB of files") if job.scratch.overflowed else answer
    )


def _name(job: Job) -> str:
    return PROGRAMS[job.conversion.key].name if job.conversion else "The reader"


def _too_long(job: Job) -> str:
    return f"{_name(job)} took longer than {job.limits.seconds:g} s"
