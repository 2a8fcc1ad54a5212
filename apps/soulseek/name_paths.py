"""Names of users and rooms in addresses. They may hold slashes and dots, which servers and browsers take for parts of a path: `~` and two hex digits stand for those."""

from __future__ import annotations

import re
from typing import Final

from django.urls import register_converter

_HEX: Final = re.compile(r"~([0-9A-F]{2})")


class NameConverter:
    """`{% url … name=user %}` and back, for every name."""

    regex = "[^/]{1,400}"

    def to_python(self, value: str) -> str:
        """The name; ValueError: no such address."""
        name = _HEX.sub(lambda found: chr(int(found[1], 16)), value)
        if "\0" in name or any("\ud800" <= one <= "\udfff" for one in name):
            raise ValueError(value)
        return name

    def to_url(self, value: str) -> str:
        """As it stands in an address."""
        name = str(value).replace("~", "~7E").replace("/", "~2F").replace("\\", "~5C").replace("%", "~25")
        return name.replace(".", "~2E") if name.strip(".") == "" else name


register_converter(NameConverter, "name")
