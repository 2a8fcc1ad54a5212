"""Disks that are mounted inside a library folder."""

from django.db import migrations, models


class Migration(migrations.Migration):
    dependencies = [("library", "0019_trash_needed")]

    operations = [
        migrations.AddField(model_name="libraryroot", name="mounts", field=models.JSONField(default=list)),
    ]
