"""The wheel, installed without its checkout: what it lacks is missed here and not first on the office's server."""

from __future__ import annotations

import os
import subprocess
import sys
import sysconfig
import venv
import zipfile
from pathlib import Path

import pytest

REPOSITORY = Path(__file__).resolve().parents[2]


@pytest.fixture(scope="module")
def wheel(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("wheel")
    build = [sys.executable, "-m", "hatchling", "build", "-t", "wheel", "-d", str(folder)]
    subprocess.run(build, cwd=REPOSITORY, check=True, capture_output=True)
    [wheel] = folder.glob("*.whl")
    return wheel


@pytest.fixture(scope="module")
def python(wheel: Path) -> Path:
    """An interpreter with the wheel plainly installed, and the dependencies of this one.

    They come by a .pth line, which leaves out the .pth file of our editable install beside them.
    """
    home = wheel.parent / "installed"
    venv.create(home, with_pip=False)
    site_packages = Path(sysconfig.get_path("purelib", vars={"base": str(home)}))
    (site_packages / "dependencies.pth").write_text(sysconfig.get_path("purelib") + "\n", encoding="utf-8")
    with zipfile.ZipFile(wheel) as archive:
        archive.extractall(site_packages)
    return home / "bin" / "python"


def _run(python: Path, *arguments: str, cwd: str = "/") -> str:
    environment = os.environ | {"DAGSTER_DISABLE_TELEMETRY": "1", "PYTHONWARNINGS": "ignore"}
    done = subprocess.run([python, *arguments], cwd=cwd, env=environment, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stdout + done.stderr
    return done.stdout + done.stderr


def test_dagster_loads_the_code_location_from_the_root_folder_in_its_own_server(python: Path) -> None:
    said = _run(
        python, "-m", "dagster", "definitions", "validate", "--load-with-grpc", "-m", "ibhelm_pipelines.definitions"
    )
    assert "All code locations passed validation" in said


def test_the_wheel_carries_the_sql_and_the_configuration_that_the_code_reads(python: Path) -> None:
    code = (
        "import assets, ibhelm_pipelines\n"
        "from ibhelm_pipelines.db.migrations import read_migrations\n"
        "from ibhelm_pipelines.db.queries import load_queries\n"
        "from ibhelm_pipelines.packaged import packaged_path\n"
        "assert read_migrations() and load_queries('checks') and packaged_path('dagster.yaml').read_text()\n"
        "print(ibhelm_pipelines.__file__, assets.__file__, packaged_path('sql'))\n"
    )
    for path in _run(python, "-c", code).split():
        assert Path(path).is_relative_to(python.parents[1])


def test_the_wheel_brings_no_top_level_name_that_others_may_have(wheel: Path) -> None:
    with zipfile.ZipFile(wheel) as archive:
        names = {name.split("/")[0] for name in archive.namelist() if ".dist-info" not in name}
    assert names == {"ibhelm_pipelines", "assets", "resources", "sensors"}
