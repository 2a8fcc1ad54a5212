from django.db import migrations, models


class Migration(migrations.Migration):

    dependencies = [
        ('library', '0021_trash_held'),
    ]

    operations = [
        migrations.AddField(
            model_name='audiofile',
            name='tags_version',
            field=models.PositiveSmallIntegerField(default=0),
        ),
        migrations.AddIndex(
            model_name='audiofile',
            index=models.Index(condition=models.Q(('missing_since__isnull', True), ('read_state', 'read')), fields=['tags_version', 'id'], name='file_tags_due'),
        ),
    ]
