"""Lists of jobs without their children, children newest first, and counts of tracks by state read indexes alone."""

from django.db import migrations, models


class Migration(migrations.Migration):
    dependencies = [("jobs", "0015_discogs_open")]

    operations = [
        migrations.AddIndex(
            model_name="job",
            index=models.Index(
                fields=["-created_at", "-id"], name="job_top_newest", condition=models.Q(("parent__isnull", True))
            ),
        ),
        migrations.AddIndex(
            model_name="job",
            index=models.Index(
                fields=["code"],
                name="job_top_code",
                condition=models.Q(("parent__isnull", True), models.Q(("code", ""), _negated=True)),
            ),
        ),
        migrations.AddIndex(
            model_name="job", index=models.Index(fields=["parent", "-created_at", "-id"], name="job_child_newest")
        ),
        migrations.AddIndex(model_name="jobtrack", index=models.Index(fields=["job", "state"], name="job_track_state")),
    ]
