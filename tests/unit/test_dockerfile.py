"""The Dockerfile: what hadolint says, what the builder gets, and that nothing of it holds a secret or runs as root."""

from __future__ import annotations

import re
import subprocess
import sys
import tomllib
from functools import cache

import pathspec
from composed import REPOSITORY, program

DOCKERFILE = REPOSITORY / "Dockerfile"
TEXT = DOCKERFILE.read_text(encoding="utf-8")
TARGETS = {"slim", "worker", "embeddings"}


def context() -> set[str]:
    """Return the tracked files that reach the builder: .dockerignore has the patterns of .gitignore, with ! and **."""
    ignored = (REPOSITORY / ".dockerignore").read_text(encoding="utf-8").splitlines()
    rules = [line for line in ignored if line and not line.startswith("#")]
    listed = subprocess.run(["git", "ls-files"], cwd=REPOSITORY, capture_output=True, text=True, check=True).stdout
    return {path for path in listed.splitlines() if _is_sent(path, rules)}


def _is_sent(path: str, rules: list[str]) -> bool:
    """The last rule that matches the path or a folder above it decides, as Docker has it."""
    sent = True
    above = ["/".join(path.split("/")[:depth]) for depth in range(1, path.count("/") + 2)]
    for rule in rules:
        pattern = _pattern(rule.removeprefix("!"))
        if any(pattern.match_file(each) for each in above):
            sent = rule.startswith("!")
    return sent


@cache
def _pattern(rule: str) -> pathspec.PathSpec:
    return pathspec.PathSpec.from_lines("gitignore", [f"/{rule}"])


def _copied() -> set[str]:
    """What COPY takes from the context, not from another stage."""
    lines = [line for line in TEXT.splitlines() if line.startswith("COPY ") and "--from=" not in line]
    return {word for line in lines for word in line.split()[1:-1]}


def test_hadolint_has_nothing_to_say() -> None:
    done = subprocess.run([program("hadolint"), str(DOCKERFILE)], capture_output=True, text=True, check=False)
    assert (done.returncode, done.stdout) == (0, "")


def test_all_that_the_wheel_is_made_of_reaches_the_builder_and_is_copied() -> None:
    wheel = tomllib.loads((REPOSITORY / "pyproject.toml").read_text(encoding="utf-8"))["tool"]["hatch"]["build"]
    parts = [
        *wheel["targets"]["wheel"]["packages"],
        *wheel["targets"]["wheel"]["force-include"],
        "README.md",
        "LICENSE",
    ]
    sent, copied = context(), _copied()
    for part in [*parts, "pyproject.toml", "constraints.txt"]:
        assert part in copied, part
        tracked = subprocess.run(["git", "ls-files", part], cwd=REPOSITORY, capture_output=True, text=True, check=True)
        assert set(tracked.stdout.split("\n")) - {""} <= sent, part


def test_everything_that_is_copied_is_there() -> None:
    for path in _copied():
        assert (REPOSITORY / path).exists(), path
        assert any(each == path or each.startswith(f"{path}/") for each in context()), path


def test_neither_tests_nor_state_nor_secrets_reach_the_builder() -> None:
    first = {path.split("/")[0] for path in context()}
    assert not first & {"tests", "docs", "benchmarks", ".git", ".ci"}
    rules = [line for line in (REPOSITORY / ".dockerignore").read_text().splitlines() if line and line[0] != "#"]
    for path in (
        ".env",
        "deploy/.env",
        "deploy/secrets/postgres_password",
        ".ibhelm/secrets.json",
        "sql/.env",
        "assets/x.pyc",
    ):
        assert not _is_sent(path, rules), path


def test_every_image_runs_as_a_fixed_number_that_is_not_root_and_looks_after_its_health() -> None:
    stages = dict(re.findall(r"^FROM \S+ AS (\S+)\n(.*?)(?=^FROM |\Z)", TEXT, re.MULTILINE | re.DOTALL))
    assert set(stages) >= TARGETS
    for name in ("slim", "worker"):
        assert re.findall(r"^USER (\S+)", stages[name], re.MULTILINE)[-1] == "10001:10001"
    assert "HEALTHCHECK" in stages["slim"]
    assert "ENTRYPOINT" in stages["slim"]


def test_no_secret_is_part_of_a_build() -> None:
    assert not re.findall(r"^(?:ARG|ENV) .*(?:PASSWORD|SECRET|TOKEN|KEY)", TEXT, re.MULTILINE)


def test_torch_is_no_part_of_the_default_image() -> None:
    script = [sys.executable, str(REPOSITORY / "deploy" / "requirements.py")]
    plain, only = (
        subprocess.run([*script, *words], capture_output=True, text=True, check=True, cwd=REPOSITORY).stdout
        for words in (["pyproject.toml", "docker", "kubernetes"], ["--only", "pyproject.toml", "embeddings"])
    )
    assert "sentence-transformers" not in plain
    assert {"dagster-docker", "dagster-k8s", "bcrypt"} <= {re.split(r"[<>=]", line)[0] for line in plain.splitlines()}
    assert only.strip().startswith("sentence-transformers")
