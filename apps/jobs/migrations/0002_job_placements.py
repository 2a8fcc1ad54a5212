"""Where a job's files go when they belong beside others."""

from django.db import migrations, models


class Migration(migrations.Migration):
    dependencies = [("jobs", "0001_initial")]

    operations = [
        migrations.AddField(model_name="job", name="placements", field=models.JSONField(blank=True, default=dict)),
    ]
