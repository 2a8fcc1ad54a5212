"""Which file was meant when its trashing was decided."""

from django.db import migrations, models


class Migration(migrations.Migration):
    dependencies = [("library", "0012_file_copies")]

    operations = [
        migrations.AddField(
            model_name="trashedfile",
            name="decided_inode",
            field=models.BigIntegerField(blank=True, null=True),
        ),
    ]
