"""A shared library, uploads in every state and rules of users, for pages."""

from __future__ import annotations

import os
import sys
from datetime import timedelta

HOSTILE = "mallory <&> \u202egnp"


def fill(more: int = 0) -> None:
    """Everything; `more` uploads besides."""
    from apps.soulseek.models import Upload, UserRule
    from tests.apps.soulseek.sharing_rows import library, rules, uploads

    root = library("/music")
    rules(root)
    library("/srv/deep/Music", ("Ein sehr langer Name von Ordner/Noch einer/01 Lied.flac",))
    uploads()
    Upload.objects.update(user=HOSTILE)
    Upload.objects.filter(group="buddies").update(user="bob")
    more_uploads(more)
    for effect, match, pattern, group in (
        ("buddy", "user", "bob", ""),
        ("ban", "regex", "(?i)spam.*", ""),
        ("ignore", "cidr", "192.0.2.0/24", ""),
        ("group", "user", HOSTILE, "vip"),
    ):
        UserRule.objects.create(effect=effect, match=match, pattern=pattern, group=group, note="because")


def more_uploads(count: int) -> None:
    """Ended ones, of forty users."""
    from django.utils import timezone

    from apps.soulseek.models import Upload

    now = timezone.now()
    Upload.objects.bulk_create(
        Upload(
            user=f"user {at % 40}",
            remote_path=f"music\\Band\\Album\\{at} Song.flac",
            size_bytes=30_000_000,
            sent_bytes=30_000_000,
            state="succeeded",
            group="default",
            asked_at=now - timedelta(minutes=at),
            ended_at=now,
        )
        for at in range(count)
    )


if __name__ == "__main__":
    os.environ.setdefault("DJANGO_SETTINGS_MODULE", "slskdn_site.settings")
    import django

    django.setup()
    if count := int(sys.argv[1]):
        fill(count if count > 1 else 0)
