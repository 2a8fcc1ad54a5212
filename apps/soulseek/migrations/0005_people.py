"""Ends of conversations, what a room's list said, the type of a picture."""

from __future__ import annotations

from django.db import migrations, models


class Migration(migrations.Migration):
    dependencies = [("soulseek", "0004_sharing")]

    operations = [
        migrations.CreateModel(
            name="Correspondent",
            fields=[
                ("user", models.CharField(max_length=120, primary_key=True, serialize=False)),
                ("last_id", models.BigIntegerField()),
                ("last_incoming_id", models.BigIntegerField(default=0)),
                ("last_at", models.DateTimeField()),
            ],
            options={"indexes": [models.Index(fields=["-last_id"], name="correspondent_by_last")]},
        ),
        migrations.AddField("roomstate", "listed", models.BooleanField(default=False)),
        migrations.AddField("roomstate", "last_line", models.BigIntegerField(default=0)),
        migrations.AddField("soulseekuser", "picture_type", models.CharField(blank=True, default="", max_length=20)),
    ]
