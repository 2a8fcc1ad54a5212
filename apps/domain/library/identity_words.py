"""English sentences for identifications: why it stands where it stands (`identity_` + code) and each piece of evidence (`evidence_` + name)."""

from __future__ import annotations

from typing import Final

IDENTITY_SENTENCES: Final[dict[str, str]] = {
    # Decided
    "identity_by_fingerprint": "Its fingerprint names this recording, and what else is known fits.",
    "identity_by_library": "It sounds the same as a file here whose recording is known.",
    "identity_by_tags": "Only its tags say so; no fingerprint could be asked.",
    "identity_by_person": "A person said so.",
    # Questions
    "identity_several_recordings": "Several recordings fit about equally well. Which one is it?",
    "identity_same_song_several_recordings": "MusicBrainz has several recordings of this song with the same length. Which one is it?",
    "identity_tags_disagree": "The fingerprint names one recording, the tags another ({tag_recording}).",
    "identity_tags_contradict_recording": "The recording that the tags name does not fit them: {against}.",
    "identity_length_disagrees": "All fits but the length.",
    "identity_person_disagrees": "It was imported as {person_recording}; the fingerprint names another recording.",
    "identity_weak_evidence": "There are hints, but too few to decide.",
    # Unknown
    "identity_acoustid_no_result": "AcoustID does not know this fingerprint. It is asked again in a week.",
    "identity_acoustid_disabled": "AcoustID is off or has no key, and nothing here sounds like it. It is looked at again tomorrow.",
    "identity_acoustid_unavailable": "AcoustID does not answer right now; it is asked again.",
    "identity_acoustid_garbled": "AcoustID answered with something that is no answer; it is asked again.",
    "identity_acoustid_refused": "AcoustID can't read this fingerprint.",
    "identity_acoustid_key_invalid": "AcoustID does not accept the client id (integration.acoustid.client_id).",
    "identity_fingerprint_missing": "It has no fingerprint.",
    "identity_fingerprint_invalid": "Its fingerprint can't be read; the next scan makes a new one.",
    "identity_fingerprint_undecidable": "It is silent or one steady tone: its fingerprint says nothing.",
    "identity_rate_limited": "It waits for its turn to be asked about.",
    "identity_broker_unavailable": "The message broker is away; it is tried again.",
    "identity_unexpected": "Something went wrong here ({error}); it is tried again.",
    "identity_pending": "It waits to be looked at.",
    # Evidence
    "evidence_fingerprint": "AcoustID names it by the fingerprint, score {score}.",
    "evidence_not_named": "AcoustID names other recordings (score {score}), not this one.",
    "evidence_library_verified": "A confirmed file here sounds the same ({ber} of the bits differ).",
    "evidence_library_person": "A file here that a person named sounds the same ({ber} of the bits differ).",
    "evidence_library_claimed": "A file here whose tags name it sounds the same ({ber} of the bits differ).",
    "evidence_submissions": "{sources} submissions tie the fingerprint to it; the most for another or this is {most}.",
    "evidence_length": "The file lasts {actual_s} s, the recording {expected_s} s.",
    "evidence_title": "Its title is “{theirs}”, the file's “{ours}” (alike {like}).",
    "evidence_version": "Only one of the two titles says: {words}.",
    "evidence_artist": "Its artist is “{theirs}” (alike {like}).",
    "evidence_album": "It is on “{theirs}” (alike {like}).",
    "evidence_tag_recording": "The file's tags carry its MusicBrainz id.",
    "evidence_tag_release": "It is on the release that the tags name.",
    "evidence_position": "On its releases it is at the tagged place, track {track}: {same}.",
    "evidence_companions": "{with} of the {of} other files of the folder may be on the same album ({album}).",
    "evidence_nameless": "MusicBrainz seems to have merged or removed it: it has no title.",
    # Answers that can't be taken
    "identity_move_refused": "This answer is not open now.",
    "identity_changed": "Somebody else answered at this moment; look again.",
    "review_candidate_unknown": "One of these files has no candidate to confirm.",
    "review_folders_differ": "Only files of one folder are confirmed together.",
    "review_too_many": "Between 1 and {limit} files can be confirmed together.",
}
