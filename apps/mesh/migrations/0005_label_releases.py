"""A label's releases with their figures, so that showing them reads as many rows as there are releases."""

from __future__ import annotations

from django.db import migrations, models


class Migration(migrations.Migration):
    dependencies = [("mesh", "0004_label_presence")]

    operations = [
        migrations.CreateModel(
            name="LabelRelease",
            fields=[
                ("id", models.BigAutoField(auto_created=True, primary_key=True, serialize=False, verbose_name="ID")),
                ("label_key", models.UUIDField()),
                ("release_mbid", models.UUIDField()),
                ("title", models.CharField(blank=True, default="", max_length=256)),
                ("artist", models.CharField(blank=True, default="", max_length=256)),
                ("peers", models.PositiveIntegerField(default=0)),
                ("rank", models.FloatField(default=0.0)),
                ("quality", models.FloatField(blank=True, null=True)),
                ("profiles", models.JSONField(default=list)),
                ("tracks", models.PositiveIntegerField(default=0)),
                ("tracks_held", models.PositiveIntegerField(default=0)),
                ("heard_at", models.DateTimeField()),
            ],
            options={
                "constraints": [
                    models.UniqueConstraint(fields=("label_key", "release_mbid"), name="label_release_once")
                ],
            },
        ),
    ]
