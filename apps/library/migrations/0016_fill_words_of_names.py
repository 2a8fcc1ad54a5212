"""Words of what is there already."""

from django.db import migrations

from apps.domain.library.words import words_of

CHUNK = 2000


def fill(apps, schema_editor):
    for owner, words, name, texts in (
        ("FolderMatch", "FolderWord", "folder_id", ("display",)),
        ("LibraryIssue", "IssueWord", "issue_id", ("artist", "album")),
    ):
        rows = apps.get_model("library", owner).objects.order_by("id")
        word = apps.get_model("library", words)
        last = 0
        while some := list(rows.filter(id__gt=last).values_list("id", *texts)[:CHUNK]):
            made = [word(**{name: key}, word=one) for key, *said in some for one in words_of(" ".join(said))]
            word.objects.bulk_create(made, ignore_conflicts=True, batch_size=CHUNK)
            last = some[-1][0]


class Migration(migrations.Migration):
    dependencies = [("library", "0015_words_of_names")]

    operations = [migrations.RunPython(fill, migrations.RunPython.noop)]
