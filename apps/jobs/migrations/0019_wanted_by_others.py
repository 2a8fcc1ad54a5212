"""A planned release may wait for a job of another tree that fetches it already."""

import django.db.models.deletion
from django.db import migrations, models


class Migration(migrations.Migration):
    dependencies = [("jobs", "0018_editions_tried")]

    operations = [
        migrations.AddField(
            model_name="plannedrelease",
            name="other",
            field=models.ForeignKey(
                blank=True,
                null=True,
                on_delete=django.db.models.deletion.SET_NULL,
                related_name="waited_by",
                to="jobs.job",
            ),
        ),
    ]
