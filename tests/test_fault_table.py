"""Documents name tests: each of them must exist, or their tables promise what nobody does."""

from __future__ import annotations

import re

import pytest

from tests.services import PROJECT

TEST = re.compile(r"`(tests/[\w/]+\.py)::(\w+)`")


@pytest.mark.parametrize(("document", "least"), [("faults.md", 40), ("soulseek.md", 12)])
def test_every_test_that_a_table_names_exists(document: str, least: int) -> None:
    named = TEST.findall((PROJECT / "docs" / document).read_text(encoding="utf-8"))
    assert len(named) >= least
    missing = [
        f"{file}::{name}"
        for file, name in named
        if not (PROJECT / file).exists()
        or not re.search(
            rf"^( {{4}})?(async )?def {name}\(", (PROJECT / file).read_text(encoding="utf-8"), re.MULTILINE
        )
    ]
    assert not missing
