from django.db import migrations, models


class Migration(migrations.Migration):
    """When a job of jobs had all its children; and recordings of tracks by index, for the coverage of an artist."""

    dependencies = [("jobs", "0009_webhooks")]

    operations = [
        migrations.AddField(model_name="job", name="expanded_at", field=models.DateTimeField(blank=True, null=True)),
        migrations.AddIndex(
            model_name="jobtrack", index=models.Index(fields=["recording_mbid"], name="job_track_recording")
        ),
        migrations.AddIndex(model_name="job", index=models.Index(fields=["target_mbid"], name="job_target")),
    ]
