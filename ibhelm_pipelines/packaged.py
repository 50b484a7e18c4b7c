"""Finds the files that travel with the code (SQL, dagster.yaml, workspace.yaml) in a checkout and in an installed
wheel.

The wheel carries them under `ibhelm_pipelines/_packaged`; a checkout has them at its root. The checkout wins,
because an editable install may leave a stale copy of `_packaged` behind.
"""

from __future__ import annotations

from pathlib import Path

from ibhelm_pipelines.errors import ConfigurationError

_PACKAGE = Path(__file__).resolve().parent


def packaged_path(name: str) -> Path:
    """Return the path of a packaged file or folder such as `sql` or `dagster.yaml`."""
    checkout = _PACKAGE.parent
    for root in (checkout if (checkout / "pyproject.toml").exists() else None, _PACKAGE / "_packaged"):
        if root is not None and (root / name).exists():
            return root / name
    raise ConfigurationError(
        f"The installation is incomplete: {name} is missing.", next_step="Install ibhelm-pipelines again."
    )
