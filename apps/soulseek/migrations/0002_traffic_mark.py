"""The last batch of bytes of each run of the node: none is counted twice."""

from __future__ import annotations

from django.db import migrations, models


class Migration(migrations.Migration):
    dependencies = [("soulseek", "0001_initial")]

    operations = [
        migrations.CreateModel(
            name="TrafficMark",
            fields=[
                ("boot_id", models.UUIDField(primary_key=True, serialize=False)),
                ("number", models.PositiveBigIntegerField()),
                ("updated_at", models.DateTimeField(auto_now=True)),
            ],
        ),
    ]
