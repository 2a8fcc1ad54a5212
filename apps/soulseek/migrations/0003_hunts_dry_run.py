"""Hunts that only show what they would choose; an index of the searches whose answers were not weighed yet."""

from __future__ import annotations

from django.db import migrations, models


class Migration(migrations.Migration):
    dependencies = [("soulseek", "0002_traffic_mark")]

    operations = [
        migrations.AddField(
            model_name="hunt",
            name="dry_run",
            field=models.BooleanField(default=False),
        ),
        migrations.AddIndex(
            model_name="search",
            index=models.Index(
                condition=models.Q(("hunt__isnull", False), ("weighed_at__isnull", True)),
                fields=["hunt"],
                name="search_to_weigh",
            ),
        ),
    ]
