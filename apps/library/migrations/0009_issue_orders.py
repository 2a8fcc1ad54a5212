from django.db import migrations, models


class Migration(migrations.Migration):

    dependencies = [
        ('library', '0008_same_sound'),
    ]

    operations = [
        migrations.AddIndex(
            model_name='libraryissue',
            index=models.Index(fields=['open', 'album', '-id'], name='issue_open_album'),
        ),
        migrations.AddIndex(
            model_name='libraryissue',
            index=models.Index(fields=['-rank', '-id'], name='issue_rank'),
        ),
        migrations.AddIndex(
            model_name='libraryissue',
            index=models.Index(fields=['artist', '-id'], name='issue_artist'),
        ),
        migrations.AddIndex(
            model_name='libraryissue',
            index=models.Index(fields=['album', '-id'], name='issue_album'),
        ),
        migrations.AddIndex(
            model_name='libraryissue',
            index=models.Index(fields=['type', '-id'], name='issue_type'),
        ),
    ]
