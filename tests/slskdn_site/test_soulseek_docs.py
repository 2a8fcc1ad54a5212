"""docs/soulseek.md says what is so: its example loads, its codes exist, the session's codes are all there."""

from __future__ import annotations

import re
from typing import Final

import yaml

from apps.domain.soulseek.words import SOULSEEK_SENTENCES
from slskdn_site.config import Config
from slskdn_site.upload_rules import upload_rules
from tests.services import PROJECT

TEXT: Final = (PROJECT / "docs" / "soulseek.md").read_text(encoding="utf-8")
PASSING: Final = {"soulseek_not_started", "soulseek_off", "soulseek_connecting", "soulseek_not_online"}
"""Nothing is wrong, or another code says what."""


def example() -> object:
    (block,) = re.findall(r"```yaml\n(.*?)```", TEXT, flags=re.DOTALL)
    return yaml.safe_load(block)


def test_the_example_loads_and_means_what_it_says() -> None:
    config = Config.model_validate(example())
    rules = upload_rules(config.soulseek.uploads)
    groups = {group.name: group for group in rules.groups}
    assert list(groups)[-1] == "default"
    assert (groups["leechers"].slots, groups["leechers"].speed_kib_s) == (1, 200)
    assert groups["leechers"].day_bytes == 2 * 2**30
    assert (groups["buddies"].priority, groups["buddies"].slots_a_user) == (1, 3)
    work, night = rules.windows
    assert (work.start, work.until, sorted(work.days)) == (8 * 60, 18 * 60, [0, 1, 2, 3, 4])
    assert (night.start, night.until, len(night.days)) == (23 * 60, 6 * 60, 7)


def test_every_code_of_the_table_has_a_sentence_and_every_code_of_the_session_is_in_it() -> None:
    table = TEXT.partition("| Code |")[2].partition("\n## ")[0].rstrip()
    listed = {code for row in table.splitlines()[2:] for code in re.findall(r"`(\w+)`", row.split("|")[1])}
    assert listed <= set(SOULSEEK_SENTENCES)
    session = {code for code in SOULSEEK_SENTENCES if code.startswith("soulseek_")} - PASSING
    assert session - listed == {code for code in session if code.startswith("soulseek_user_")}


def test_every_key_it_names_exists() -> None:
    documented = (PROJECT / "docs" / "configuration.md").read_text(encoding="utf-8")
    named = set(re.findall(r"`((?:soulseek|transfers|fairness|mesh)\.[a-z_.]+)(?::[^`]*)?`", TEXT))
    assert named
    for key in named:
        assert f"`{key}" in documented, key
