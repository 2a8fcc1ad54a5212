"""Words for terms of quality scores, canonical order and duplicates. Rows and values hold codes and params. Pure."""

from __future__ import annotations

from collections.abc import Mapping

QUALITY_WORDS: Mapping[str, str] = {
    "encoding": "Encoding",
    "rate": "Sample rate",
    "clipping": "Clipping",
    "depth": "Bit depth",
    "dynamics": "Dynamics",
    "loudness_range": "Loudness range",
    "transcode": "Transcode",
    "upscaled": "Upscaled",
    "upsampled": "Upsampled",
    "padded": "Padded depth",
}
"""Names of a quality score's terms."""

CANONICAL_PHRASES: Mapping[str, str] = {
    # Values of quality terms
    "lossless": "keeps every sample",
    "lossy_transparent": "lossy, at a bit rate where listeners find no difference",
    "lossy_near": "lossy, near to transparent",
    "lossy_low": "lossy, at a low bit rate",
    "lossy_bitrate_unknown": "lossy, bit rate unknown",
    "rate_usual": "a usual rate",
    "rate_low": "below what music is released with",
    "rate_odd": "a rate that no release has",
    "depth_usual": "16 bits or more carry sound",
    "depth_low": "fewer bits than a CD",
    "depth_of_lossy": "lossy files have none",
    "clipping_none": "none",
    "clipping_some": "some samples are clipped",
    "clipping_heavy": "many samples are clipped",
    "dynamics_good": "loud and soft differ well",
    "dynamics_poor": "heavily compressed",
    "loudness_range_good": "wide",
    "loudness_range_narrow": "narrow",
    "not_measured": "not measured; counts as average",
    "suspect": "suspected to be a transcode",
    # Canonical order
    "canonical_behind_genuine": "behind: suspected to be a transcode",
    "canonical_behind_quality": "behind in quality ({ours} against {theirs})",
    "canonical_behind_proof": "behind: no fingerprint confirms the recording",
    "canonical_behind_master": "behind for its master ({ours} against {theirs})",
    "canonical_behind_consensus": "behind: fewer networks hold it ({ours} against {theirs})",
    "canonical_behind_complete": "behind: nobody holds all of it",
    "canonical_behind_codec": "behind: {theirs} is preferred",
    "canonical_behind_profile": "behind: coarser profile",
    "canonical_behind_score": "behind by a hair's breadth of quality ({ours} against {theirs})",
    "canonical_behind_held": "behind: as good, but not here",
    "canonical_behind_root": "as good; one had to be first",
    "canonical_score_measured": "quality {score}, measured here",
    "canonical_score_told": "quality {score}, as its holders tell",
    "canonical_score_profile": "quality {score}, by its profile alone",
    "canonical_suspect": "suspected to be a transcode",
    "canonical_no_evidence": "no evidence of a transcode",
    "canonical_groups": "held by {groups} network(s)",
    # Masters
    "master_first_edition": "original master: its edition is of {year}, the first year",
    "master_said_remastered": "a remaster, as its edition says",
    "master_later_edition": "likely a later master: {year} against {first_year}",
    "master_reissue_words": "likely a later master: a reissue of {year}",
    "master_date_unknown": "its master is unknown: the catalogue has no dates, so it decides nothing",
    "master_undecided": "its master is unknown: {year} is too near to {first_year}, so it decides nothing",
    "master_edition_unknown": "its master is unknown: no edition is known, so it decides nothing",
    # Duplicates
    "keep_only": "the only one",
    "keep_genuine": "keep: nothing hints at a transcode",
    "keep_quality": "keep: better quality ({ours} against {theirs})",
    "keep_verified": "keep: a fingerprint confirms what it is",
    "keep_profile": "keep: finer profile",
    "keep_placed": "keep: filed under a release",
    "keep_smaller": "keep: the same sound in less room",
    "keep_name": "keep: its name is not one that copying makes",
    "keep_older": "keep: it was here first",
    "spare_genuine": "suspected to be a transcode",
    "spare_quality": "lesser quality ({ours} against {theirs})",
    "spare_verified": "no fingerprint confirms what it is",
    "spare_profile": "coarser profile",
    "spare_placed": "filed under no release",
    "spare_smaller": "the same sound in more room",
    "spare_name": "its name is one that copying makes",
    "spare_older": "came later",
}
"""Code → what is said after a name, in a table or a list: no capital, no full stop. `{name}` takes the param of that name."""

CANONICAL_SENTENCES: Mapping[str, str] = {
    # Verdicts on the origin of a sound
    "mp3_origin": "Evidence of MP3: its filter bank's gaps show in the sound.",
    "aac_origin": "Evidence of AAC: its filter bank's gaps show in the sound.",
    "vorbis_origin": "Evidence of Vorbis: its filter bank's gaps show in the sound.",
    "opus_origin": "Evidence of Opus: its filter bank's gaps show in the sound.",
    "lossy_origin": "Evidence of a lossy origin.",
    "mp3_upscaled": "Evidence that this MP3 was made of a smaller one.",
    "upsampled": "Evidence that the sample rate was raised: there is nothing above what a lower rate holds.",
    "padded_depth": "The lower bits carry nothing: the depth is padded.",
    "no_evidence": "No evidence of a transcode.",
    "too_little_signal": "Too little signal to say anything.",
    # Canonical order
    "canonical_only": "The only variant that is known.",
    "canonical_first_genuine": "Canonical because nothing hints at a transcode; of the next one something does.",
    "canonical_first_quality": "Canonical for its quality ({ours} against {theirs}).",
    "canonical_first_proof": "Canonical because a fingerprint confirms the recording; of the next one none does.",
    "canonical_first_master": "Canonical because of its master ({ours} against {theirs}).",
    "canonical_first_consensus": "Canonical because more networks hold it ({ours} against {theirs}).",
    "canonical_first_complete": "Canonical because somebody holds all of it.",
    "canonical_first_codec": "Canonical because the preferred codec is {ours}.",
    "canonical_first_profile": "Canonical for its finer profile ({ours} against {theirs}).",
    "canonical_first_score": "Canonical by a hair's breadth of quality ({ours} against {theirs}).",
    "canonical_first_held": "Canonical because it is here already.",
    "canonical_first_root": "Canonical among equals; one had to be.",
}
"""Code → English sentence; `{name}` takes the param of that name."""
