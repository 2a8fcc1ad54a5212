"""Indexes of issues by type, artist and album, that serve the order by that name and the newest of one name alike."""

from django.db import migrations, models

INDEXES = (
    ("issue_state_type", ["state", "type", "id"]),
    ("issue_state_artist", ["state", "artist", "id"]),
    ("issue_open_type", ["open", "type", "id"]),
    ("issue_open_artist", ["open", "artist", "id"]),
    ("issue_open_album", ["open", "album", "id"]),
    ("issue_artist", ["artist", "id"]),
    ("issue_album", ["album", "id"]),
    ("issue_type", ["type", "id"]),
)


class Migration(migrations.Migration):
    """Indexes alone."""

    dependencies = [("library", "0017_duplicate_keys")]

    operations = [
        operation
        for name, fields in INDEXES
        for operation in (
            migrations.RemoveIndex(model_name="libraryissue", name=name),
            migrations.AddIndex(model_name="libraryissue", index=models.Index(fields=fields, name=name)),
        )
    ]
