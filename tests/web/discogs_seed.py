"""A library with a few files of a release that only Discogs has: `python -m tests.web.discogs_seed COUNT`, in the data folder of SLSKDN_DATA. And the
worker's two steps with the demonstration's metadata service, to be taken beside the server."""

from __future__ import annotations

import os
import sys
import uuid

NUMBER = 9_000_001


def fill() -> None:
    """One track by its length alone, one that two copies agree on; the others are missing."""
    from tests.workers.test_discogs_jobs import held

    held("Apologies For Absence", 185_000)
    held("Matters Arising", 160_000, audio="same")
    held("Matters Arising", 160_000, folder="Copies", audio="same")


def finds_answered(metadata: str, valkey: str) -> None:
    """Answer every open find."""
    from apps.jobs.models import Find
    from workers.finding import find

    musicbrainz, discogs = _ports(metadata, valkey)
    for one in Find.objects.filter(ended_at__isnull=True):
        find(one.id, musicbrainz=musicbrainz, discogs=discogs)


def jobs_resolved(metadata: str, valkey: str) -> None:
    """Resolve every job that waits for it."""
    from apps.jobs.models import Job
    from workers.resolution import resolve

    musicbrainz, discogs = _ports(metadata, valkey)
    for one in Job.objects.filter(state="pending"):
        resolve(one.id, musicbrainz=musicbrainz, discogs=discogs)


def _ports(metadata: str, valkey: str):  # type: ignore[no-untyped-def]
    from workers.discogs_kept import KeptDiscogs
    from workers.gateways.discogs import INTERVAL_MS, Discogs
    from workers.gateways.limiter import Limiter
    from workers.gateways.musicbrainz import Musicbrainz

    def limiter() -> Limiter:
        return Limiter(valkey, name=uuid.uuid4().hex, interval_ms=0)

    port = Discogs(
        base_url=metadata, token="", contact="", version="0", limiter=limiter(), interval_ms=INTERVAL_MS, timeout_s=10.0
    )
    return Musicbrainz(host=metadata, contact="", version="0", limiter=limiter(), timeout_s=10.0), KeptDiscogs(port)


def main() -> None:
    """Fill."""
    os.environ.setdefault("DJANGO_SETTINGS_MODULE", "slskdn_site.settings")
    import django

    django.setup()
    from django.db import transaction

    with transaction.atomic():
        if int(sys.argv[1]):
            fill()


if __name__ == "__main__":
    main()
