"""Words for what Discogs says, and for what is and is not proven of tracks that only Discogs knows."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Final

DISCOGS_SENTENCES: Final[Mapping[str, str]] = {
    "discogs_unavailable": "Discogs does not answer right now; it is asked again by itself.",
    "discogs_garbled": "Discogs answered with something that is no answer.",
    "discogs_refused": "Discogs refused the request.",
    "discogs_not_found": "Discogs knows no {kind} with the number {id}.",
    "discogs_token_invalid": "Discogs does not accept integration.discogs.token.",
    "discogs_disabled": "Discogs is not asked (integration.discogs.enabled is false), and MusicBrainz knows nothing of this page.",
    "discogs_number_invalid": "This is no number and no address at Discogs of that kind.",
    "discogs_only": "MusicBrainz does not have it; this is what Discogs says.",
    "discogs_no_fingerprint": "Its tracks can be told by title, length and copies that agree only; no fingerprint proves them.",
    "discogs_same_barcode": "MusicBrainz has no link to it; the others have its barcode and may be the same edition.",
    "discogs_not_linked": "MusicBrainz has no link to this page of Discogs; these have the name that Discogs gives: {name}.",
    "discogs_without_tracks": "Discogs tells no audio tracks of this release.",
    "discogs_waits_for_sources": "MusicBrainz does not know this release, so nobody can be asked for it yet: its sources come with Soulseek, or lie in "
    "the library. Each track is completed when a file is held that fits by title and length.",
    "discogs_no_source": "No source can be asked for this track yet; a file in the library that fits by title and length completes it.",
    "discogs_length_unknown": "Discogs tells no length of this track: a file in the library completes it when two copies agree.",
    "held_by_duration": "A file of the library fits by title and length. That it is this recording was not heard.",
    "held_by_consensus": "Copies of one audio fit by title, and agree: {copies} of them. That it is this recording was not heard.",
    "target_by_duration": "It fits by title and length; that it is this recording was not heard.",
    "target_by_consensus": "Copies that agree fit by title; that it is this recording was not heard.",
}
