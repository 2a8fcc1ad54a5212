"""What belongs to a release, as a sidebar: headings in words, each item with its address and what one click asks for."""

from __future__ import annotations

import uuid
from collections.abc import Mapping
from dataclasses import dataclass

from django.urls import reverse
from django.utils.functional import Promise
from django.utils.http import urlencode
from django.utils.translation import gettext_lazy as lazy

from apps.domain.catalog.candidates import CandidateKind
from apps.jobs.selectors_related import RelatedItem, RelatedSection, Section, related_to_recording, related_to_release
from apps.jobs.web.find_lines import find_address

HEADINGS: Mapping[Section, Promise] = {
    Section.EDITIONS: lazy("Remasters, regions and other editions"),
    Section.ARTIST: lazy("By the same artist"),
    Section.LABEL: lazy("On the same label"),
    Section.PERSONNEL: lazy("Members, bands, collaborations"),
    Section.CREW: lazy("Produced, mixed and recorded by"),
    Section.FEATURED: lazy("Also heard on it"),
    Section.GENRE: lazy("Under the same tag"),
}
STANDS_ON: Promise = lazy("Releases it stands on")


@dataclass(frozen=True, slots=True, kw_only=True)
class RelatedLine:
    """One item. `tree`: address of the form that asks for an artist's discography, "" for albums."""

    item: RelatedItem
    address: str
    tree: str

    @property
    def note(self) -> str:
        """The relation, unless title and facts say it already."""
        said = " ".join((self.item.title, *self.item.facts)).casefold()
        return "" if self.item.note.casefold() in said else self.item.note


@dataclass(frozen=True, slots=True, kw_only=True)
class RelatedPart:
    """A heading with its items."""

    heading: Promise
    about: str
    lines: tuple[RelatedLine, ...]


def related_parts(kind: str, mbid: uuid.UUID) -> tuple[RelatedPart, ...]:
    """The sidebar of a release or a recording."""
    if kind == CandidateKind.RECORDING:
        return tuple(_part(one, recording=True) for one in related_to_recording(mbid))
    return tuple(_part(one, recording=False) for one in related_to_release(mbid))


def _part(one: RelatedSection, *, recording: bool) -> RelatedPart:
    heading = STANDS_ON if recording and one.section is Section.EDITIONS else HEADINGS[one.section]
    return RelatedPart(heading=heading, about=one.about, lines=tuple(_line(item) for item in one.items))


def _line(item: RelatedItem) -> RelatedLine:
    mbid = str(item.mbid)
    if item.kind is CandidateKind.RELEASE:
        return RelatedLine(item=item, address=reverse("target", args=["release", mbid]), tree="")
    if item.kind is CandidateKind.RELEASE_GROUP:
        return RelatedLine(item=item, address=find_address(f"release-group/{mbid}"), tree="")
    tree = f"{reverse('ask')}?{urlencode({'kind': 'discography', 'mbid': mbid})}"
    return RelatedLine(item=item, address=reverse("catalog-artist", args=[mbid]), tree=tree)
