"""What was fetched teaches, too: sightings say what a file was found to be, and downloads which of them were taken in."""

from __future__ import annotations

from django.db import migrations, models


class Migration(migrations.Migration):
    dependencies = [
        ("soulseek", "0006_download_elsewhere"),
    ]

    operations = [
        migrations.AddField(
            model_name="download",
            name="captured_at",
            field=models.DateTimeField(blank=True, null=True),
        ),
        migrations.AddIndex(
            model_name="download",
            index=models.Index(
                condition=models.Q(("captured_at__isnull", True), ("live", False)),
                fields=["ended_at"],
                name="download_to_capture",
            ),
        ),
        migrations.AddField(
            model_name="offersighting",
            name="verdict",
            field=models.CharField(
                blank=True,
                choices=[("accepted", "accepted"), ("rejected", "rejected"), ("unjudged", "unjudged")],
                default="",
                max_length=10,
            ),
        ),
        migrations.AddField(
            model_name="offersighting",
            name="code",
            field=models.CharField(blank=True, default="", max_length=60),
        ),
        migrations.AddField(
            model_name="offersighting",
            name="payload_format",
            field=models.CharField(blank=True, default="", max_length=12),
        ),
        migrations.AddField(
            model_name="offersighting",
            name="payload_root",
            field=models.BinaryField(blank=True, max_length=32, null=True),
        ),
        migrations.AddField(
            model_name="offersighting",
            name="payload_bytes",
            field=models.BigIntegerField(blank=True, null=True),
        ),
        migrations.AddField(
            model_name="offersighting",
            name="length_ms",
            field=models.PositiveIntegerField(blank=True, null=True),
        ),
    ]
