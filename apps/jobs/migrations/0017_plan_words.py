"""What the list lacked that a job of jobs was planned from stays known, however the job goes on."""

from django.db import migrations, models


class Migration(migrations.Migration):
    dependencies = [("jobs", "0016_list_indexes")]

    operations = [
        migrations.AddField(
            model_name="job", name="plan_code", field=models.CharField(blank=True, default="", max_length=60)
        ),
        migrations.AddField(model_name="job", name="plan_params", field=models.JSONField(blank=True, default=dict)),
    ]
