"""What reputations and their reasons are called, for pages, API and terminal. Sentences of the reasons: `apps.common.sentences`."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Final

from django.utils.functional import Promise
from django.utils.translation import gettext_lazy as lazy

from apps.common.sentences import Sentence, sentence
from apps.domain.peers.reputation import Reason, ReasonGiven, Reputation, Standing

REASON_WORDS: Final[Mapping[Reason, Promise]] = {
    Reason.STRANGER: lazy("nothing known"),
    Reason.LITTLE_KNOWN: lazy("little known"),
    Reason.PROVEN: lazy("proven"),
    Reason.CORRUPT: lazy("wrong bytes"),
    Reason.WRONG_CLAIMS: lazy("wrong claims"),
    Reason.TIMEOUTS: lazy("high timeouts"),
    Reason.FAILURES: lazy("many errors"),
    Reason.NOT_DELIVERED: lazy("adverts not delivered"),
    Reason.LEAVES: lazy("leaves midway"),
    Reason.LOW_THROUGHPUT: lazy("low throughput"),
    Reason.FADED: lazy("long not heard of"),
}
STANDING_WORDS: Final[Mapping[Standing, Promise]] = {
    Standing.PREFERRED: lazy("Preferred"),
    Standing.NEUTRAL: lazy("Neutral"),
    Standing.DOWN_WEIGHTED: lazy("Down-weighted"),
    Standing.QUARANTINED: lazy("Quarantined"),
}
STANDING_TONES: Final[Mapping[Standing, tuple[str, str]]] = {
    Standing.PREFERRED: ("ok", "check"),
    Standing.NEUTRAL: ("info", "dot"),
    Standing.DOWN_WEIGHTED: ("warn", "warning"),
    Standing.QUARANTINED: ("bad", "stop"),
}
"""(tone, icon) of each band"""
TERM_WORDS: Final[Mapping[str, Promise]] = {
    "throughput": lazy("Time for a MiB"),
    "error": lazy("Errors"),
    "timeout": lazy("Timeouts"),
    "rtt": lazy("Round trip"),
    "reputation": lazy("Reputation"),
}


def reasons_in_words(reputation: Reputation) -> str:
    """Short: "high timeouts, low throughput"."""
    return ", ".join(str(REASON_WORDS[given.code]) for given in reputation.reasons)


def reason_sentences(reputation: Reputation) -> list[Sentence]:
    """One sentence a reason, the weightiest first."""
    return [reason_sentence(given) for given in reputation.reasons]


def reason_sentence(given: ReasonGiven) -> Sentence:
    """With its numbers."""
    return sentence(f"reputation_{given.code.value}", given.params)
