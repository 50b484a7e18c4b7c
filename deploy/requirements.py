"""Prints what the project depends on, with the named extras: for a layer of the image that holds the libraries alone.

    python deploy/requirements.py [--only] pyproject.toml EXTRA...

pip knows no way to install the dependencies of a project without the project. With --only, those of the extras alone.
"""

from __future__ import annotations

import sys
import tomllib
from pathlib import Path


def requirements(pyproject: Path, extras: list[str], *, only_extras: bool) -> list[str]:
    """Return the lines of a requirements file."""
    project = tomllib.loads(pyproject.read_text(encoding="utf-8"))["project"]
    lines = [] if only_extras else list(project["dependencies"])
    return lines + [line for extra in extras for line in project["optional-dependencies"][extra]]


if __name__ == "__main__":
    arguments = [argument for argument in sys.argv[1:] if argument != "--only"]
    found = requirements(Path(arguments[0]), arguments[1:], only_extras="--only" in sys.argv)
    sys.stdout.write("\n".join(found) + "\n")
