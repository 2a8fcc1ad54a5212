"""What people look for, and what they mean to have."""

import apps.common.ids
import django.db.models.deletion
from django.conf import settings
from django.db import migrations, models


class Migration(migrations.Migration):
    dependencies = [
        ("jobs", "0011_tree_expanded"),
        migrations.swappable_dependency(settings.AUTH_USER_MODEL),
    ]

    operations = [
        migrations.CreateModel(
            name="AlbumTarget",
            fields=[
                (
                    "id",
                    models.UUIDField(default=apps.common.ids.new_id, editable=False, primary_key=True, serialize=False),
                ),
                ("kind", models.CharField(max_length=10)),
                ("mbid", models.UUIDField(unique=True)),
                ("source", models.CharField(default="musicbrainz", max_length=12)),
                ("source_ref", models.CharField(blank=True, default="", max_length=100)),
                ("title", models.CharField(blank=True, default="", max_length=1000)),
                ("artist", models.CharField(blank=True, default="", max_length=1000)),
                ("year", models.CharField(blank=True, default="", max_length=4)),
                (
                    "state",
                    models.CharField(
                        choices=[
                            ("unknown", "unknown"),
                            ("absent", "absent"),
                            ("partial", "partial"),
                            ("wrong", "wrong"),
                            ("extra", "extra"),
                            ("complete", "complete"),
                        ],
                        default="unknown",
                        max_length=12,
                    ),
                ),
                ("tracks", models.PositiveIntegerField(default=0)),
                ("held", models.PositiveIntegerField(default=0)),
                ("missing", models.PositiveIntegerField(default=0)),
                ("wrong", models.PositiveIntegerField(default=0)),
                ("extra", models.PositiveIntegerField(default=0)),
                ("created_at", models.DateTimeField(auto_now_add=True)),
                ("counted_at", models.DateTimeField(blank=True, null=True)),
                (
                    "requested_by",
                    models.ForeignKey(
                        blank=True,
                        null=True,
                        on_delete=django.db.models.deletion.SET_NULL,
                        related_name="+",
                        to=settings.AUTH_USER_MODEL,
                    ),
                ),
            ],
            options={
                "ordering": ["-created_at", "-id"],
                "indexes": [
                    models.Index(fields=["-created_at", "-id"], name="target_newest"),
                    models.Index(fields=["state", "-created_at", "-id"], name="target_by_state"),
                    models.Index(fields=["counted_at"], name="target_counted"),
                ],
            },
        ),
        migrations.CreateModel(
            name="Find",
            fields=[
                (
                    "id",
                    models.UUIDField(default=apps.common.ids.new_id, editable=False, primary_key=True, serialize=False),
                ),
                ("text", models.CharField(max_length=500)),
                ("asked", models.JSONField(default=dict)),
                ("asked_key", models.CharField(max_length=64)),
                (
                    "state",
                    models.CharField(
                        choices=[("waiting", "waiting"), ("asking", "asking"), ("done", "done"), ("failed", "failed")],
                        default="waiting",
                        max_length=8,
                    ),
                ),
                ("candidates", models.JSONField(default=list)),
                ("found", models.PositiveIntegerField(default=0)),
                ("merged_from", models.UUIDField(blank=True, null=True)),
                ("code", models.CharField(blank=True, default="", max_length=60)),
                ("params", models.JSONField(default=dict)),
                ("attempt", models.PositiveIntegerField(default=0)),
                ("tries", models.PositiveIntegerField(default=0)),
                ("lease_until", models.DateTimeField(blank=True, null=True)),
                ("next_step_at", models.DateTimeField(blank=True, null=True)),
                ("created_at", models.DateTimeField(auto_now_add=True)),
                ("updated_at", models.DateTimeField(auto_now=True)),
                ("ended_at", models.DateTimeField(blank=True, null=True)),
                (
                    "requested_by",
                    models.ForeignKey(
                        blank=True,
                        null=True,
                        on_delete=django.db.models.deletion.SET_NULL,
                        related_name="+",
                        to=settings.AUTH_USER_MODEL,
                    ),
                ),
            ],
            options={
                "indexes": [
                    models.Index(fields=["asked_key", "-created_at"], name="find_equal"),
                    models.Index(fields=["created_at"], name="find_by_age"),
                    models.Index(
                        condition=models.Q(("state__in", ["done", "failed"]), _negated=True),
                        fields=["next_step_at"],
                        name="find_open",
                    ),
                ],
            },
        ),
    ]
