from django.db import migrations, models


class Migration(migrations.Migration):
    """Imported jobs keep the tracks that their manifest told, and wait until the library was read."""

    dependencies = [("jobs", "0013_manifests")]

    operations = [
        migrations.AlterField(
            model_name="job", name="imported_tracks", field=models.JSONField(blank=True, default=dict)
        ),
        migrations.AddField(model_name="job", name="awaits_library", field=models.BooleanField(default=False)),
        migrations.AddIndex(
            model_name="job",
            index=models.Index(fields=["id"], name="job_awaits_library", condition=models.Q(("awaits_library", True))),
        ),
    ]
