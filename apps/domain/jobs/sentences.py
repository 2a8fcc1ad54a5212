"""What each code of a job, track, transfer or want says to a person, and how serious it is.

Rows hold code + params, never sentences (DESIGN §10 "Words"). This table is the one place where the English text lives: pages translate it
(gettext takes the template, not the filled-in sentence), the command line and the API print it. Pure.
"""

from __future__ import annotations

import re
from collections.abc import Mapping

from apps.domain.catalog.discogs_words import DISCOGS_SENTENCES
from apps.domain.jobs.choice_words import CHOICE_SENTENCES
from apps.domain.jobs.manifest_words import MANIFEST_SENTENCES
from apps.domain.jobs.tree_words import TREE_SENTENCES
from apps.domain.library.canonical_words import CANONICAL_PHRASES, CANONICAL_SENTENCES
from apps.domain.library.identity_words import IDENTITY_SENTENCES
from apps.domain.library.issue_words import ISSUE_SENTENCES
from apps.domain.swarm.trace_sentences import TRACE_SENTENCES

SENTENCES: Mapping[str, str] = {
    # Fixes and the trash
    "fix_failed": "The fix did not work; everything is as it was.",
    "remediation_refused": "This can't be mended that way now.",
    "trash_refused": "This file can't go to the trash.",
    "trash_failed": "The file could not be moved to the trash; it is where it was.",
    "mbid_missing": "Say which recording it is.",
    # Asking MusicBrainz
    "musicbrainz_unavailable": "MusicBrainz does not answer right now; it is asked again by itself.",
    "musicbrainz_garbled": "MusicBrainz answered with something that is no answer.",
    "musicbrainz_refused": "MusicBrainz refused the request (HTTP status {status}).",
    "broker_unavailable": "The message broker is away; the request waits for it.",
    "rate_limited": "The request waits for its turn, so that the service is not asked too often.",
    "musicbrainz_offline": "MusicBrainz is not asked (integration.musicbrainz.offline), and this is not known here.",
    "artist_not_found": "MusicBrainz knows no artist with this id.",
    "label_not_found": "MusicBrainz knows no label with this id.",
    "isrc_not_found": "MusicBrainz knows no recording with this ISRC.",
    "artist_groups_unreadable": "MusicBrainz has {name}, but answers that there is no list of the artist's release groups.",
    "artist_releases_unreadable": "MusicBrainz has {name}, but answers that there is no list of the artist's releases.",
    "label_releases_unreadable": "MusicBrainz has {name}, but answers that there is no list of the label's releases.",
    "group_releases_unreadable": "MusicBrainz has {name}, but answers that there is no list of the release group's releases.",
    "artist_groups_incomplete": "Of the artist's {total} release groups MusicBrainz gave {read} that can be read.",
    "artist_releases_incomplete": "Of the artist's {total} releases MusicBrainz gave {read} that can be read.",
    "label_releases_incomplete": "Of the label's {total} releases MusicBrainz gave {read} that can be read.",
    "group_releases_incomplete": "Of the release group's {total} releases MusicBrainz gave {read} that can be read.",
    "list_unsteady": "The list changed each of the {passes} times it was read; an entry may be missing.",
    "graph_too_large": "This list has {total} entries; more than {most} are not read.",
    "release_group_not_found": "MusicBrainz knows no release group with this id.",
    "release_not_found": "MusicBrainz knows no release with this id.",
    "recording_not_found": "MusicBrainz knows no recording with this id.",
    "release_without_tracks": "This release has no audio tracks on MusicBrainz.",
    "track_not_on_release": "The release has no track {medium}-{position}.",
    # Jobs
    "tracks_failed": "{failed} of {total} tracks could not be completed.",
    "already_held": "The library holds this already, in good quality ({profile}).",
    "all_held": "The library holds all of it already, in good quality ({tracks} tracks).",
    "cancelled_by_person": "Cancelled.",
    "unexpected": "Something unexpected went wrong ({error}); the log tells more.",
    "job_kind_unknown": "There is no such kind of job.",
    "job_origin_unknown": "Nobody of this kind asks for jobs.",
    "job_refused": "This job can't be taken.",
    "job_unknown": "There is no such job.",
    "job_ended": "The job has ended ({state}).",
    "job_not_retryable": "Nothing of this job failed.",
    "constraints_invalid": "A constraint of the job can't be understood: {why}.",
    "constraint_unavailable": "This version can't keep the constraint {key}.",
    "idempotency_key_invalid": "An idempotency key has 1 to 200 printable characters.",
    "label_not_heard": "No label called {name} is known here.",
    "crate_codec_unknown": "No crate is made for the codec {codec}.",
    "seed_limit_reached": "At most {limit} releases can be seeded.",
    # The node's side of a track
    "gave_way": "Nobody could give the rest of this payload; another one is fetched instead.",
    "only_bad_sources": "Only peers that sent wrong bytes have what is missing; others are looked for.",
    "no_source": "Nobody on the mesh has this track right now; it is looked for again.",
    "fallback_beside": "This payload stalls; another one is fetched beside it.",
    "sources_not_delivering": "Who offers this track did not deliver it; they are asked again after a pause.",
    "want_cancelled": "Cancelled.",
    "want_satisfied": "Another payload of this track was complete first.",
    # Verification
    "wrong_recording": "The file is another recording: {title} by {artist} ({recording}).",
    "placed_wrong_recording": "AcoustID knows by now that the file is another recording: {title} by {artist}.",
    "wrong_duration": "The file lasts {actual_s} s, the recording {expected_s} s.",
    "decode_failed": "The file does not decode as a whole: {reason}.",
    "verification_crashed": "Checking this file ended the program that checks it {deaths} times in a row.",
    "preamble_mismatch": "The FLAC header contradicts the sound; it is asked for again from somebody else.",
    "sample_count_mismatch": "The FLAC header states {stated} samples, the sound has {decoded}; the header is asked for again from somebody else.",
    "pcm_md5_mismatch": "The sound does not have the checksum its FLAC header states; the header is asked for again from somebody else.",
    "payload_mismatch": "The assembled file is not the payload it was fetched as.",
    "payload_changed": "Writing the tags would have changed the sound, so the file was not placed.",
    "file_missing": "The assembled file is gone from the partial folder.",
    "transcode_suspected": "The file shows signs of a transcode ({verdict}), and the job takes none; another payload is looked for.",
    "below_canonical": "The file is {profile}, the canonical variant {target}; the job takes nothing below it.",
    "not_better": "The file's quality is {score}, no better than what is held ({held}): at least {floor} was wanted.",
    "waiting_for_canonical": "Who is linked offers only lesser variants; the job waits for the canonical one ({profile}).",
    "only_transcodes": "Everything on offer is suspected to be a transcode, and the job takes none.",
    "nothing_better": "Nothing on offer is better than the file that is held; the job waits for something that is.",
    "lossy_limit": "The album has its {limit} lossy tracks already.",
    "fingerprint_required": "No fingerprint confirms the recording, and verify.require_fingerprint refuses such files.",
    "acoustid_unavailable": "AcoustID does not answer right now; it is asked again by itself.",
    "acoustid_garbled": "AcoustID answered with something that is no answer.",
    "acoustid_refused": "AcoustID refused the request: {message}.",
    "acoustid_key_invalid": "AcoustID does not accept integration.acoustid.client_id.",
    "acoustid_disabled": "AcoustID is not asked (disabled or without a client id).",
    "acoustid_no_result": "AcoustID knows no recording with this fingerprint.",
    "chromaprint_disabled": "Files are not fingerprinted (integration.chromaprint.enabled).",
    "fingerprint_tool_missing": "This machine has no Chromaprint, so the file could not be fingerprinted.",
    "fingerprint_undecidable": "The fingerprint says too little (silence, or too short) to tell recordings apart.",
    "decode_tool_missing": "This kind of sound needs an ffmpeg, which this machine lacks.",
    "decode_timeout": "Decoding takes too long; it is tried again by itself.",
    "fingerprint_failed": "The file could not be fingerprinted.",
    # Placing
    "disk_full": "The disk is full; it goes on by itself once there is room.",
    "library_missing": "The library folder is missing; is its disk mounted? It is tried again by itself.",
    "library_permission": "The library folder may not be written by slskdn's user; it is tried again by itself.",
    "library_read_only": "The library's filesystem is mounted read-only; it is tried again by itself.",
    "library_path_link": "A folder on the way is a link; slskdn does not follow links inside a library.",
    "library_path_blocked": "A folder on the way is a file or a link.",
    "library_path_too_long": "The filesystem refuses so long a name.",
    "naming_template_invalid": "The naming template library.template can't be used.",
    "naming_facts_invalid": "No file name can be made of what is known of this track.",
    "library_path_invalid": "The path of the finished file would leave the library.",
    "library_root_invalid": "This folder can't be a library folder: it needs an absolute path that is valid UTF-8.",
    "name_taken": "Too many files have this name already.",
    "disk_error": "The disk reported an error; it is tried again by itself.",
    "file_failed": "The filesystem refused ({errno}); it is tried again by itself.",
    # Importing
    "mbid_invalid": "This is not a MusicBrainz id.",
    "file_not_regular": "This is not a regular file.",
    "tags_unreadable": "The tags of this file can't be read.",
    "no_audio": "The file has no sound in it.",
    "too_long": "The sound is longer than six hours.",
    "analysis_crashed": "Analysing this sound ended its process again and again; it is left alone until there is a newer analyser.",
    "analysis_timeout": "Analysing this sound takes too long; it is left alone until there is a newer analyser.",
    "codec_unsupported": "This kind of sound has no place in slskdn ({codec}).",
    "leaves_invalid": "The file changed while it was read.",
    "file_changed": "The file changed while it was read.",
    "folder_missing": "There is no such folder.",
    **DISCOGS_SENTENCES,
    **TRACE_SENTENCES,
    **CHOICE_SENTENCES,
    **MANIFEST_SENTENCES,
    **TREE_SENTENCES,
    **CANONICAL_PHRASES,
    **CANONICAL_SENTENCES,
    **ISSUE_SENTENCES,
    **IDENTITY_SENTENCES,
}
"""Code → English template. `{name}` takes the param of that name; a missing one shows as a dash."""

JOB_WIDE_CODES = frozenset({"disk_full", "library_missing", "library_permission", "library_read_only"})
"""Reasons of waiting tracks that the job itself shows: they stop every track of it."""

_FIELD = re.compile(r"\{([a-z_]+)\}")


def sentence(code: str, params: Mapping[str, object] | None = None) -> str:
    """The sentence of a code with its params filled in; "" for no code, the code itself for one this table lacks."""
    return fill(SENTENCES.get(code, code), params or {})


def fill(template: str, params: Mapping[str, object]) -> str:
    """Put `params` into a (translated) template. Never formats attributes or indices, so params may be anybody's text."""
    return _FIELD.sub(
        lambda match: str(params.get(match[1]) if params.get(match[1]) not in (None, "") else "–"), template
    )
