"""Whether a finished file was placed by us, or lay there before."""

from django.db import migrations, models


class Migration(migrations.Migration):
    dependencies = [("jobs", "0002_job_placements")]

    operations = [
        migrations.AddField(model_name="jobtrack", name="placing", field=models.JSONField(default=dict)),
    ]
