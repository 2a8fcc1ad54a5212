from django.db import migrations, models


class Migration(migrations.Migration):
    """What an imported manifest said was completed; and every job there is gets its first manifest."""

    dependencies = [("jobs", "0012_finds_and_targets")]

    operations = [
        migrations.AddField(model_name="job", name="imported_tracks", field=models.JSONField(blank=True, default=list)),
        migrations.RunSQL(
            "UPDATE jobs_job SET manifest_due_at = created_at WHERE manifest_due_at IS NULL AND origin <> 'doctor'",
            migrations.RunSQL.noop,
        ),
    ]
