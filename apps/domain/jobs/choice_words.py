"""Why a payload was chosen, and why another was not, in words. Terms are those of `overlay_node.swarm.choice.TERMS`; rows hold them as codes.

`chosen_<term>` is said of the chosen payload (`ours`) against the next best (`theirs`), `passed_<term>` of one that was not chosen. Pure.
"""

from __future__ import annotations

from collections.abc import Mapping

CHOICE_SENTENCES: Mapping[str, str] = {
    "chosen_only": "Chosen because it is the only payload on offer.",
    "chosen_lossless": "Chosen because it is lossless ({ours}); the next best is {theirs}.",
    "chosen_codec": "Chosen because the job prefers {ours} to {theirs}.",
    "chosen_genuine": "Chosen because nothing hints at a transcode; of the next best something does.",
    "chosen_canonical": "Chosen because it is the canonical variant or better ({ours}); the next best is less ({theirs}).",
    "chosen_honest": "Chosen because who offers it made fewer wrong claims ({ours} against {theirs}).",
    "chosen_trusted": "Chosen because a peer above the reputation threshold offers it; the next best comes only from peers below.",
    "chosen_duration_fits": "Chosen because its length fits the recording; that of the next best does not.",
    "chosen_proof": "Chosen because more is known of it ({ours}) than of the next best ({theirs}).",
    "chosen_complete": "Chosen because somebody holds all of it; of the next best nobody does.",
    "chosen_quality": "Chosen for its quality ({ours} against {theirs}).",
    "chosen_time": "Chosen because it is expected sooner (in {ours} against {theirs}).",
    "chosen_groups": "Chosen because it is offered from more networks ({ours} against {theirs}).",
    "chosen_peers": "Chosen because more peers offer it ({ours} against {theirs}).",
    "chosen_profile": "Chosen for its finer profile ({ours} against {theirs}).",
    "chosen_root": "Chosen among equals: the next best is as good in everything.",
    "passed_lossless": "lossy",
    "passed_codec": "the job prefers {ours}",
    "passed_genuine": "suspected to be a transcode",
    "passed_canonical": "below the canonical variant",
    "passed_honest": "who offers it was wrong {theirs} times",
    "passed_trusted": "offered only by peers below the reputation threshold",
    "passed_duration_fits": "its length does not fit",
    "passed_proof": "less is known of it ({theirs})",
    "passed_complete": "nobody holds all of it",
    "passed_quality": "lower quality ({theirs})",
    "passed_time": "expected in {theirs}",
    "passed_groups": "offered from fewer networks ({theirs})",
    "passed_peers": "offered by fewer peers ({theirs})",
    "passed_profile": "coarser",
    "passed_root": "as good; one had to be taken",
}
