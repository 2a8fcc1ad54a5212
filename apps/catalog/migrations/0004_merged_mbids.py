"""MBIDs that were merged into others."""

from django.db import migrations, models


class Migration(migrations.Migration):
    dependencies = [("catalog", "0003_labels_script_types")]

    operations = [
        migrations.CreateModel(
            name="MergedMbid",
            fields=[
                ("id", models.BigAutoField(auto_created=True, primary_key=True, serialize=False, verbose_name="ID")),
                ("kind", models.CharField(max_length=10)),
                ("old", models.UUIDField()),
                ("mbid", models.UUIDField()),
                ("seen_at", models.DateTimeField(auto_now=True)),
            ],
            options={
                "constraints": [models.UniqueConstraint(fields=("kind", "old"), name="merged_once")],
            },
        ),
    ]
