"""Every configuration key as one flat table: name, type, default, effect. Made from the typed schema, so it cannot disagree with it."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Literal, get_args, get_origin

from pydantic import BaseModel

ENV_PREFIX = "SLSKDN__"


@dataclass(frozen=True, slots=True)
class Key:
    """One key of slskdn.yml. `description` says the effect and the unit."""

    name: str
    type_text: str
    default: object
    description: str
    secret: bool
    is_list: bool

    @property
    def env_name(self) -> str:
        """The environment variable that overrides it."""
        return ENV_PREFIX + self.name.upper().replace(".", "__")


def keys_of(model: type[BaseModel], *, prefix: str = "") -> Iterator[Key]:
    """Every leaf of `model`, depth first, in the order of the schema."""
    for name, field in model.model_fields.items():
        kind = field.annotation
        if isinstance(kind, type) and issubclass(kind, BaseModel):
            yield from keys_of(kind, prefix=f"{prefix}{name}.")
            continue
        extra = field.json_schema_extra if isinstance(field.json_schema_extra, dict) else {}
        yield Key(
            name=prefix + name,
            type_text=_type_text(kind),
            default=field.get_default(call_default_factory=True),
            description=field.description or "",
            secret=bool(extra.get("secret")),
            is_list=get_origin(kind) is list,
        )


def _type_text(kind: object) -> str:
    if get_origin(kind) is Literal:
        return " | ".join(str(value) for value in get_args(kind))
    if get_origin(kind) is list:
        of = get_args(kind)[0]
        return "list of sections" if isinstance(of, type) and issubclass(of, BaseModel) else "list of text"
    names: dict[object, str] = {str: "text", int: "whole number", float: "number", bool: "true | false"}
    return names.get(kind, str(kind))
