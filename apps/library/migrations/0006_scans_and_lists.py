"""One live scan per root, what its ETA is reckoned from, and indexes for moved files and for the library's list.

On Postgres the sort key gets collation "C": ordered by code points, as SQLite orders it, so that "begins with" is a range of the index.
"""

from django.db import migrations, models


def order_by_code_points(apps, schema_editor):
    if schema_editor.connection.vendor == "postgresql":
        schema_editor.execute('ALTER TABLE library_audiofile ALTER COLUMN sort_key TYPE varchar(240) COLLATE "C"')


class Migration(migrations.Migration):
    dependencies = [("library", "0005_canonical_marks")]

    operations = [
        migrations.AddField(model_name="libraryscan", name="troubles", field=models.JSONField(default=dict)),
        migrations.AddField(
            model_name="libraryscan", name="window_at", field=models.DateTimeField(blank=True, null=True)
        ),
        migrations.AddField(
            model_name="libraryscan", name="window_seen", field=models.PositiveBigIntegerField(default=0)
        ),
        migrations.AddField(
            model_name="libraryscan", name="window_read", field=models.PositiveBigIntegerField(default=0)
        ),
        migrations.AddField(
            model_name="libraryscan", name="window_bytes", field=models.PositiveBigIntegerField(default=0)
        ),
        migrations.AddConstraint(
            model_name="libraryscan",
            constraint=models.UniqueConstraint(
                fields=["root"],
                condition=models.Q(state__in=["queued", "walking", "reading", "paused"]),
                name="scan_one_live_per_root",
            ),
        ),
        migrations.AddIndex(
            model_name="audiofile",
            index=models.Index(fields=["id"], name="file_unreadable", condition=models.Q(read_state="unreadable")),
        ),
        migrations.AddIndex(model_name="audiofile", index=models.Index(fields=["root", "inode"], name="file_by_inode")),
        migrations.AddIndex(
            model_name="audiovariant",
            index=models.Index(fields=["id"], name="variant_unverified", condition=models.Q(verified=False)),
        ),
        migrations.RunPython(order_by_code_points, migrations.RunPython.noop),
    ]
