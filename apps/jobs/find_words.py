"""The words of a find: what was understood, what a candidate is, why it stands where it does."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Final, assert_never

from django.utils.functional import Promise
from django.utils.translation import gettext as _
from django.utils.translation import gettext_lazy as lazy

from apps.common.text import display_text
from apps.domain.catalog.candidates import CandidateKind, Reason
from apps.domain.catalog.links import (
    Asked,
    BarcodeAsked,
    DiscogsAsked,
    DiscogsKind,
    EntityKind,
    IsrcAsked,
    MbidAsked,
    WordsAsked,
)

KIND_WORDS: Final[Mapping[CandidateKind, Promise]] = {
    CandidateKind.RELEASE: lazy("Release"),
    CandidateKind.RELEASE_GROUP: lazy("Album, all editions"),
    CandidateKind.RECORDING: lazy("Recording"),
    CandidateKind.ARTIST: lazy("Artist"),
    CandidateKind.LABEL: lazy("Label"),
}

_MBIDS: Final[Mapping[EntityKind, Promise]] = {
    EntityKind.ARTIST: lazy("An artist at MusicBrainz."),
    EntityKind.LABEL: lazy("A label at MusicBrainz."),
    EntityKind.RECORDING: lazy("A recording at MusicBrainz: one track."),
    EntityKind.RELEASE: lazy("A release at MusicBrainz: one edition of an album."),
    EntityKind.RELEASE_GROUP: lazy("A release group at MusicBrainz: an album with all its editions."),
    EntityKind.TRACK: lazy("A track of a release at MusicBrainz."),
}
_DISCOGS: Final[Mapping[DiscogsKind, Promise]] = {
    DiscogsKind.ARTIST: lazy("Artist {id} at Discogs."),
    DiscogsKind.LABEL: lazy("Label {id} at Discogs."),
    DiscogsKind.MASTER: lazy("Master {id} at Discogs: an album with all its editions."),
    DiscogsKind.RELEASE: lazy("Release {id} at Discogs: one edition of an album."),
}
_REASONS: Final[Mapping[str, Promise]] = {
    "find_score": lazy("MusicBrainz' search says {amount} of 100"),
    "find_title": lazy("the title is what was typed"),
    "find_title_near": lazy("the title is near what was typed"),
    "find_title_far": lazy("the title is another"),
    "find_artist": lazy("the artist is what was typed"),
    "find_artist_near": lazy("the artist is near what was typed"),
    "find_artist_far": lazy("the artist is another"),
    "find_name": lazy("this is its whole name"),
    "find_name_near": lazy("its name is near what was typed"),
    "find_status": lazy("{amount}"),
    "find_type": lazy("{amount}"),
    "find_no_tracklist": lazy("no track list is known"),
}


def understood_says(asked: Asked) -> str:
    """What the text was taken for."""
    match asked:
        case MbidAsked(kind=None):
            return _(
                "A MusicBrainz id; of what is found out by asking: release, release group, recording, artist, label."
            )
        case MbidAsked(kind=kind):
            return str(_MBIDS[kind])
        case DiscogsAsked():
            return str(_DISCOGS[asked.kind]).format(id=asked.id)
        case BarcodeAsked():
            return _("The barcode %(digits)s.") % {"digits": asked.digits}
        case IsrcAsked():
            return _("The ISRC %(isrc)s: one recording.") % {"isrc": asked.isrc}
        case WordsAsked(artist=""):
            return _("Words: “%(title)s”.") % {"title": display_text(asked.title, limit=200)}
        case WordsAsked():
            told = {"title": display_text(asked.title, limit=200), "artist": display_text(asked.artist, limit=200)}
            return _("“%(title)s” by “%(artist)s”.") % told
        case _:
            assert_never(asked)


def reason_says(reason: Reason) -> str:
    """Why a candidate stands where it does."""
    words = _REASONS.get(reason.code)
    return str(words).format(amount=display_text(reason.amount, limit=60)) if words is not None else reason.code
