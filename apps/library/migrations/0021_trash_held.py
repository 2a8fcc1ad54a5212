"""The sum of the trash is read from an index alone."""

from django.db import migrations, models


class Migration(migrations.Migration):
    """Additive."""

    dependencies = [("library", "0020_root_mounts")]

    operations = [
        migrations.AddIndex(
            model_name="trashedfile", index=models.Index(fields=["state", "size_bytes"], name="trash_held")
        ),
    ]
