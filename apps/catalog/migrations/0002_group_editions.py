"""When all editions of a release group were fetched."""

from django.db import migrations, models


class Migration(migrations.Migration):

    dependencies = [("catalog", "0001_initial")]

    operations = [
        migrations.AddField(
            model_name="releasegroup",
            name="editions_at",
            field=models.DateTimeField(blank=True, null=True),
        ),
    ]
