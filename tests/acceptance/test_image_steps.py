"""The Dockerfile's own steps for what is installed, run here in a clean environment on what the builder would get."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
from pathlib import Path

import pytest
from composed import REPOSITORY

DOCKERFILE = (REPOSITORY / "Dockerfile").read_text(encoding="utf-8")
VENV = "/opt/ibhelm"


def _steps() -> list[list[str]]:
    """Return COPY and RUN of the stage `build` in their order, each as its words or its one line of shell."""
    stage = DOCKERFILE.split(" AS build\n", 1)[1].split("\nFROM ", 1)[0].replace("\\\n", " ")
    lines = [line.split(maxsplit=1) for line in stage.splitlines()]
    return [words for words in lines if words and words[0] in ("COPY", "RUN")]


@pytest.mark.soak
def test_the_steps_of_the_image_make_a_program_that_runs_without_its_source(tmp_path: Path) -> None:
    source, venv = tmp_path / "src", tmp_path / "venv"
    source.mkdir()
    environment = {"PATH": f"{venv}/bin:{Path(sys.executable).parent}:{os.defpath}", "HOME": str(tmp_path)}
    environment |= {name: value for name, value in os.environ.items() if name.startswith(("PIP_", "SSL_"))}
    steps = _steps()
    assert sum(kind == "RUN" for kind, _ in steps) == 3
    for kind, rest in steps:
        if kind == "COPY":
            _copy(rest.split(), source)
            continue
        done = subprocess.run(
            ["/bin/sh", "-euc", rest.replace(VENV, str(venv))],
            cwd=source, env=environment, capture_output=True, text=True, check=False,
        )  # fmt: skip
        assert done.returncode == 0, done.stdout[-2000:] + done.stderr[-2000:]
    shutil.rmtree(source)
    for words in (["--help"], ["health", "--help"], ["init-secrets", str(tmp_path / "secrets")]):
        subprocess.run([str(venv / "bin" / "ibhelm"), *words], cwd=tmp_path, env=environment, check=True)
    modules = "ibhelm_pipelines.definitions, dagster_docker, dagster_k8s, sentry_sdk"
    subprocess.run([str(venv / "bin" / "python"), "-c", f"import {modules}"], cwd=tmp_path, env=environment, check=True)
    absent = subprocess.run([str(venv / "bin" / "python"), "-c", "import torch"], env=environment, check=False)
    assert absent.returncode != 0


def _copy(words: list[str], source: Path) -> None:
    *names, target = words
    for name in names:
        origin = REPOSITORY / name
        place = source / (Path(name).name if target == "./" else target)
        if origin.is_dir():
            shutil.copytree(origin, place, ignore=shutil.ignore_patterns("__pycache__"))
        else:
            shutil.copy(origin, place)
