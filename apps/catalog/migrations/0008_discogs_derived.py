"""The id that a job or a target of a thing that only Discogs has goes by."""

from __future__ import annotations

from django.db import migrations, models


class Migration(migrations.Migration):
    dependencies = [("catalog", "0007_walk_passes_validators")]
    operations = [
        migrations.AddField("discogsentity", "derived_id", models.UUIDField(blank=True, db_index=True, null=True)),
    ]
