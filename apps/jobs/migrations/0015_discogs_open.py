"""Jobs that wait for files of the library are found without a walk over all jobs."""

from __future__ import annotations

from django.db import migrations, models


class Migration(migrations.Migration):
    dependencies = [("jobs", "0014_imported_jobs")]
    operations = [
        migrations.AddIndex(
            "job",
            models.Index(
                condition=models.Q(("state", "running"), ("target_source", "discogs")),
                fields=["id"],
                name="job_discogs_open",
            ),
        ),
    ]
