"""Variants that sound the same, and indexes for identifications that are worked out again."""

from __future__ import annotations

import django.db.models.deletion
from django.db import migrations, models


class Migration(migrations.Migration):
    """Additive."""

    dependencies = [("library", "0007_fill_library_columns")]

    operations = [
        migrations.CreateModel(
            name="SameSound",
            fields=[
                ("id", models.BigAutoField(auto_created=True, primary_key=True, serialize=False, verbose_name="ID")),
                ("ber", models.FloatField()),
                (
                    "other",
                    models.ForeignKey(
                        on_delete=django.db.models.deletion.CASCADE, related_name="+", to="library.audiovariant"
                    ),
                ),
                (
                    "variant",
                    models.ForeignKey(
                        on_delete=django.db.models.deletion.CASCADE,
                        related_name="sounds_like",
                        to="library.audiovariant",
                    ),
                ),
            ],
            options={
                "constraints": [models.UniqueConstraint(fields=("variant", "other"), name="same_sound_once")],
            },
        ),
        migrations.AddIndex(
            model_name="identification",
            index=models.Index(
                condition=models.Q(("next_step_at__isnull", False), ("state__in", ["decided", "unknown"])),
                fields=["next_step_at"],
                name="identification_again",
            ),
        ),
        migrations.AddIndex(
            model_name="identification",
            index=models.Index(
                condition=models.Q(("state__in", ["ambiguous", "decided", "unknown"])),
                fields=["version", "variant"],
                name="identification_version",
            ),
        ),
    ]
