"""Writes `.env.example` from the settings: each with what it means, its unit and its default. `make fix` runs it."""

from __future__ import annotations

from pathlib import Path

from ibhelm_pipelines.settings import PREFIX, Settings

TARGET = Path(__file__).resolve().parents[1] / ".env.example"

HEAD = """\
# Every setting with its default. Copy this to .env, which every `ibhelm` command reads, and uncomment what differs.
# The environment is stronger than .env; weaker is .ibhelm/env, to which `ibhelm up` writes the embedded addresses.
"""
# The first setting of each part: its title.
PARTS = {
    "state_dir": "State of the embedded services",
    "nas_root": "NAS",
    "database_url": "Postgres",
    "s3_endpoint": "S3",
    "dagster_port": "Dagster",
    "content_workers": "Previews and text",
}


def render() -> str:
    """Return the text of `.env.example`."""
    return HEAD + "".join(_entry(name) for name in Settings.model_fields)


def _entry(name: str) -> str:
    field = Settings.model_fields[name]
    part = f"\n## {PARTS[name]}\n\n" if name in PARTS else ""
    default = "" if field.default_factory else _shown(field.default)
    return f"{part}# {field.description}\n#{PREFIX}{name.upper()}={default}\n"


def _shown(default: object) -> str:
    if isinstance(default, tuple):
        return ",".join(default)
    secret = getattr(default, "get_secret_value", None)
    return "" if default is None else str(secret() if secret else default)


if __name__ == "__main__":
    TARGET.write_text(render(), encoding="utf-8")
