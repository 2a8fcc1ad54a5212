"""Words of folders' paths and of issues' names, which searches find them by.

On Postgres words have collation "C": ordered by code points, as SQLite orders them, so that "begins with" is a range of the index.
"""

import django.db.models.deletion
from django.db import migrations, models


def order_by_code_points(apps, schema_editor):
    if schema_editor.connection.vendor == "postgresql":
        for table in ("library_folderword", "library_issueword"):
            schema_editor.execute(f'ALTER TABLE {table} ALTER COLUMN word TYPE varchar(40) COLLATE "C"')


def words(name, owner, model):
    """One of the two tables."""
    return migrations.CreateModel(
        name=name,
        fields=[
            ("id", models.BigAutoField(auto_created=True, primary_key=True, serialize=False, verbose_name="ID")),
            ("word", models.CharField(max_length=40)),
            (
                owner,
                models.ForeignKey(
                    db_index=False, on_delete=django.db.models.deletion.CASCADE, related_name="words", to=model
                ),
            ),
        ],
        options={
            "indexes": [models.Index(fields=["word", owner], name=f"{owner}_word")],
            "constraints": [models.UniqueConstraint(fields=(owner, "word"), name=f"{owner}_word_once")],
        },
    )


class Migration(migrations.Migration):
    """Additive."""

    dependencies = [("library", "0014_library_renamings")]

    operations = [
        words("FolderWord", "folder", "library.foldermatch"),
        words("IssueWord", "issue", "library.libraryissue"),
        migrations.RunPython(order_by_code_points, migrations.RunPython.noop),
    ]
