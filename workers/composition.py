"""What the tasks work with in this process, made from the configuration: gateways, limiters, folders. Tests make their own."""

from __future__ import annotations

import functools
from pathlib import Path
from urllib.parse import urlsplit

from apps.domain.library.canonical import CanonicalPolicy
from apps.domain.soulseek.hunting import HuntPolicy
from slskdn_site.broker import redis_url
from slskdn_site.config import data_dir, load_config
from slskdn_site.soulseek_password import soulseek_reachable
from workers.acoustid_kept import KeptAcoustid
from workers.covers import Covers
from workers.discogs_kept import KeptDiscogs
from workers.gateways.acoustid import INTERVAL_MS, Acoustid
from workers.gateways.coalesce import Coalescer
from workers.gateways.coverart import INTERVAL_MS as COVER_INTERVAL_MS
from workers.gateways.coverart import CoverArt
from workers.gateways.discogs import INTERVAL_MS as DISCOGS_INTERVAL_MS
from workers.gateways.discogs import TOKEN_INTERVAL_MS, Discogs
from workers.gateways.fingerprint_store import FingerprintStore
from workers.gateways.limiter import Limiter
from workers.gateways.musicbrainz import Musicbrainz
from workers.remedies import Remedier
from workers.retagging import Retagger
from workers.verification import Verifier

VERSION = "0.1"
"""In the User-Agent."""
PUBLIC_HOSTS = ("musicbrainz.org", "www.musicbrainz.org", "beta.musicbrainz.org")
PUBLIC_INTERVAL_MS = 1050
"""Nobody's configuration makes us ask these more often; a mirror of one's own may be asked as one likes."""


@functools.cache
def musicbrainz() -> Musicbrainz:
    """MusicBrainz as configured."""
    section = load_config().integration.musicbrainz
    public = urlsplit(section.host).hostname in PUBLIC_HOSTS
    interval_ms = max(section.interval_ms, PUBLIC_INTERVAL_MS) if public else section.interval_ms
    return Musicbrainz(
        host=section.host,
        contact=section.contact,
        version=VERSION,
        limiter=Limiter(redis_url(), name="musicbrainz", interval_ms=interval_ms),
        coalescer=Coalescer(redis_url(), name="musicbrainz"),
        offline=section.offline,
        searching=section.search_by_tags,
    )


@functools.cache
def discogs() -> KeptDiscogs:
    """Discogs as configured, through its rows; nothing is asked when it is disabled."""
    config = load_config().integration
    section = config.discogs
    if not section.enabled:
        return KeptDiscogs(None)
    interval_ms = TOKEN_INTERVAL_MS if section.token else DISCOGS_INTERVAL_MS
    port = Discogs(
        base_url=section.base_url,
        token=section.token,
        contact=config.musicbrainz.contact,
        version=VERSION,
        limiter=Limiter(redis_url(), name="discogs", interval_ms=interval_ms),
        interval_ms=interval_ms,
    )
    return KeptDiscogs(port)


@functools.cache
def acoustid() -> Acoustid | None:
    """AcoustID as configured; None when disabled or without a client id."""
    section = load_config().integration.acoustid
    if not section.enabled or not section.client_id:
        return None
    limiter = Limiter(redis_url(), name="acoustid", interval_ms=INTERVAL_MS)
    return Acoustid(host=section.host, client_id=section.client_id, limiter=limiter)


@functools.cache
def fingerprint_store() -> FingerprintStore:
    """This process's local fingerprint index."""
    return FingerprintStore(folder=data_dir() / "index" / "fingerprints")


def library_root() -> Path:
    """Where finished albums go. The default folder is made; one that a person named must be there (it may be an unmounted disk)."""
    named = load_config().library.root
    if named:
        return Path(named).expanduser().absolute()
    root = data_dir() / "library"
    root.mkdir(parents=True, exist_ok=True)
    return root


@functools.cache
def canonical_policy() -> CanonicalPolicy:
    """`audio.canonical_scoring` as configured."""
    return CanonicalPolicy(**load_config().audio.canonical_scoring.model_dump())


def hunt_policy() -> HuntPolicy:
    """Hunts on Soulseek as configured: none without an account (name and password), nor in mesh mode."""
    config = load_config()
    section = config.soulseek
    account = soulseek_reachable(
        mode=config.mode, username=section.username, configured=section.password, folder=data_dir()
    )
    return HuntPolicy(
        hunting=account,
        auto_download=section.downloads.auto_download,
        candidates_tried=section.downloads.candidates_tried,
        wishlist=section.wishlist.enabled,
        wishlist_auto=section.wishlist.auto_download,
    )


@functools.cache
def remedier() -> Remedier:
    """Mending as configured."""
    return Remedier(retagger=Retagger(musicbrainz=musicbrainz))


@functools.cache
def covers() -> Covers | None:
    """Cover art as configured; None when disabled: nothing is asked then."""
    config = load_config().integration
    section = config.coverart
    if not section.enabled:
        return None
    port = CoverArt(
        host=section.host,
        contact=config.musicbrainz.contact,
        version=VERSION,
        limiter=Limiter(redis_url(), name="coverart", interval_ms=COVER_INTERVAL_MS),
        folder=data_dir() / "covers",
        max_edge=section.max_edge,
    )
    return Covers(port=port, embed=section.embed, save=section.save)


@functools.cache
def verifier() -> Verifier:
    """Verification as configured."""
    config = load_config()
    return Verifier(
        acoustid=KeptAcoustid(asked) if (asked := acoustid()) is not None else None,
        fingerprinting=config.integration.chromaprint.enabled,
        require_fingerprint=config.verify.require_fingerprint,
        library_root=library_root,
        template=config.library.template,
        covers=covers(),
        analysing=config.audio.analysis.enabled,
    )
