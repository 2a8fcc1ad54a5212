"""What releases remember of what was merged into them."""

import uuid

from django.db import migrations
from django.utils import timezone


def fill(apps, schema_editor):
    merged = apps.get_model("catalog", "MergedMbid")
    rows = apps.get_model("catalog", "Release").objects.exclude(redirected_from=[])
    for mbid, olds in rows.values_list("mbid", "redirected_from").iterator(chunk_size=500):
        found = [merged(kind="release", old=uuid.UUID(str(old)), mbid=mbid, seen_at=timezone.now()) for old in olds]
        merged.objects.bulk_create(found, ignore_conflicts=True)


class Migration(migrations.Migration):
    dependencies = [("catalog", "0004_merged_mbids")]

    operations = [migrations.RunPython(fill, migrations.RunPython.noop)]
