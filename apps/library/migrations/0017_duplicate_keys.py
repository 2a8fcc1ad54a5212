"""Keys of duplicates, counted in the background of a large library."""

from django.db import migrations, models


class Migration(migrations.Migration):
    """Additive."""

    dependencies = [("library", "0016_fill_words_of_names")]

    operations = [
        migrations.CreateModel(
            name="DuplicateKey",
            fields=[
                ("id", models.BigAutoField(auto_created=True, primary_key=True, serialize=False, verbose_name="ID")),
                ("kind", models.CharField(max_length=12)),
                ("key", models.CharField(max_length=40)),
            ],
            options={
                "constraints": [models.UniqueConstraint(fields=("kind", "key"), name="duplicate_key_once")],
            },
        ),
    ]
