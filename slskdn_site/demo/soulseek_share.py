"""Which of the demonstration's music is on Soulseek instead of the mesh: some tracks with a quick user, one with a user whom nobody would wait for.

The quick user's tracks are nowhere on the mesh. The slow user's stream breaks off once and trickles from then on. When it was found to be too slow, the slow
neighbour of the mesh gets hold of the track, under other tags: what is missing comes from there, from its end on, while the stream trickles on at its front.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Final

import mutagen

from slskdn_site.demo.audio_files import safe_stem, write_retagged_twin
from slskdn_site.demo.network import SoulseekPeer, link_or_copy
from slskdn_site.demo.plan import Late, Offer, Plan, Trigger, Who

QUICK: Final = "pierhead"
SLOW: Final = "slackwater"
QUICK_TRACKS: Final = 2
BREAK_BYTES: Final = 700_000
"""So much of its track comes fast: some leaves that are worth keeping."""
SLOW_KBPS: Final = 5
"""KiB/s; the demonstration's platform calls a stream slow that gives less than 10 for some seconds."""
RESCUE: Final[Mapping[str, object]] = {
    "rescue_mode": {"min_throughput_kbps": 10, "min_duration_seconds": 8, "stall_timeout_seconds": 30}
}
"""`transfers` of the demonstration's platform: the same rules as everywhere, with less patience."""


@dataclass(frozen=True, slots=True, kw_only=True)
class SoulseekShare:
    """Offers that are shared on Soulseek; the mesh's plan without them; who is who."""

    plan: Plan
    quick: tuple[Offer, ...]
    slow: tuple[Offer, ...] = ()


def share_with_soulseek(plan: Plan) -> SoulseekShare:
    """Take up to three tracks from every neighbour. A single track, which the mesh has the hard way, is on Soulseek too."""
    everybody = next(one.offers for one in plan.neighbours if one.who is Who.FAST)
    recordings = list(dict.fromkeys(offer.recording_mbid for offer in everybody))
    if not recordings:
        return SoulseekShare(plan=plan, quick=tuple(late.offer for late in plan.late[:1]))
    slow, quick = recordings[0], set(recordings[1 : 1 + QUICK_TRACKS])
    neighbours = tuple(
        replace(one, offers=tuple(offer for offer in one.offers if offer.recording_mbid not in quick | {slow}))
        for one in plan.neighbours
    )
    helped = next(offer for offer in everybody if offer.recording_mbid == slow)
    return SoulseekShare(
        plan=replace(
            plan, neighbours=neighbours, late=(*plan.late, Late(offer=helped, trigger=Trigger.TROUBLE, who=Who.SLOW))
        ),
        quick=tuple(offer for offer in everybody if offer.recording_mbid in quick),
        slow=(helped,),
    )


def soulseek_peers(share: SoulseekShare, folder: Path) -> tuple[SoulseekPeer, ...]:
    """Put the music of both users on disk: their files are retagged and named as people do."""
    peers = [SoulseekPeer(name=QUICK, shares=_music(folder / QUICK, share.quick))]
    if share.slow:
        peers.append(
            SoulseekPeer(
                name=SLOW, shares=_music(folder / SLOW, share.slow), upload_kbps=SLOW_KBPS, break_after=BREAK_BYTES
            )
        )
    return tuple(peers)


def _music(root: Path, offers: Sequence[Offer]) -> Path:
    for offer in offers:
        tags = mutagen.File(offer.source, easy=True) or {}
        artist, album, title = (_first(tags, *names) for names in (("albumartist", "artist"), ("album",), ("title",)))
        folder = root / "music" / safe_stem(f"{artist} - {album}")
        folder.mkdir(parents=True, exist_ok=True)
        target = folder / f"{offer.position:02d} - {safe_stem(title)}{offer.source.suffix}"
        try:
            write_retagged_twin(offer.source, target)
        except ValueError:  # no container that we can retag
            link_or_copy(offer.source, target)
    return root / "music"


def _first(tags: Mapping[str, Sequence[str]], *names: str) -> str:
    return next((str(tags[name][0]) for name in names if tags.get(name)), "unknown")
