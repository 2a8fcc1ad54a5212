"""What a fix under way may have to bring back is not purged."""

from django.db import migrations, models


class Migration(migrations.Migration):
    dependencies = [("library", "0018_issue_orders_both_ways")]

    operations = [
        migrations.AddField(model_name="trashedfile", name="needed", field=models.BooleanField(default=False)),
    ]
