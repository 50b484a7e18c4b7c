"""What nobody knows about a vendor for certain, as switches: each has every answer that the real service may give.

A connector has to be right under all of them. `drawn` draws one combination, so that tests meet many.
"""

from __future__ import annotations

from dataclasses import asdict, dataclass, fields
from typing import TYPE_CHECKING, Any, Self, get_args, get_type_hints

from ibhelm_pipelines.errors import ConfigurationError

if TYPE_CHECKING:
    from random import Random


@dataclass(frozen=True, kw_only=True)
class VendorSwitches:
    """One combination of answers; its fields are yes or no, or one of some literals."""

    @classmethod
    def answers(cls) -> dict[str, tuple[Any, ...]]:
        """Return every switch with all its answers."""
        hints = get_type_hints(cls)
        return {field.name: get_args(hints[field.name]) or (False, True) for field in fields(cls)}

    @classmethod
    def drawn(cls, rng: Random) -> Self:
        """Return one combination at random."""
        return cls(**{name: rng.choice(choices) for name, choices in cls.answers().items()})

    def changed(self, values: dict[str, Any]) -> Self:
        """Return these switches with some set anew.

        Raises:
            ConfigurationError: there is no such switch, or it has no such answer.
        """
        known = self.answers()
        for name, value in values.items():
            if name not in known or value not in known[name] or type(value) is not type(known[name][0]):
                raise ConfigurationError(
                    f"No switch {name} with the answer {value!r} exists.",
                    next_step=f"The switches and their answers: {known}.",
                )
        return type(self)(**{**asdict(self), **values})
