"""What the codes of issues, their outcomes and the doctor's looks say to a person. Templates as in apps.domain.jobs.sentences; pure."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Final

ISSUE_SENTENCES: Final[Mapping[str, str]] = {
    # Suspected transcodes
    "transcode_mp3_origin": "The sound went through MP3 before ({profile}; score {score}, 1 is the bar).",
    "transcode_aac_origin": "The sound went through AAC before ({profile}; score {score}, 1 is the bar).",
    "transcode_vorbis_origin": "The sound went through Vorbis before ({profile}; score {score}, 1 is the bar).",
    "transcode_opus_origin": "The sound went through Opus before ({profile}; score {score}, 1 is the bar).",
    "transcode_lossy_origin": "The sound went through a lossy codec before ({profile}; score {score}, 1 is the bar).",
    "transcode_mp3_upscaled": "It was a smaller MP3 before ({profile}; score {score}, 1 is the bar).",
    "transcode_upsampled": "Its sample rate is higher than that of its sound ({profile}; score {score}, 1 is the bar).",
    "transcode_padded_depth": "It states more bits per sample than its sound has ({profile}).",
    "transcode_suspect": "It is suspected to be a transcode ({profile}).",
    # Non-canonical variants
    "better_in_library": "A better variant is in the library: {better_profile}, quality {better_score} instead of {score} ({profile}).",
    "better_in_peers": "Peers have a better variant: {better_profile}, quality {better_score} instead of {score} ({profile}).",
    # Tracks and releases
    "not_in_tagged_release": "Its tags say {release}, which does not have this recording.",
    "not_in_tagged_release_guess": "Its tags say {release}, which does not have this recording; it seems to be from {guess}.",
    "missing_track": "Track {medium}-{position} is not here; {held} of {total} tracks are.",
    "missing_medium": "Nothing of medium {medium} is here, of which this is track {position}; {held} of {total} tracks are.",
    # Tags
    "tags_missing": "It is {title} by {artist}, but its tags do not say so: {fields}.",
    "tags_missing_mbids": "It is {title} by {artist}, but its tags have no MusicBrainz ids.",
    "tags_contradict": "It is {title} by {artist}; its tags say {tag_title} by {tag_artist}.",
    "tags_contradict_recording": "Its tags name another recording than the sound is: {title} by {artist}.",
    "tags_contradict_release": "Its tags name another edition than its folder is: {release}.",
    # Duplicates
    "duplicate_payload": "The same file {copies} times; {keep_path} would stay.",
    "duplicate_sound": "The same sound {copies} times; {keep_path} would stay.",
    "duplicate_recording": "The same recording {copies} times; the best is {keep_path} ({keep_profile}).",
    # Durations
    "duration_short": "It lasts {actual_s} s and lacks {off_s} s of the recording's {expected_s} s.",
    "duration_long": "It lasts {actual_s} s, {off_s} s more than the recording's {expected_s} s.",
    # Files that can't be read
    "unreadable": "The file can't be read.",
    "damaged_preamble_mismatch": "Its FLAC header contradicts the sound: the file is cut off or damaged.",
    "damaged_sample_count_mismatch": "Its FLAC header states {stated} samples, the sound has {decoded}: the file is cut off or damaged.",
    "damaged_pcm_md5_mismatch": "The sound does not have the checksum that its FLAC header states: it is damaged.",
    # Outcomes
    "not_found_again": "A later look of the doctor did not find it any more.",
    "ignored_by_person": "{name} ignores it.",
    "resolved_by_person": "{name} says it is resolved.",
    "acknowledged_by_person": "{name} has seen it.",
    "detected_by_person": "{name} opened it again.",
    # Requests
    "issue_unknown": "There is no such issue.",
    "issue_move_refused": "An issue that is {state} can't become {to}.",
    "doctor_scan_unknown": "The doctor knows no such look.",
    "doctor_scan_refused": "That can't be done with a look that is {state}.",
    "doctor_disabled": "The Collection Doctor is switched off (library_health.enabled).",
}

TYPE_WORDS: Final[Mapping[str, tuple[str, str]]] = {
    "suspected_transcode": ("Suspected transcodes", "Sound that went through a lossy codec it does not own up to."),
    "non_canonical_variant": ("Better variant known", "A clearly better variant is here or at peers."),
    "track_not_in_release": ("Not on its release", "The release in the tags does not have the recording."),
    "missing_track": ("Missing tracks", "Tracks of releases that are otherwise here."),
    "corrupted_file": ("Corrupted files", "Files that can't be read or played as a whole."),
    "tags_wrong": ("Missing or wrong tags", "Tags that lack or contradict what the file is."),
    "duplicate_variant": ("Duplicates", "The same recording more than once."),
    "wrong_duration": ("Wrong duration", "Shorter or longer than the recording."),
}
"""Type → name and what it means."""
TYPE_ONE: Final[Mapping[str, str]] = {
    "suspected_transcode": "Suspected transcode",
    "non_canonical_variant": "Better variant known",
    "track_not_in_release": "Not on its release",
    "missing_track": "Missing track",
    "corrupted_file": "Corrupted file",
    "tags_wrong": "Missing or wrong tags",
    "duplicate_variant": "Duplicate",
    "wrong_duration": "Wrong duration",
}
SEVERITY_WORDS: Final[Mapping[str, str]] = {"low": "Low", "medium": "Medium", "high": "High", "critical": "Critical"}
STATE_WORDS: Final[Mapping[str, str]] = {
    "open": "Open",
    "detected": "Found",
    "acknowledged": "Seen",
    "fixing": "Being fixed",
    "failed": "Fix failed",
    "ignored": "Ignored",
    "resolved": "Resolved",
    "all": "All",
}
