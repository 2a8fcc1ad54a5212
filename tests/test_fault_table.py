"""docs/faults.md names tests: each of them must exist, or the table promises what nobody does."""

from __future__ import annotations

import re

from tests.services import PROJECT

TEST = re.compile(r"`(tests/[\w/]+\.py)::(\w+)`")


def test_every_test_that_the_fault_table_names_exists() -> None:
    named = TEST.findall((PROJECT / "docs" / "faults.md").read_text(encoding="utf-8"))
    assert len(named) > 40
    missing = [
        f"{file}::{name}"
        for file, name in named
        if not (PROJECT / file).exists()
        or not re.search(
            rf"^( {{4}})?(async )?def {name}\(", (PROJECT / file).read_text(encoding="utf-8"), re.MULTILINE
        )
    ]
    assert not missing
