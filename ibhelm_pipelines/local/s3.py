"""The embedded S3 server: ministack, limited to S3, as a process of its own.

It is for one machine and for tests; production points IBHELM_S3_ENDPOINT at a real one. It writes each object to the
disk before it answers and finds them again after a kill -9, but it holds the parts of an unfinished multipart upload in
memory only: such an upload starts over then.
"""

from __future__ import annotations

import json
import os
import sys
import urllib.request
from contextlib import suppress
from dataclasses import dataclass
from typing import TYPE_CHECKING
from urllib.error import URLError

import boto3
from botocore.config import Config
from botocore.exceptions import ClientError, ParamValidationError

from ibhelm_pipelines.errors import ConfigurationError, ObjectStoreUnavailableError
from ibhelm_pipelines.local.ports import HOST, choose_port, is_free
from ibhelm_pipelines.local.process import ProcessRecord, start_process, tail, wait_until

if TYPE_CHECKING:
    from pathlib import Path

START_SECONDS = 60
STOP_SECONDS = 20
FREE_PORT_ATTEMPTS = 5


@dataclass(kw_only=True)
class EmbeddedS3:
    """One embedded server on one folder.

    Args:
        folder: where objects, state, log and the process record live.
        bucket: the bucket that it has once it is started.
        access_key: the access key that it knows.
        secret_key: the secret that signs.
        configured_port: port on 127.0.0.1; 0 takes a free one and keeps it.
    """

    folder: Path
    bucket: str
    access_key: str = "test"
    secret_key: str = "test"  # noqa: S105 - the server's well-known default
    configured_port: int = 0

    @property
    def log(self) -> Path:
        return self.folder / "server.log"

    @property
    def port(self) -> int:
        """The port of the running server.

        Raises:
            ObjectStoreUnavailableError: it is not running.
        """
        if self.process() is None:
            raise ObjectStoreUnavailableError(
                f"The embedded S3 server in {self.folder} is not running.", next_step="Start it with `ibhelm up`."
            )
        return int(self._record()["port"])

    @property
    def endpoint(self) -> str:
        return f"http://{HOST}:{self.port}"

    def process(self) -> ProcessRecord | None:
        """Return the server's process, or None where it does not run."""
        record = self._record()
        process = ProcessRecord.from_json(record) if record else None
        return process if process and process.alive() else None

    def running(self) -> bool:
        """Return whether the server answers."""
        return self.process() is not None and _answers(int(self._record()["port"]))

    def start(self) -> None:
        """Make sure that the server runs and has its bucket: attach to a running one, else start it.

        Raises:
            ConfigurationError: the folder cannot be used, or the configured port is taken.
            ObjectStoreUnavailableError: the server did not come up; carries the end of its log.
        """
        try:
            (self.folder / "tmp").mkdir(parents=True, exist_ok=True)
        except PermissionError as error:
            raise ConfigurationError(
                f"The folder {self.folder} belongs to somebody else or cannot be made: {error.strerror}.",
                next_step="Run ibhelm as the user that made it, or set IBHELM_STATE_DIR to a folder of your own.",
            ) from error
        self.folder.chmod(0o700)
        # A server that was killed this very moment still counts as alive; it is gone or answers soon.
        wait_until(lambda: self.process() is None or self.running(), seconds=START_SECONDS)
        if self.process() is None:
            self._launch()
        if not wait_until(self.running, seconds=START_SECONDS):
            raise self._failure("does not answer")
        self._prepare_bucket()

    def stop(self) -> None:
        """Stop the server."""
        if process := self.process():
            process.terminate(seconds=STOP_SECONDS)
        self._record_file.unlink(missing_ok=True)

    def _launch(self) -> None:
        for attempt in range(FREE_PORT_ATTEMPTS):
            port = choose_port(
                self.configured_port,
                memory=self.folder / "port",
                service="The embedded S3 server",
                variable="IBHELM_S3_PORT",
            )
            process = start_process(
                [sys.executable, "-m", "ministack"], env=self._environment(port), log=self.log, cwd=self.folder
            )
            self._record_file.write_text(json.dumps({**process.to_json(), "port": port}), encoding="utf-8")
            if _came_up(process, port):
                return
            if is_free(port) or self.configured_port or attempt == FREE_PORT_ATTEMPTS - 1:
                raise self._failure("did not start")

    def _environment(self, port: int) -> dict[str, str]:
        inherited = {name: os.environ[name] for name in ("PATH", "HOME", "LANG", "VIRTUAL_ENV") if name in os.environ}
        return {
            **inherited,
            "SERVICES": "s3",
            "IOT_MTLS_ENABLED": "0",  # else it is an MQTT broker on port 8883 as well, for everybody in the network
            "SFTP_ENABLED": "0",
            "BIND_HOST": HOST,
            "GATEWAY_PORT": str(port),
            "S3_PERSIST": "1",
            "PERSIST_STATE": "1",
            "S3_DATA_DIR": str(self.folder / "objects"),
            "STATE_DIR": str(self.folder / "state"),
            "TMPDIR": str(self.folder / "tmp"),  # its pid file
            "AWS_ACCESS_KEY_ID": self.access_key,
            "AWS_SECRET_ACCESS_KEY": self.secret_key,
            "DOCKER_HOST": f"unix://{self.folder / 'no-docker'}",  # else it removes containers of other ministacks
            "AUTH": "true",  # refuses strangers; without it whoever reaches the port reads everything
            "LOG_LEVEL": "WARNING",
            "PYTHONUNBUFFERED": "1",
        }

    @property
    def _record_file(self) -> Path:
        return self.folder / "process.json"

    def _record(self) -> dict[str, float]:
        try:
            record: dict[str, float] = json.loads(self._record_file.read_text(encoding="utf-8"))
        except FileNotFoundError:
            return {}
        return record

    def _prepare_bucket(self) -> None:
        """Create the bucket; nobody reads it without credentials, as former versions let everybody read previews."""
        client = boto3.client(
            "s3",
            endpoint_url=self.endpoint,
            aws_access_key_id=self.access_key,
            aws_secret_access_key=self.secret_key,
            region_name="us-east-1",
            config=Config(
                signature_version="s3v4", s3={"addressing_style": "path"}, connect_timeout=5, read_timeout=30
            ),
        )
        try:
            with suppress(client.exceptions.BucketAlreadyOwnedByYou):
                client.create_bucket(Bucket=self.bucket)
            client.delete_bucket_policy(Bucket=self.bucket)
        except (ClientError, ParamValidationError) as error:
            raise ConfigurationError(
                f"The embedded S3 server refuses the bucket {self.bucket!r}: {error}.",
                next_step="Set IBHELM_S3_BUCKET to a name of 3 to 63 lower-case letters, digits and hyphens.",
            ) from error
        finally:
            client.close()

    def _failure(self, what: str) -> ObjectStoreUnavailableError:
        return ObjectStoreUnavailableError(
            f"The embedded S3 server in {self.folder} {what}. The end of its log:\n{tail(self.log)}\n",
            next_step=f"Correct the cause that {self.log} names and try again.",
        )


def _came_up(process: ProcessRecord, port: int) -> bool:
    """Wait until the process answers on its port, or has ended (somebody else may answer there)."""
    wait_until(lambda: not process.alive() or _answers(port), seconds=START_SECONDS)
    return process.alive()


def _answers(port: int) -> bool:
    try:
        with urllib.request.urlopen(f"http://{HOST}:{port}/_ministack/health", timeout=2) as response:
            return bool(response.status == 200)
    except (URLError, TimeoutError, ConnectionError):
        return False
