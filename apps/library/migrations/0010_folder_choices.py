"""What a person said of a folder's release stays through every new look; who placed a file in its release is known."""

from django.db import migrations, models


class Migration(migrations.Migration):

    dependencies = [("library", "0009_issue_orders")]

    operations = [
        migrations.AddField(
            model_name="foldermatch",
            name="choice",
            field=models.CharField(blank=True, default="", max_length=8),
        ),
        migrations.AddField(
            model_name="foldermatch",
            name="chosen_mbid",
            field=models.UUIDField(blank=True, null=True),
        ),
        migrations.AddField(
            model_name="foldermatch",
            name="refused",
            field=models.JSONField(default=list),
        ),
        migrations.AddIndex(
            model_name="foldermatch",
            index=models.Index(fields=["version", "id"], name="folder_version"),
        ),
        migrations.AddField(
            model_name="audiofile",
            name="place_source",
            field=models.CharField(blank=True, default="", max_length=8),
        ),
    ]
