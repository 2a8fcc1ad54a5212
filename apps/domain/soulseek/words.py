"""What the codes of the Soulseek plane say to a person. Templates; filled and translated by `apps.common.sentences`. Pure."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Final

SOULSEEK_SENTENCES: Final[Mapping[str, str]] = {
    # The session
    "soulseek_not_started": "Soulseek has not been started yet.",
    "soulseek_off": "Soulseek is switched off.",
    "soulseek_connecting": "Connecting to the Soulseek server.",
    "soulseek_wrong_password": "The Soulseek server refuses the password. Nothing is tried again until it is changed.",
    "soulseek_bad_username": "The Soulseek server takes no such user name.",
    "soulseek_client_refused": "The Soulseek server takes no clients of this version.",
    "soulseek_refused": "The Soulseek server refused the login: {reason}",
    "soulseek_kicked": "Somebody logged in elsewhere with this name. Connect again once that is over.",
    "soulseek_unreachable": "The Soulseek server can't be reached; it is tried again by itself.",
    "soulseek_connection_lost": "The connection to the Soulseek server was lost; it is made again by itself.",
    "soulseek_banned": "The Soulseek server ends every connection before the login: probably a ban. It is left alone for {minutes} minutes.",
    # Why a candidate may not be asked
    "failed_before": "This file failed for good before.",
    "another_length": "Its length is another one.",
    "fits_badly": "Its name fits badly.",
    "lossy": "It is lossy, and the job takes lossless only.",
    "codec_unknown": "Its codec is not known, and the job takes lossless only.",
    "no_better": "It promises nothing better than what is held.",
    "too_many_lossy": "The job takes no more lossy tracks.",
    # Terms of a candidate's score
    "whole": "All {of} tracks.",
    "some_tracks": "{tracks} of {of} tracks.",
    "fits": "Names and lengths fit.",
    "fits_roughly": "Names and lengths fit roughly.",
    "codec": "{profile}.",
    "quality": "Quality {quality} as told.",
    "free_slot": "A slot is free; about {minutes} minutes.",
    "queued": "{queue} in the queue; about {minutes} minutes.",
    "known_sharer": "{completed} files came from them, {failed} did not.",
    "unknown_sharer": "Nothing came from them yet.",
    # Steps of the ladder of queries
    "artist_album": "Artist and album.",
    "artist_album_plain": "Artist and album with its remarks.",
    "main_artist": "First artist only.",
    "alias": "Another name of the artist.",
    "ascii": "Without accents.",
    "album_year": "Album and year.",
    "album": "Album only.",
    "artist_track": "Artist and track.",
    "track_album": "Album and track.",
    "track": "Track only.",
    # Troubles of a transfer
    "queued_too_long": "It has waited for {waited_s} s in their queue.",
    "queue_stands": "Their queue has not moved for {stood_s} s.",
    "too_slow": "It comes with {kib_s} KiB/s; below {floor_kib_s} KiB/s is too slow.",
    "stalled": "Nothing has come for {quiet_s} s.",
    # What a rescue may do
    "rescue_allowed": "The mesh helps; the Soulseek transfer goes on.",
    "rescue_origin_dead": "The Soulseek transfer is dead; the mesh gives the rest, and a fingerprint will prove it.",
    "rescue_mesh_mode": "There is no Soulseek in this mode; the mesh gives everything.",
    "rescue_not_in_legacy": "In legacy mode nothing comes from the mesh.",
    "rescue_too_many": "{running} transfers are being rescued already; at most {most} at once.",
    "rescue_origin_not_attempted": "It has not been looked for on Soulseek yet.",
    "rescue_never_on_soulseek": "It was never seen on Soulseek.",
    "rescue_overlay_only_unproven": "Nothing came from Soulseek, and no fingerprint could prove what the mesh gives.",
    "rescue_overlay_only_forbidden": "Nothing came from Soulseek, and the settings forbid the mesh alone.",
    "rescue_ratio_reached": "The mesh gave {ratio} times what Soulseek gave; at most {most} times is allowed.",
    # Fairness
    "fairness_fine": "What is given and taken is in balance.",
    "fairness_generous": "Generous: nothing is held back.",
    "fairness_throttled": "Downloads from the mesh run at {percent} %: {rule} is {ratio}, the limit {limit}.",
    "fairness_recovering": "Downloads from the mesh run at {percent} % until {rule} is clearly better than {limit}.",
    "fairness_job_throttled": "This job took {ratio} times as much from the mesh as from Soulseek (limit {limit}); it runs at {percent} %.",
    # Why an upload is not queued
    "quota_day": "This user's share of the day is used up.",
    "quota_week": "This user's share of the week is used up.",
    "too_many_files": "This user has {most} files in the queue already.",
    "queue_full": "The queue is full.",
}
