"""New names for files: plans and their lines."""

import apps.common.ids
import django.db.models.deletion
from django.db import migrations, models


class Migration(migrations.Migration):
    dependencies = [
        ("library", "0013_trash_decided_file"),
    ]

    operations = [
        migrations.CreateModel(
            name="LibraryRenaming",
            fields=[
                (
                    "id",
                    models.UUIDField(default=apps.common.ids.new_id, editable=False, primary_key=True, serialize=False),
                ),
                ("template", models.CharField(max_length=512)),
                ("below", models.BinaryField(default=bytes)),
                ("display", models.CharField(blank=True, default="", max_length=4000)),
                ("state", models.CharField(default="planning", max_length=12)),
                ("code", models.CharField(blank=True, default="", max_length=60)),
                ("params", models.JSONField(default=dict)),
                ("looked", models.PositiveIntegerField(default=0)),
                ("named", models.PositiveIntegerField(default=0)),
                ("planned", models.PositiveIntegerField(default=0)),
                ("beside", models.PositiveIntegerField(default=0)),
                ("blocked", models.PositiveIntegerField(default=0)),
                ("moved", models.PositiveIntegerField(default=0)),
                ("failed", models.PositiveIntegerField(default=0)),
                ("returned", models.PositiveIntegerField(default=0)),
                ("stuck", models.PositiveIntegerField(default=0)),
                ("requested_by", models.CharField(blank=True, default="", max_length=150)),
                ("attempt", models.PositiveIntegerField(default=0)),
                ("lease_until", models.DateTimeField(blank=True, null=True)),
                ("next_step_at", models.DateTimeField(blank=True, null=True)),
                ("created_at", models.DateTimeField(auto_now_add=True)),
                ("updated_at", models.DateTimeField(auto_now=True)),
                ("applied_at", models.DateTimeField(blank=True, null=True)),
                ("ended_at", models.DateTimeField(blank=True, null=True)),
                (
                    "root",
                    models.ForeignKey(
                        blank=True,
                        null=True,
                        on_delete=django.db.models.deletion.CASCADE,
                        related_name="renamings",
                        to="library.libraryroot",
                    ),
                ),
            ],
        ),
        migrations.CreateModel(
            name="FileMove",
            fields=[
                ("id", models.BigAutoField(auto_created=True, primary_key=True, serialize=False, verbose_name="ID")),
                ("position", models.PositiveIntegerField()),
                ("sidecar", models.BooleanField(default=False)),
                ("old_path", models.BinaryField()),
                ("new_path", models.BinaryField(default=bytes)),
                ("state", models.CharField(default="planned", max_length=10)),
                ("code", models.CharField(blank=True, default="", max_length=60)),
                ("params", models.JSONField(default=dict)),
                ("size_bytes", models.BigIntegerField(default=0)),
                ("mtime_ns", models.BigIntegerField(default=0)),
                ("inode", models.BigIntegerField(default=0)),
                (
                    "file",
                    models.ForeignKey(
                        blank=True,
                        null=True,
                        on_delete=django.db.models.deletion.SET_NULL,
                        related_name="+",
                        to="library.audiofile",
                    ),
                ),
                (
                    "root",
                    models.ForeignKey(
                        on_delete=django.db.models.deletion.CASCADE, related_name="+", to="library.libraryroot"
                    ),
                ),
                (
                    "renaming",
                    models.ForeignKey(
                        on_delete=django.db.models.deletion.CASCADE, related_name="moves", to="library.libraryrenaming"
                    ),
                ),
            ],
        ),
        migrations.AddIndex(
            model_name="libraryrenaming",
            index=models.Index(
                condition=models.Q(("state__in", ["planning", "applying", "undoing"])),
                fields=["next_step_at"],
                name="renaming_open",
            ),
        ),
        migrations.AddIndex(
            model_name="libraryrenaming",
            index=models.Index(fields=["state", "updated_at"], name="renaming_age"),
        ),
        migrations.AddIndex(
            model_name="filemove",
            index=models.Index(fields=["renaming", "state", "position"], name="move_state"),
        ),
        migrations.AddConstraint(
            model_name="filemove",
            constraint=models.UniqueConstraint(fields=("renaming", "position"), name="move_once"),
        ),
    ]
