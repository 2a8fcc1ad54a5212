from django.db import migrations, models


class Migration(migrations.Migration):

    dependencies = [("catalog", "0006_graph_walks_discogs")]

    operations = [
        migrations.AddField("walk", "passes", models.PositiveSmallIntegerField(default=0)),
        migrations.AddField("walk", "moved", models.BooleanField(default=False)),
        migrations.AddField("walk", "again", models.BooleanField(default=False)),
        migrations.AddField("walk", "refresh", models.BooleanField(default=False)),
        migrations.AddField("walk", "read_at", models.DateTimeField(blank=True, null=True)),
        migrations.CreateModel(
            name="Validator",
            fields=[
                ("id", models.BigAutoField(auto_created=True, primary_key=True, serialize=False, verbose_name="ID")),
                ("kind", models.CharField(max_length=20)),
                ("mbid", models.UUIDField()),
                ("etag", models.CharField(blank=True, default="", max_length=200)),
                ("last_modified", models.CharField(blank=True, default="", max_length=60)),
            ],
            options={
                "constraints": [models.UniqueConstraint(fields=("kind", "mbid"), name="validator_once")],
            },
        ),
    ]
