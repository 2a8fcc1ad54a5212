"""Every code of the plane has words, and every word belongs to a code."""

from __future__ import annotations

import re
from pathlib import Path

from apps.domain.soulseek.words import SOULSEEK_SENTENCES

PROJECT = Path(__file__).parents[3]
FOLDER = PROJECT / "apps" / "domain" / "soulseek"
ELSEWHERE = (
    "overlay_node/soulseek/*.py",
    "apps/domain/mesh/policy.py",
    "slskdn_site/soulseek_password.py",
    "apps/soulseek/**/*.py",
    "apps/jobs/services_hunts.py",
    "overlay_node/soulseek/*.py",
    "workers/hunting.py",
)
"""Where codes of the plane are told besides."""
TOLD = (
    r'default_code = "(\w+)"', r'code="(\w+)"', r'code="\w+" if .* else "(\w+)"', r'_(?:no|yes)\(\s*"(\w+)"', r'"(rescue_\w+)"', r'yield Query\(.*, "(\w+)"\)$', r'return "(\w+)"$',
    r'"(soulseek_\w+)"', r'= "(queued_too_long|queue_stands|too_slow|stalled)"', r'\["(too_many_lossy)"\]', r'default="(fits_badly)"',
    r'TIMED_OUT, "(\w+)"', r'for code, .*"(quota_\w+)"', r'\("(quota_\w+)"', r'code: str = "(\w+)"', r'"(fairness_\w+)"', r'"(contribution_\w+)"',
)  # fmt: skip


def test_every_code_has_words_and_every_word_a_code() -> None:
    told = set()
    for module in FOLDER.glob("*.py"):
        if module.name != "words.py":
            text = module.read_text("utf-8")
            for pattern in TOLD:
                told |= set(re.findall(pattern, text, re.MULTILINE))
    assert told - set(SOULSEEK_SENTENCES) == set()
    for pattern in ELSEWHERE:
        for module in PROJECT.glob(pattern):
            told |= set(re.findall(r'"(\w+)"', module.read_text("utf-8")))
    assert set(SOULSEEK_SENTENCES) - told == set()
