"""What the codes of jobs of jobs say: of trees, of their children, and of every release that a plan took or left out. Pure."""

from __future__ import annotations

from collections.abc import Mapping

TREE_SENTENCES: Mapping[str, str] = {
    # A tree
    "graph_walking": "MusicBrainz' list of releases is being read: {taken} of {total}.",
    "graph_unreadable": "MusicBrainz' list of releases can't be read.",
    "editions_walking": "MusicBrainz' lists of editions are being read: {done} of {total} release groups.",
    "expanding": "Its releases are being put down: {done} of {total}.",
    "asked_again": "MusicBrainz is asked again.",
    "children_paused": "Only paused releases are left ({paused}).",
    "all_releases_held": "The library holds all of it already ({releases} releases).",
    "nothing_planned": "There is nothing to fetch: the profile and its filters leave no release.",
    "releases_failed": "{failed} of {total} releases could not be completed.",
    "releases_cancelled": "All of its releases were cancelled.",
    "crate_from_musicbrainz": "The mesh knows nothing of this label; its releases are those that MusicBrainz lists.",
    "label_unknown": "MusicBrainz knows no label called {name}.",
    "label_ambiguous": "{count} labels are called {name}; ask by the label's MusicBrainz id.",
    "artist_unknown": "Nothing is known of this artist here yet.",
    # Its children
    "waits_for_turn": "It waits for its turn: a few releases are fetched at a time.",
    "paused_with_tree": "Paused together with the job it belongs to.",
    "cancelled_with_tree": "Cancelled together with the job it belongs to.",
    "other_edition": "The edition before it ({left}) can't be read; this one of the same release group is fetched instead.",
    # Asking for one
    "selection_invalid": "This choice of releases can't be understood: {why}.",
    "discography_profile_unknown": "A discography is core, extended or all.",
    "discography_filter_invalid": "This filter of a discography can't be understood.",
    "label_missing": "Name the label by its MusicBrainz id or by its name; one of the two.",
    "target_invalid": "The target does not fit its source ({source}).",
    "job_id_taken": "Another job has this id.",
    "job_parent_invalid": "Only releases and recordings can stand below a discography or a label crate.",
    "job_child_exists": "The job above has this release already.",
    # A line of the plan
    "wanted_by_other": "Another job fetches this release already; it is waited for.",
    "fetched_by_other": "Another job fetched this release.",
    "other_gave_up": "The other job that wanted it did not complete it; it is fetched here.",
    "held_in_full": "The library holds all of it.",
    "beyond_limit": "Beyond the number of releases that was asked for.",
    "edition_instead": "This edition: the one that was chosen before can't be read.",
    "edition_held": "This edition: the library has a part of it.",
    "edition_first": "This edition: it is the first.",
    "edition_only": "This edition: it is the only one.",
    "edition_country": "This edition: it is of the country that was preferred.",
    "edition_popular": "This edition: most of the mesh has it.",
    "edition_standard": "This edition: it has the usual tracks, on a medium that people share.",
    "type_excluded": "This kind of release is not of the profile.",
    "not_well_known": "Issued too seldom to be well known.",
    "not_studio": "No studio album.",
    "no_edition_known": "MusicBrainz lists no edition.",
    "editions_unreadable": "MusicBrainz' list of its editions can't be read now.",
    "editions_not_asked": "No edition is known, and MusicBrainz is not asked for so many at once; read it again on its own page.",
    "no_audio_edition": "All editions are videos.",
    "no_official_edition": "No edition is official.",
    "no_edition_in_countries": "No edition of these countries.",
}
