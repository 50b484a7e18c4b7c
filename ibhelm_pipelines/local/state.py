"""Small files of the state folder: written whole or not at all, readable by their owner only."""

from __future__ import annotations

import json
import os
import secrets
from typing import TYPE_CHECKING, Any

from ibhelm_pipelines.errors import ConfigurationError

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping
    from pathlib import Path


def write_private(path: Path, text: str, *, owner: tuple[int, int] | None = None) -> None:
    """Write a file with mode 0600; a kill at any point leaves the former one or the new one.

    Args:
        path: which file.
        text: what it holds.
        owner: uid and gid that it is given to; only root may do that.
    """
    fresh = path.with_name(path.name + ".new")
    fresh.unlink(missing_ok=True)
    with os.fdopen(os.open(fresh, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600), "w", encoding="utf-8") as file:
        file.write(text)
        file.flush()
        os.fsync(file.fileno())
    if owner:
        os.chown(fresh, *owner)
    fresh.replace(path)


def read_json(path: Path) -> dict[str, Any]:
    """Return what a JSON file of ours holds; nothing where there is none."""
    try:
        value: dict[str, Any] = json.loads(path.read_text(encoding="utf-8"))
    except FileNotFoundError:
        return {}
    return value


def write_json(path: Path, value: Mapping[str, Any]) -> None:
    """Write a JSON file of ours."""
    write_private(path, json.dumps(value, indent=1) + "\n")


def prepare_state_folder(state_dir: Path) -> None:
    """Make the state folder: passable for the servers' user, its list of names for nobody else.

    Raises:
        ConfigurationError: it cannot be made or written.
    """
    try:
        state_dir.mkdir(parents=True, exist_ok=True)
        state_dir.chmod(0o711)
        (state_dir / "logs").mkdir(exist_ok=True)
    except OSError as error:
        raise ConfigurationError(
            f"The state folder {state_dir} cannot be used: {error.strerror}.",
            next_step="Run ibhelm as the user that made it, or set IBHELM_STATE_DIR to a folder of your own.",
        ) from error


def read_or_make_secrets(path: Path, names: Iterable[str]) -> dict[str, str]:
    """Return a random password for each name; made at the first call, the same ones for ever after."""
    known: dict[str, str] = read_json(path)
    missing = [name for name in names if name not in known]
    if missing:
        known |= {name: secrets.token_urlsafe(24) for name in missing}
        write_json(path, known)
    return known
