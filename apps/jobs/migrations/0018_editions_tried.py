"""A planned release remembers which editions of its group could not be read."""

from django.db import migrations, models


class Migration(migrations.Migration):
    dependencies = [("jobs", "0017_plan_words")]

    operations = [
        migrations.AddField(
            model_name="plannedrelease", name="tried", field=models.JSONField(blank=True, default=list)
        ),
    ]
