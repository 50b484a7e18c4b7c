"""Which folder the demo shows, by which marker it is known, and which state folder belongs to it.

A folder of the user's own is only read: where it has no marker file, one of its entries serves as the marker, and that
choice is remembered, so that the same folder is known by the same entry next time. Two folders never share a state: the
second would look as if all files of the first had vanished.
"""

from __future__ import annotations

import hashlib
import shlex
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from ibhelm_pipelines.demo.office import MARKER, generate_office
from ibhelm_pipelines.errors import ConfigurationError
from ibhelm_pipelines.local.state import prepare_state_folder, read_json, write_json, write_private
from ibhelm_pipelines.settings import PREFIX

if TYPE_CHECKING:
    from collections.abc import Mapping

PROJECTS = 24
SEED = 7
_MEMORY = "demo.json"


@dataclass(frozen=True, kw_only=True)
class DemoShare:
    """A folder to show.

    Attributes:
        nas_root: the folder, absolute.
        share_marker: path below it that proves that it is mounted.
        state_dir: where services, data and the generated office live.
    """

    nas_root: str
    share_marker: str
    state_dir: str

    @property
    def environment(self) -> dict[str, str]:
        """The settings that make a process of ours see this share."""
        return {f"{PREFIX}{name.upper()}": value for name, value in asdict(self).items()}

    @property
    def shell_file(self) -> Path:
        """Shell lines that make the commands of a terminal see this share and its services."""
        return Path(self.state_dir) / "demo.sh"

    def remember(self) -> None:
        """Tie the state folder to this share."""
        state_dir = Path(self.state_dir)
        prepare_state_folder(state_dir)
        write_json(state_dir / _MEMORY, asdict(self))

    def write_shell_file(self, environment: Mapping[str, str]) -> None:
        """Write the variables with which a terminal sees this demo."""
        lines = [f"export {name}={shlex.quote(value)}\n" for name, value in environment.items()]
        write_private(self.shell_file, "".join(lines))


def own_share(nas: Path, state_dir: Path) -> DemoShare:
    """Take the user's own folder as the share; nothing is written into it.

    Raises:
        ConfigurationError: it cannot be read, or is empty.
    """
    root = nas.expanduser().absolute()
    names = _entries(root)
    own_state = _state_of(str(root), state_dir)
    remembered = _remembered(own_state)
    if MARKER in names or remembered is None:
        marker = MARKER if MARKER in names else _first_entry(root, names)
    else:
        marker = remembered.share_marker
    return DemoShare(nas_root=str(root), share_marker=marker, state_dir=str(own_state))


def generated_share(files: int, state_dir: Path) -> DemoShare:
    """Take the made-up office as the share; it is generated the first time and used again from then on."""
    home = state_dir.absolute() / "office"
    own_state = _state_of(str(home / "nas"), state_dir)
    root = own_state / "office" / "nas"
    if not root.exists():
        generate_office(root, files=files, projects=PROJECTS, seed=SEED)
    return DemoShare(nas_root=str(root), share_marker=MARKER, state_dir=str(own_state))


def _entries(root: Path) -> list[str]:
    try:
        return sorted(entry.name for entry in root.iterdir())
    except OSError as error:
        raise ConfigurationError(
            f"The folder {root} cannot be read: {error.strerror}.",
            next_step="Name a folder that can: make demo NAS=/path.",
        ) from error


def _first_entry(root: Path, names: list[str]) -> str:
    """The entry by which a share without a marker file is known: a folder rather than a file, never a hidden one."""
    plain = [name for name in names if name[0] not in ".@#"]
    if not plain:
        raise ConfigurationError(
            f"The folder {root} is empty.", next_step="Mount the share, or name another folder: make demo NAS=/path."
        )
    return next((name for name in plain if (root / name).is_dir()), plain[0])


def _state_of(nas_root: str, state_dir: Path) -> Path:
    """The state folder, or one beside it when that belongs to another share or to a real installation."""
    remembered = _remembered(state_dir)
    is_new = not (state_dir / "env").exists()
    if remembered.nas_root == nas_root if remembered else is_new:
        return state_dir.absolute()
    suffix = hashlib.sha256(nas_root.encode("utf-8", "surrogateescape")).hexdigest()[:8]
    return state_dir.absolute().with_name(f"{state_dir.name}-{suffix}")


def _remembered(state_dir: Path) -> DemoShare | None:
    known = read_json(state_dir / _MEMORY)
    return DemoShare(**known) if known else None
