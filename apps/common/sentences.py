"""Every code's sentence for API, pages and CLI: what is the matter, and what will happen next.

Rows, events and errors hold `code` + `params`; words are made here when somebody looks, in their language. The words for codes of jobs,
tracks, transfers and files are `apps.domain.jobs.sentences`, those of the Soulseek plane `apps.domain.soulseek.words`; this module adds those of
requests and waits, translates all, and says what comes next. A code this version does not know gets its own name as words, so that nothing is ever shown empty.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

from django.utils.functional import Promise
from django.utils.translation import gettext as _
from django.utils.translation import gettext_lazy as lazy

from apps.common.text import display_text
from apps.domain.jobs.sentences import SENTENCES as DOMAIN_SENTENCES
from apps.domain.jobs.sentences import fill
from apps.domain.soulseek.words import SOULSEEK_SENTENCES

Params = Mapping[str, object]
Words = str | Promise

MAX_VALUE_CHARS = 200  # of one param inside a sentence


@dataclass(frozen=True, slots=True)
class Sentence:
    """`what` is the matter; `next` says what will happen or what helps (may be empty)."""

    what: str
    next: str = ""

    def __str__(self) -> str:
        return f"{self.what} {self.next}".strip()


OWN: Mapping[str, Words] = {
    # Requests
    "folder_unknown": lazy("There is no such folder."),
    "invalid": lazy("Something in this request can't be read: {fields}"),
    "malformed": lazy("The request's body is not valid JSON."),
    "not_authenticated": lazy("Sign in or send an API key."),
    "authentication_failed": lazy("These credentials are not valid here."),
    "api_key_refused": lazy("This API key is not valid here."),
    "role_required": lazy("Your role does not allow this."),
    "permission_denied": lazy("Your role does not allow this."),
    "not_found": lazy("There is nothing at this address."),
    "method_not_allowed": lazy("This address does not take that method."),
    "unsupported_media_type": lazy("Send JSON (Content-Type: application/json)."),
    "not_acceptable": lazy("This address answers in JSON."),
    "rate_limited": lazy("Too many requests for now."),
    "server_error": lazy("Something went wrong here; it was written to the log."),
    "fairness_not_told": lazy("The node is not running, or says nothing of the rules yet."),
    "too_many_streams": lazy("Too many live views are open; close some."),
    # Commands to the node
    "node_away": lazy("The node did not answer in time. Is it running?"),
    "node_restarted": lazy("The node was restarted in between; nobody knows whether it was done."),
    "command_timed_out": lazy("It took longer than {seconds} seconds."),
    "command_invalid": lazy("The node does not understand this command ({kind})."),
    "command_failed": lazy("The node failed at this ({kind}); its log says how."),
    "reactor_late": lazy("The node's event loop comes late; something there takes too long at a time."),
    # Scans
    "scan_not_found": lazy("There is no such scan."),
    "scan_root_unknown": lazy("This is no folder of the library; add it to library.folders, or import it."),
    "scan_state": lazy("The scan is {state}; that can't be done now."),
    "scan_path_outside": lazy("This path is in no folder of the library."),
    "paused_by_person": lazy("Somebody paused it; it goes on where it was."),
    "cancelled_by_person": lazy("Somebody called it off; what it found stays."),
    "root_missing": lazy(
        "The folder is not there, or nothing of it is: is its disk mounted? No file is taken for deleted."
    ),
    "root_differs": lazy("Another library folder's disk is mounted here. No file is taken for deleted."),
    "root_stalled": lazy("The folder does not answer; it is tried again by itself, ever more rarely."),
    "walk_failed": lazy("The process that looks at the folder ended; it is tried again by itself."),
    "mount_away": lazy(
        "The disk that was mounted here is away: its files are kept as they are, none is taken for deleted."
    ),
    "folder_vanished": lazy("A folder went away while it was walked."),
    "folder_permission": lazy("slskdn's user may not list this folder."),
    "folder_unreadable": lazy("The disk can't list this folder."),
    "folder_too_deep": lazy("Folders are nested deeper than 64 levels here."),
    "file_vanished": lazy("A file went away while its folder was walked."),
    "file_kills_readers": lazy("Reading this file ended every process that tried; it is left alone until it changes."),
    "read_timeout": lazy("Reading this file took longer than five minutes."),
    "cursor_invalid": lazy("This page of the list does not exist; begin at the first."),
    "user_unknown": lazy("There is no such user."),
    "peer_not_found": lazy("Nothing is known of such a peer."),
    "api_key_not_found": lazy("There is no such API key."),
    "mbid_invalid": lazy("This is not a MusicBrainz id."),
    "rate_limit_invalid": lazy("This rate limit means nothing: its {field} is wrong."),
    "rate_limits_full": lazy("At most {limit} rate limits can be set."),
    "malformed_request": lazy("This request can't be read."),
    "form_expired": lazy("This form is too old; nothing was changed."),
    "login_failed": lazy("Name and password do not belong together."),
    "login_blocked": lazy("Too many attempts; wait five minutes."),
    # Finds and targets
    "find_empty": lazy("Type a name, or paste an id, a barcode, an ISRC or an address at MusicBrainz or Discogs."),
    "find_too_long": lazy("This text is too long to be looked up; {limit} characters are the most."),
    "find_wrong_entity": lazy(
        "This page is neither an artist, label, release group (master), release, track nor recording."
    ),
    "find_other_site": lazy("Only addresses at MusicBrainz and Discogs can be read here, not those at {host}."),
    "barcode_check_digit": lazy("{digits} looks like a barcode, but its last digit does not fit the others."),
    "find_unreadable": lazy("This find was made by another version; look again."),
    "find_unknown": lazy("There is no such find, or it is older than a day and was forgotten."),
    "find_none": lazy("MusicBrainz knows nothing by this."),
    "find_merged": lazy("The id {old} was merged into this one."),
    "finds_full": lazy("Too much is being looked up already ({limit} finds)."),
    "editions_unknown": lazy("The editions of this album are not known here yet."),
    "target_unknown": lazy("This is no target."),
    "target_kind_unknown": lazy("A target is a release or a recording."),
    "target_nothing_missing": lazy("Nothing of it is missing."),
    "target_tracks_unknown": lazy("Its track list is not known here yet."),
    "target_by_tags": lazy("By its tags; nobody has listened to it yet."),
    "target_by_place": lazy("By its place and length; nobody has listened to it yet."),
    "target_other_recording": lazy("What stands here was heard to be another recording."),
    "target_other_length": lazy("What stands here is of another length."),
    # How the daemon is
    "database_away": lazy("The database does not answer."),
    "broker_away": lazy("Redis or Valkey does not answer."),
    "node_absent": lazy("The node has never run with this database."),
    "node_silent": lazy("The node has given no sign of life for a while."),
    "manifests_unwritten": lazy(
        "The files of jobs can't be written: the disk is full, or the folder may not be written."
    ),
    "manifests_held": lazy("Another process writes into this folder."),
    "mesh_disabled": lazy("The mesh is switched off (mesh.enabled)."),
    "mesh_passive": lazy("Passive: this node fetches from the mesh and announces nothing (mesh.passive)."),
    # Webhooks
    "webhook_refused": lazy("This webhook can't be made."),
    "webhook_unknown": lazy("There is no such webhook."),
    "webhook_delivery_unknown": lazy("There is no such delivery."),
    "webhook_url_invalid": lazy(
        "A webhook's address is http(s)://host[:port]/path, without a name, password or fragment."
    ),
    "webhook_event_unknown": lazy("There is no event {event}."),
    "webhooks_full": lazy("At most {limit} webhooks."),
    "webhook_name_unknown": lazy("The name {host} has no address."),
    "webhook_address_refused": lazy("{host} is at an address that is not told anything (webhooks.allow_private)."),
    "webhook_timeout": lazy("The receiver took longer than {seconds} s."),
    "webhook_tls": lazy("The receiver's certificate or TLS was refused: {reason}"),
    "webhook_unreachable": lazy("The receiver can't be reached: {reason}"),
    "webhook_garbled": lazy("The receiver's answer is no HTTP."),
    "webhook_redirected": lazy(
        "The receiver answered {status}, a redirect; none is followed. Give the address it points to."
    ),
    "webhook_answered": lazy("The receiver answered {status}."),
    "webhook_too_old": lazy("It could not be delivered for three days and was given up."),
    # Jobs and waits
    "idempotency_conflict": lazy("This idempotency key was used for another request."),
    "pending": lazy("Waiting for a worker."),
    "child_not_made": lazy("Its job is about to be made."),
    "resolving": lazy("The track list is being fetched from MusicBrainz."),
    "seeking": lazy("Looking for peers that have this recording."),
    "fetching": lazy("On its way."),
    "verifying": lazy("Checking the sound against the recording."),
    "paused": lazy("Paused; what was fetched is kept."),
    "duplicate_unknown": lazy("These files are no duplicates any more."),
    "duplicate_not_member": lazy("This file is not of that group."),
    "duplicate_keep_one": lazy("At least one of the files is kept."),
    "all_payloads_denied": lazy("Every payload that peers offer for it turned out to be something else."),
    "only_lossy_sources": lazy("Only lossy sources are known, and this job takes lossless only."),
    "sources_incomplete": lazy("The peers that are here have only parts of it; the rest is waited for."),
    "queued": lazy("Waiting for its turn: enough transfers are under way."),
    "soulseek_only": lazy("From Soulseek only, as its job asks: the mesh is not asked."),
    "io_error": lazy("The disk refused to read or write."),
    "blocked": lazy("It can't go on right now."),
    "wanted": lazy("Waiting for its turn."),
    # Sources
    "bad_leaf": lazy("Bytes from this peer were wrong; they were dropped and fetched elsewhere."),
    "bad_manifest": lazy("What this peer said of the payload was wrong; it is not asked again."),
    "preamble_refused": lazy("The file header this peer sent does not fit the sound; it is asked of others."),
    "corrupt": lazy("This peer sent wrong bytes again and again; it is not asked any more."),
    "timed_out": lazy("This peer took too long; its part is fetched elsewhere."),
    "manifest_timeout": lazy("This peer did not answer in time."),
    "disconnected": lazy("The connection to this peer broke; others carry on."),
    "link_closed": lazy("The connection to this peer broke; others carry on."),
    "request_timeout": lazy("This peer did not answer in time."),
    "request_failed": lazy("This peer refused to answer."),
    "unexpected_answer": lazy("This peer answered something else than was asked."),
    "source_rate_limited": lazy("This peer is busy; it is asked again later."),
    "source_not_found": lazy("This peer does not have it any more."),
    "source_io_error": lazy("This peer could not read its file."),
    "source_policy_violation": lazy("This peer does not give it away."),
    "source_timeout": lazy("This peer took too long; its part is fetched elsewhere."),
    "source_invalid_range": lazy("This peer does not have the part it was asked for."),
    "source_complete": lazy("Everything is here; nothing more is asked of it."),
    "source_user_cancelled": lazy("The transfer was stopped by a person."),
    "source_swarm_rebalanced": lazy("Another payload was taken instead."),
    "source_policy_change": lazy("The node was stopped; it goes on when it runs again."),
    "source_error": lazy("The transfer could not go on."),
    "payload_denied": lazy("This payload was found to be something else."),
    # Fixes and the trash
    "root_not_writable": lazy("This folder is only read: nothing in it is changed unless you allow it."),
    "fix_begun": lazy("It is being fixed."),
    "fix_not_in_state": lazy("An issue that is {state} can't be fixed."),
    "fix_place_unknown": lazy("It is not known which track of which release is missing."),
    "fix_recording_unknown": lazy("It is not known what this file is."),
    "fix_broken_unknown": lazy("It can't be read, and neither its tags nor its folder say what it should be."),
    "fix_file_missing": lazy("The file is not there any more."),
    "fix_job_gone": lazy("The download for this fix was deleted."),
    "fix_job_cancelled": lazy("The download for this fix was cancelled."),
    "fix_job_without_track": lazy("The download for this fix ended without the track."),
    "fix_new_file_gone": lazy("The new file is not there any more."),
    "fix_new_file_changed": lazy("The file on disk is not what was verified ({path}); nothing was replaced by it."),
    "fix_same_file": lazy("The new file is the old one."),
    "fix_also_suspect": lazy("The file that came is suspected to be a transcode too; it was not kept."),
    "fix_not_better": lazy("The file that came is not better than yours ({profile}); it was not kept."),
    "fix_copies_stay": lazy("{back} of {of} copies are in their places; these can't come back ({reason}): {paths}"),
    "fix_interrupted": lazy("Somebody took the old file out of the trash while it was being replaced."),
    "fix_nothing_to_do": lazy("There is nothing left to do about it."),
    "fix_release_without_it": lazy("The release it was taken to be from does not have this recording."),
    "tags_not_writable": lazy("Tags can't be written safely into this file ({reason}); it was left as it is."),
    "fix_title_unknown": lazy("MusicBrainz has no title for this recording; the tags were left as they are."),
    "fix_tags_right": lazy("The tags of {path} say all of this already; nothing was written."),
    "fix_undone": lazy("The fix was taken back."),
    "fixed_fetched": lazy("The track was fetched: {path}"),
    "fixed_replaced": lazy("It was replaced; the old file is in the trash. Now: {path}"),
    "fixed_beside": lazy("A better file lies beside it: {path}"),
    "fixed_retagged": lazy("Its tags were written anew; the sound is what it was."),
    "fixed_duplicates": lazy("Copies in the trash: {count}; kept: {path}"),
    "fixed_asked_again": lazy("What it is, is being found out anew."),
    "remediation_unknown": lazy("There is no such fix."),
    "remediation_state": lazy("A fix that is {state} can't be taken back."),
    "remediation_nothing_to_undo": lazy("This fix changed no file; there is nothing to take back."),
    "file_unknown": lazy("There is no such file."),
    "file_is_missing": lazy("The file is not there any more."),
    "trash_unknown": lazy("Nothing of this id is in the trash."),
    "trash_state": lazy("What is {state} can't be put back."),
    "trash_purged": lazy("It was deleted from the trash, so it can't come back."),
    "trash_missing": lazy("The file is not in the trash folder any more; somebody took it away by hand."),
    "trash_damaged": lazy("What lies in the trash folder is not the file that was put there."),
    "trash_name_taken": lazy("Another file has its name now."),
    "trash_busy": lazy("It is on its way just now."),
    "trash_called_off": lazy("The fix that asked for it ended; the file stays where it is."),
    # Renaming the library
    "rename_same": lazy("It has this name already."),
    "rename_facts_missing": lazy("The template needs what nobody knows of it: {fields}"),
    "rename_two_to_one": lazy("Another file would get the same name: {other}"),
    "rename_case_clash": lazy("Another file's name differs by upper and lower case alone: {other}"),
    "rename_target_taken": lazy("Another file has this name: {other}"),
    "rename_name_taken": lazy("Another file has this name by now."),
    "rename_circle": lazy("Each of these files has the name that the next one is to get: {other}"),
    "rename_changed_since": lazy("The file was renamed by something else since the plan was made."),
    "rename_folder_not_whole": lazy("Some of the music beside it stayed, so it stays too."),
    "rename_other_disk": lazy("Another disk is mounted in between; files are only renamed, never copied."),
    "rename_failed": lazy("The filesystem refused the new name."),
    "rename_too_many": lazy("These are more than {most} files; name a folder."),
    "rename_path_outside": lazy("This path is in no folder of the library."),
    "rename_nothing": lazy("There is nothing to rename."),
    "rename_refused": lazy("This can't be renamed."),
    "rename_stopping": lazy("It ends after the file that is on its way."),
    "rename_stopped": lazy("It was stopped; the rest kept its names."),
    "renaming_unknown": lazy("There is no renaming of this id."),
    "renaming_state": lazy("A renaming that is {state} can't do this."),
    # Why a peer is trusted as it is (apps.domain.peers.reputation)
    "reputation_stranger": lazy("Nothing is known of it yet."),
    "reputation_little_known": lazy("Little is known of it: {count} good leaves so far."),
    "reputation_proven": lazy("Lately it gave {count} good leaves and did next to nothing wrong."),
    "reputation_corrupt": lazy("It sent wrong bytes: {count} leaves lately, {percent} to a hundred good ones."),
    "reputation_wrong_claims": lazy(
        "It claimed payloads to be recordings that they are not: {count} lately, {percent} to a hundred good leaves."
    ),
    "reputation_timeouts": lazy(
        "It did not answer in time: {count} requests lately, {percent} to a hundred good leaves."
    ),
    "reputation_failures": lazy(
        "It answered with errors: {count} requests lately, {percent} to a hundred good leaves."
    ),
    "reputation_not_delivered": lazy(
        "It did not have what it advertised: {count} times lately, {percent} to a hundred good leaves."
    ),
    "reputation_leaves": lazy(
        "It left while it owed an answer: {count} times lately, {percent} to a hundred good leaves."
    ),
    "reputation_low_throughput": lazy("It is slow: {kib_per_s} KiB/s while asked. This costs it work, not trust."),
    "reputation_faded": lazy("Nothing was heard of it for {days} days; what was known fades."),
    # The scheduler's explanation
    "node_unreachable": lazy(
        "The node's control socket can't be reached from here, so what it is doing now can't be shown."
    ),
    "swarm_unknown": lazy("The node is not fetching this transfer now."),
}

_NEXT_PAYLOAD = lazy("It will not be fetched again; the next source is tried.")
_CHECK_ID = lazy("Check the id at musicbrainz.org and ask again.")

_READ_LIST_AGAIN = lazy("Read it again on its page, or by “slskdn mb refresh”; a job's Retry asks anew as well.")
_SHORT_LIST = lazy("What came is used; it is read again when somebody asks after a day, or at once by “Read it again”.")
NEXT: Mapping[str, Words] = {
    "artist_groups_incomplete": _SHORT_LIST,
    "artist_releases_incomplete": _SHORT_LIST,
    "label_releases_incomplete": _SHORT_LIST,
    "group_releases_incomplete": _SHORT_LIST,
    "list_unsteady": _SHORT_LIST,
    "artist_groups_unreadable": _READ_LIST_AGAIN,
    "artist_releases_unreadable": _READ_LIST_AGAIN,
    "label_releases_unreadable": _READ_LIST_AGAIN,
    "group_releases_unreadable": _READ_LIST_AGAIN,
    "release_not_found": _CHECK_ID,
    "recording_not_found": _CHECK_ID,
    "release_without_tracks": lazy("Choose another edition of the album."),
    "track_not_on_release": lazy("Ask again with tracks the release has."),
    "tracks_failed": lazy("Press Retry to look for them again."),
    "cancelled_by_person": lazy("Press Retry to take it up again; what was placed stays."),
    "unexpected": lazy("Press Retry; what was fetched is kept."),
    "wrong_recording": _NEXT_PAYLOAD,
    "placed_wrong_recording": lazy("The file stays; ask for the track again to get another one."),
    "wrong_duration": _NEXT_PAYLOAD,
    "decode_failed": _NEXT_PAYLOAD,
    "payload_mismatch": _NEXT_PAYLOAD,
    "verification_crashed": lazy("Another payload is looked for."),
    "file_missing": lazy("It is fetched again."),
    "lossy_limit": lazy("A lossless source is looked for."),
    "fingerprint_required": lazy("Another payload is looked for."),
    "rate_limited": lazy("Try again a little later."),
    "idempotency_conflict": lazy("Use a new key."),
    "paused": lazy("Press Resume to go on."),
    "all_payloads_denied": lazy("It goes on when somebody offers another one."),
    "only_lossy_sources": lazy("It goes on when a lossless one appears."),
    "io_error": lazy("It is tried again by itself."),
    "form_expired": lazy("Go back, reload the page and try again."),
    "find_wrong_entity": lazy("Open one of its releases and paste that address."),
    "find_other_site": lazy("Type artist and title instead."),
    "barcode_check_digit": lazy("Look at the sleeve again, or type artist and title."),
    "find_none": lazy("Look at the id or the words again."),
    "finds_full": lazy("Try again in a minute."),
    "discogs_disabled": lazy("Type artist and title, or paste its address at MusicBrainz."),
    "discogs_not_found": lazy("Look at the number again."),
    "discogs_token_invalid": lazy("Make a new one at discogs.com/settings/developers, or leave it empty."),
    "editions_unknown": lazy("Look the release group up first: paste its address into the find box."),
    "target_tracks_unknown": lazy("Look it up first."),
    "root_not_writable": lazy("./slskdn library allow DIR lets files in it be changed when you ask for it."),
    "fix_recording_unknown": lazy("Say what it is in the review queue, then try again."),
    "fix_broken_unknown": lazy(
        "Say which release its folder is, then let the doctor look again; or put a good copy in its place."
    ),
    "fix_place_unknown": lazy("Look at the release at musicbrainz.org, and ask for the track there."),
    "fix_file_missing": lazy("A scan takes the issue away."),
    "fix_job_cancelled": lazy("Press Fix to ask again."),
    "fix_job_gone": lazy("Press Fix to ask again."),
    "fix_job_without_track": lazy("Press Fix to ask again."),
    "fix_also_suspect": lazy("Press Fix again later: other peers may have a better one."),
    "fix_not_better": lazy("Press Fix again later: other peers may have a better one."),
    "fix_new_file_changed": lazy("Press Fix to fetch it again."),
    "fix_release_without_it": lazy("Match its folder to a release by hand."),
    "fix_tags_right": lazy("Match its folder to a release by hand if it is another one; else ignore the issue."),
    "fix_title_unknown": lazy("Give the recording a title at musicbrainz.org, then try again."),
    "fix_not_in_state": lazy("Open it again first."),
    "trash_name_taken": lazy("It can be put back with a number behind its name."),
    "broker_away": lazy("Work waits and goes on by itself when it is back."),
    "node_absent": lazy("./slskdn up starts it."),
    "node_silent": lazy("The supervisor starts it again; nothing that was fetched is lost."),
    "manifests_unwritten": lazy("They are tried again every few seconds; jobs themselves go on."),
}
"""What happens after it, or what a person can do, where the sentence itself does not say so."""


def sentence(code: str, params: Params | None = None) -> Sentence:
    """The words for `code`; an empty code gives an empty sentence."""
    if not code:
        return Sentence("")
    template = OWN.get(code) or DOMAIN_SENTENCES.get(code) or SOULSEEK_SENTENCES.get(code)
    if template is None:
        name = display_text(code, limit=80).replace("_", " ").capitalize()
        return Sentence(_("%(name)s.") % {"name": name})
    harmless = {key: _value(item) for key, item in (params or {}).items()}
    if "reason" in harmless:
        harmless["reason"] = harmless["reason"].rstrip(" .")  # a decoder's own sentence, at the end of ours
    return Sentence(fill(_(str(template)), harmless), str(NEXT.get(code, "")))


def source_sentence(code: str) -> Sentence:
    """The words for the code of one peer in a transfer: what others call `not_found` is there about the peer, not about an address."""
    about_peer = f"source_{code}"
    return sentence(about_peer if about_peer in OWN else code)


def message_of(code: str, params: Params, *, fallback: str = "") -> str:
    """One line for an API body: the catalogue's words, else `fallback` (the error's own sentence), else the code in words."""
    if code not in OWN and code not in DOMAIN_SENTENCES and code not in SOULSEEK_SENTENCES and fallback:
        return display_text(fallback, limit=500)
    return str(sentence(code, params))


def _value(item: object) -> str:
    if isinstance(item, Mapping):
        pairs = (f"{display_text(key, limit=60)}: {display_text(value, limit=120)}" for key, value in item.items())
        return "; ".join(pairs)[: 2 * MAX_VALUE_CHARS]
    if isinstance(item, list | tuple):
        return ", ".join(display_text(one, limit=120) for one in item)[: 2 * MAX_VALUE_CHARS]
    return "" if item is None else display_text(item, limit=MAX_VALUE_CHARS)
