"""A find as its page shows it: the state in words, each candidate with what tells it apart, why it stands there, and what can be done with it."""

from __future__ import annotations

import uuid
from collections.abc import Mapping
from dataclasses import dataclass

from django.urls import reverse
from django.utils.functional import Promise
from django.utils.http import urlencode
from django.utils.translation import gettext as _
from django.utils.translation import gettext_lazy as lazy
from django.utils.translation import ngettext

from apps.common.sentences import Sentence, sentence
from apps.common.web.looks import Look
from apps.domain.catalog.asked import FindState
from apps.domain.catalog.candidates import Candidate, CandidateKind
from apps.domain.catalog.discogs_links import ONLY_DISCOGS
from apps.jobs.find_words import KIND_WORDS, reason_says
from apps.jobs.selectors_find import CandidateView, FindView

LOOKS: Mapping[FindState, Look] = {
    FindState.WAITING: Look(lazy("Waits for its turn"), "clock", "info"),
    FindState.ASKING: Look(lazy("Asking MusicBrainz"), "search", "info"),
    FindState.DONE: Look(lazy("Found"), "check", "ok"),
    FindState.FAILED: Look(lazy("Could not be looked up"), "cross", "bad"),
}
NOTHING = Look(lazy("Nothing found"), "info", "warn")
SHOWN_REASONS = 4


@dataclass(frozen=True, slots=True, kw_only=True)
class CandidateLine:
    """One candidate. `facts`: short texts that tell it from its neighbours, foreign ones among them; `open`, `ask`, `more`: addresses, "" for none."""

    candidate: Candidate
    kind: str | Promise
    facts: tuple[str, ...]
    on: tuple[str, ...]
    why: tuple[str, ...]
    held: str
    job_id: uuid.UUID | None
    meant: bool
    open: str
    ask: str
    ask_label: str
    more: str
    more_label: str


@dataclass(frozen=True, slots=True, kw_only=True)
class FindPage:
    """All of the answer."""

    find: FindView
    look: Look
    says: Sentence
    lines: tuple[CandidateLine, ...]
    merged: str

    @property
    def counted(self) -> str:
        """How many there are."""
        shown = len(self.lines)
        if self.find.found > shown:
            return _("%(shown)s of %(all)s are shown") % {"shown": shown, "all": self.find.found}
        return ngettext("%(n)s candidate", "%(n)s candidates", shown) % {"n": shown}


def find_page(find: FindView) -> FindPage:
    """See FindPage."""
    nothing = find.state is FindState.DONE and not find.candidates
    return FindPage(
        find=find,
        look=NOTHING if nothing else LOOKS[find.state],
        says=sentence(find.code, find.params),
        lines=tuple(candidate_line(one, asked=find.asked) for one in find.candidates),
        merged=str(sentence("find_merged", {"old": str(find.merged_from)})) if find.merged_from else "",
    )


def candidate_line(view: CandidateView, *, asked: Mapping[str, object]) -> CandidateLine:
    """See CandidateLine. `asked`: a group's own editions need no link to themselves."""
    one = view.candidate
    mbid = str(one.mbid)
    group = str(one.group_mbid) if one.group_mbid and str(one.group_mbid) != asked.get("mbid") else ""
    opened = asked_for = label = more = more_label = ""
    match one.kind:
        case CandidateKind.RELEASE:
            opened = reverse("target", args=["release", mbid])
            asked_for, label = _ask("mb_release", mbid), _("Ask for it")
            if group:
                more, more_label = find_address(f"release-group/{group}"), _("All editions")
        case CandidateKind.RECORDING:
            opened = reverse("target", args=["recording", mbid])
            asked_for, label = _ask("recording", mbid), _("Ask for it")
        case CandidateKind.RELEASE_GROUP:
            if mbid != asked.get("mbid"):
                opened = more = find_address(f"release-group/{mbid}")
                more_label = _("All editions")
        case CandidateKind.ARTIST:
            opened = reverse("catalog-artist", args=[mbid])
            more, more_label = reverse("artist-coverage", args=[mbid]), _("What is held")
            asked_for, label = _ask("discography", mbid), _("Discography")
        case CandidateKind.LABEL:
            opened = reverse("catalog-label", args=[mbid])
            asked_for, label = _ask("label_crate", mbid), _("Crate of this label")
    return CandidateLine(
        candidate=one,
        kind=KIND_WORDS[one.kind],
        facts=_facts(one),
        on=one.on,
        # "Only at Discogs" stands beside the title already.
        why=tuple(reason_says(reason) for reason in one.reasons[:SHOWN_REASONS] if reason.amount != ONLY_DISCOGS),
        held=_held(view),
        job_id=view.job.id if view.job is not None else None,
        meant=view.meant,
        open=opened,
        ask=asked_for,
        ask_label=label,
        more=more,
        more_label=more_label,
    )


def find_address(text: str) -> str:
    """The find page for a text."""
    return f"{reverse('find')}?{urlencode({'q': text})}"


def _ask(kind: str, mbid: str) -> str:
    return f"{reverse('ask')}?{urlencode({'kind': kind, 'mbid': mbid})}"


def _facts(one: Candidate) -> tuple[str, ...]:
    if one.kind in {CandidateKind.ARTIST, CandidateKind.LABEL}:
        years = "–".join(filter(None, (one.date[:4], one.end[:4])))
        return tuple(filter(None, (one.type, one.country, years, *one.catalog_numbers)))
    return tuple(
        filter(
            None,
            (
                one.date,
                one.country,
                ", ".join(one.labels),
                ", ".join(one.catalog_numbers),
                one.barcode,
                one.formats,
                one.type if one.kind is CandidateKind.RELEASE_GROUP else "",
                one.status if one.status not in {"", "Official", ONLY_DISCOGS} else "",
                one.script if one.script and one.script != "Latn" else "",
                one.packaging,
                ", ".join(one.isrcs),
            ),
        )
    )


def _held(view: CandidateView) -> str:
    count, whole = view.held, view.candidate.track_count
    if not count:
        return ""
    if view.candidate.kind is CandidateKind.RELEASE and whole:
        return _("%(n)s of %(all)s tracks held") % {"n": min(count, whole), "all": whole}
    return ngettext("%(n)s file held", "%(n)s files held", count) % {"n": count}
