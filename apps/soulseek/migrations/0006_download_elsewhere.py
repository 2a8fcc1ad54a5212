"""A sharer that is away, or whose queue stands, is left at once where somebody else has the file: downloads say whether somebody has."""

from __future__ import annotations

from django.db import migrations, models


class Migration(migrations.Migration):
    dependencies = [
        ("soulseek", "0005_people"),
    ]

    operations = [
        migrations.AddField(
            model_name="download",
            name="elsewhere",
            field=models.BooleanField(default=False),
        ),
    ]
