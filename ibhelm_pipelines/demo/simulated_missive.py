"""The Missive of the demo: the simulator within the demo's own process, with mail about the projects of the generated
NAS; some of what is attached to it lies there already."""

from __future__ import annotations

import shutil
from random import Random
from typing import TYPE_CHECKING

from ibhelm_pipelines.demo.missive import wording
from ibhelm_pipelines.demo.missive.contents import choose_nas_files
from ibhelm_pipelines.demo.missive.server import LIMITS, MissiveSimulator
from ibhelm_pipelines.demo.missive.webhooks import APP_TYPES
from ibhelm_pipelines.demo.share import PROJECTS, SEED
from ibhelm_pipelines.demo.vendor.lasting import LIFE_SECONDS, Lasting
from ibhelm_pipelines.local.ports import choose_port
from ibhelm_pipelines.local.state import read_or_make_secrets

if TYPE_CHECKING:
    from collections.abc import Mapping
    from pathlib import Path
    from typing import Any

    from ibhelm_pipelines.demo.register_truth import About

CONVERSATIONS = 120
RATE_LIMIT = 10
"""Times what Missive grants: a newcomer should not wait for the manners of a guest."""

LIFE = (
    "new mail", "reply", "short message", "comment", "edit task", "label on or off", "assign", "close", "reopen",
)  # fmt: skip
"""What happens in the office while somebody looks: what webhooks tell of."""

_TEAMS = wording.TEAMS[:-1]
_LABELS = [name for name, parent in wording.LABELS if parent is None]


class SimulatedMissive(Lasting):
    """Serves within the block, on the same ports and with the same office as the last time.

    Args:
        state_dir: where the office is kept, and copies of the files of the NAS that were mailed.
        nas_root: the generated NAS.
        life_seconds: pause between two changes, once it lives.
    """

    def __init__(self, state_dir: Path, nas_root: Path, *, life_seconds: float = LIFE_SECONDS) -> None:
        self._secret = read_or_make_secrets(state_dir / "secrets.json", ["missive_webhooks"])["missive_webhooks"]
        ports = [
            choose_port(0, memory=state_dir / f"{name}.port", service=service, variable="")
            for name, service in (
                ("missive", "The simulator of Missive"),
                ("missive-attachments", "The simulator of Missive's attachments"),
            )
        ]
        self._simulator = MissiveSimulator(
            seed=SEED,
            projects=PROJECTS,
            conversations=CONVERSATIONS,
            filed=True,
            files=_mailed_files(nas_root, state_dir / "missive-files"),
            port=ports[0],
            attachments_port=ports[1],
            rate_limit=RATE_LIMIT,
        )
        super().__init__(self._simulator, memory=state_dir / "missive.json", life=LIFE, life_seconds=life_seconds)

    @property
    def environment(self) -> Mapping[str, str]:
        """The settings that lead a process of ours to it: the mail of teams and projects, no personal mailbox."""
        allowed = [*(f"team:{name}" for name in _TEAMS), *(f"label:{name}" for name in _LABELS)]
        [requests] = [limit for limit, seconds in LIMITS if seconds == 900]
        return {
            "IBHELM_MISSIVE_URL": self._simulator.url,
            "IBHELM_MISSIVE_TOKEN": self._simulator.token,
            "IBHELM_MISSIVE_ALLOWED": ",".join(allowed),
            "IBHELM_MISSIVE_REQUESTS_PER_15_MINUTES": str(requests * RATE_LIMIT),
            "IBHELM_MISSIVE_WEBHOOK_SECRET": self._secret,
            "IBHELM_ATTACHMENT_INBOX": "on",
        }

    def shown(self) -> dict[str, set[str]]:
        """Return the ids of all that the settings let in and a person sees, by what it is."""
        truth = self._simulator.truth()
        teams = {row["id"] for row in truth["teams"] if row["name"] in _TEAMS}
        conversations = {row["id"] for row in truth["conversations"] if _is_shown(row, teams)}
        inside = {
            name: [row for row in truth[name] if row["readable"] and row["conversation"] in conversations]
            for name in ("messages", "comments")
        }
        attached = [each for row in inside["messages"] for each in row["attachments"]]
        attached += [row["attachment"] for row in inside["comments"] if row["attachment"]]
        lists = {"messages": inside["messages"], "comments": inside["comments"], "attachments": attached}
        return {"conversations": conversations} | {name: {row["id"] for row in rows} for name, rows in lists.items()}

    def conversations_meant(self) -> dict[str, About]:
        """Return what each conversation is about that the settings let in, by its id."""
        shown = self.shown()["conversations"]
        return {key: about for key, about in self._simulator.meant().items() if key in shown}

    def finish_rules(self, url: str) -> int:
        """Do what a person does in Missive's settings after an install; return how many rules were made by hand.

        The rules that the API made get the secret; those that it cannot make are made.
        """
        webhooks = self._simulator.webhooks
        organization = next(iter(self._simulator.office.tables["organizations"]))
        for hook in list(webhooks.hooks.values()):
            if hook.kind in APP_TYPES:
                del webhooks.hooks[hook.id]  # perhaps of another port
            else:
                hook.secret, hook.enabled, hook.failures = self._secret, True, 0
        for kind in APP_TYPES:
            webhooks.add(kind=kind, url=url, secret=self._secret, organization=organization)
        return len(APP_TYPES)

    def _state(self) -> object:
        hooks = list(self._simulator.webhooks.hooks.values())
        return self._simulator.office.version, [(hook.id, hook.url, hook.secret, hook.enabled) for hook in hooks]


def _is_shown(row: Mapping[str, Any], teams: set[str]) -> bool:
    allowed = row["team"] in teams or row["shared_labels"]
    return bool(allowed and row["readable"] and not row["guest"] and not row["merged_into"])


def _mailed_files(nas_root: Path, copies: Path) -> Path:
    """Return a folder with those files of the NAS that were mailed, as they were then: what is on the NAS lives on."""
    if not copies.exists():
        unfinished = copies.with_name(f"{copies.name}.partial")
        shutil.rmtree(unfinished, ignore_errors=True)
        unfinished.mkdir(parents=True)
        for path in choose_nas_files(nas_root, Random(f"{SEED} nas")):
            target = unfinished / path.relative_to(nas_root)
            target.parent.mkdir(parents=True, exist_ok=True)
            shutil.copyfile(path, target)
        unfinished.rename(copies)
    return copies
