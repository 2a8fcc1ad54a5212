"""Labels as peers' descriptors and adverts show them: sightings and figures."""

from __future__ import annotations

import django.db.models.deletion
from django.db import migrations, models


class Migration(migrations.Migration):
    dependencies = [
        ("mesh", "0003_adverts"),
        ("peers", "0001_initial"),
    ]

    operations = [
        migrations.CreateModel(
            name="LabelPresence",
            fields=[
                ("label_key", models.UUIDField(primary_key=True, serialize=False)),
                ("label_mbid", models.UUIDField(blank=True, null=True)),
                ("name", models.CharField(blank=True, default="", max_length=256)),
                ("name_search", models.CharField(blank=True, default="", max_length=256)),
                ("releases", models.PositiveIntegerField(default=0)),
                ("artists", models.PositiveIntegerField(default=0)),
                ("peers", models.PositiveIntegerField(default=0)),
                ("rank", models.FloatField(default=0.0)),
                ("heard_at", models.DateTimeField(blank=True, null=True)),
                ("counted_at", models.DateTimeField(blank=True, null=True)),
                ("due", models.BooleanField(default=True)),
            ],
            options={
                "verbose_name_plural": "label presence",
                "indexes": [
                    models.Index(fields=["-rank", "-label_key"], name="presence_by_rank"),
                    models.Index(condition=models.Q(("due", True)), fields=["label_key"], name="presence_due"),
                ],
            },
        ),
        migrations.CreateModel(
            name="LabelSighting",
            fields=[
                ("id", models.BigAutoField(auto_created=True, primary_key=True, serialize=False, verbose_name="ID")),
                ("label_key", models.UUIDField()),
                ("label_mbid", models.UUIDField(blank=True, null=True)),
                ("label_name", models.CharField(blank=True, default="", max_length=256)),
                ("label_by", models.CharField(default="peer", max_length=10)),
                ("release_mbid", models.UUIDField()),
                ("group", models.CharField(blank=True, default="", max_length=60)),
                ("title", models.CharField(blank=True, default="", max_length=256)),
                ("artist", models.CharField(blank=True, default="", max_length=256)),
                ("heard_in", models.CharField(default="descriptor", max_length=12)),
                ("tracks", models.PositiveIntegerField(default=0)),
                ("tracks_held", models.PositiveIntegerField(default=0)),
                ("profile", models.CharField(blank=True, default="", max_length=40)),
                ("quality", models.FloatField(blank=True, null=True)),
                ("first_heard", models.DateTimeField()),
                ("heard_at", models.DateTimeField()),
                (
                    "peer",
                    models.ForeignKey(
                        on_delete=django.db.models.deletion.CASCADE, related_name="label_sightings", to="peers.peer"
                    ),
                ),
            ],
            options={
                "indexes": [
                    models.Index(fields=["peer", "heard_at"], name="sighting_by_peer"),
                    models.Index(fields=["group", "heard_at"], name="sighting_by_group"),
                    models.Index(fields=["heard_at"], name="sighting_by_age"),
                ],
                "constraints": [
                    models.UniqueConstraint(fields=("label_key", "release_mbid", "peer"), name="label_sighting_once"),
                ],
            },
        ),
    ]
