"""Marks of canonical statistics are counted, and variants scored by an older scale are found by an index."""

from django.db import migrations, models


class Migration(migrations.Migration):

    dependencies = [("library", "0004_trash_steps")]

    operations = [
        migrations.AddField(
            model_name="canonicaldirty",
            name="marks",
            field=models.PositiveBigIntegerField(default=0),
        ),
        migrations.AddIndex(
            model_name="audiovariant",
            index=models.Index(fields=["quality_version", "id"], name="variant_rescoring"),
        ),
    ]
