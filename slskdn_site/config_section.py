"""The base of every section of slskdn.yml."""

from __future__ import annotations

from pydantic import BaseModel, ConfigDict


class Section(BaseModel):
    """A section of slskdn.yml: every key known, every value typed."""

    model_config = ConfigDict(extra="forbid", frozen=True)
