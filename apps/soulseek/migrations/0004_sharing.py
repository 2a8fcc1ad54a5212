"""Changes of library files for the share index, by triggers; rules that put users into upload groups; the index of live uploads."""

from __future__ import annotations

from django.db import migrations, models
from django.db.backends.base.schema import BaseDatabaseSchemaEditor
from django.db.migrations.state import StateApps

from apps.soulseek.share_triggers import triggers_create, triggers_drop


def create(_apps: StateApps, editor: BaseDatabaseSchemaEditor) -> None:
    triggers_create(editor.connection)


def drop(_apps: StateApps, editor: BaseDatabaseSchemaEditor) -> None:
    triggers_drop(editor.connection)


class Migration(migrations.Migration):
    dependencies = [("soulseek", "0003_hunts_dry_run"), ("library", "0022_tags_version")]

    operations = [
        migrations.CreateModel(
            name="ShareChange",
            fields=[
                ("id", models.BigAutoField(auto_created=True, primary_key=True, serialize=False, verbose_name="ID")),
                ("file_id", models.BigIntegerField()),
                ("at", models.DateTimeField(db_index=True)),
            ],
        ),
        migrations.AddField(
            model_name="userrule",
            name="group",
            field=models.CharField(blank=True, default="", max_length=40),
        ),
        migrations.AlterField(
            model_name="userrule",
            name="effect",
            field=models.CharField(
                choices=[("buddy", "buddy"), ("ignore", "ignore"), ("ban", "ban"), ("group", "group")], max_length=8
            ),
        ),
        migrations.AddIndex(
            model_name="upload",
            index=models.Index(
                condition=models.Q(
                    ("state__in", ["aborted", "cancelled", "errored", "refused", "succeeded", "timed_out"]),
                    _negated=True,
                ),
                fields=["asked_at"],
                name="upload_live",
            ),
        ),
        migrations.RunPython(create, drop),
    ]
