"""Steps of the trash: what a row waits for, whose hands it is in, which file row goes with it."""

import django.db.models.deletion
from django.db import migrations, models


class Migration(migrations.Migration):
    dependencies = [("library", "0003_doctor_scans_and_tallies")]

    operations = [
        migrations.AddField(
            model_name="trashedfile",
            name="file",
            field=models.ForeignKey(
                blank=True,
                null=True,
                on_delete=django.db.models.deletion.SET_NULL,
                related_name="trashed",
                to="library.audiofile",
            ),
        ),
        migrations.AddField(model_name="trashedfile", name="params", field=models.JSONField(default=dict)),
        migrations.AddField(
            model_name="trashedfile", name="place", field=models.CharField(blank=True, default="", max_length=4)
        ),
        migrations.AddField(model_name="trashedfile", name="restore_path", field=models.BinaryField(default=bytes)),
        migrations.AddField(model_name="trashedfile", name="attempt", field=models.PositiveIntegerField(default=0)),
        migrations.AddField(
            model_name="trashedfile", name="lease_until", field=models.DateTimeField(blank=True, null=True)
        ),
        migrations.AddField(
            model_name="trashedfile", name="next_step_at", field=models.DateTimeField(blank=True, null=True)
        ),
        migrations.AlterField(
            model_name="trashedfile", name="state", field=models.CharField(default="planned", max_length=12)
        ),
        migrations.AlterField(model_name="trashedfile", name="size_bytes", field=models.BigIntegerField(default=0)),
        migrations.AlterField(model_name="trashedfile", name="mtime_ns", field=models.BigIntegerField(default=0)),
        migrations.AlterField(
            model_name="trashedfile", name="sha256", field=models.BinaryField(default=bytes, max_length=32)
        ),
        migrations.AddConstraint(
            model_name="trashedfile",
            constraint=models.UniqueConstraint(
                condition=models.Q(("state__in", ["planned", "moving", "trashed", "restoring", "purging"])),
                fields=("file",),
                name="trash_one_live",
            ),
        ),
        migrations.AddIndex(
            model_name="trashedfile",
            index=models.Index(
                condition=models.Q(("state__in", ["planned", "moving", "restoring", "purging"])),
                fields=["next_step_at"],
                name="trash_open",
            ),
        ),
        migrations.AddIndex(
            model_name="trashedfile",
            index=models.Index(condition=models.Q(("state", "trashed")), fields=["trashed_at"], name="trash_age"),
        ),
    ]
