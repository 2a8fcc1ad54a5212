from django.db import migrations, models


class Migration(migrations.Migration):

    dependencies = [
        ('library', '0011_library_measures'),
    ]

    operations = [
        migrations.AddIndex(
            model_name='audiofile',
            index=models.Index(condition=models.Q(('missing_since__isnull', True)), fields=['variant'], name='file_copies'),
        ),
    ]
