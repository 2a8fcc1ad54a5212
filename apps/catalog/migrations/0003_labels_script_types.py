from django.db import migrations, models


class Migration(migrations.Migration):

    dependencies = [
        ('catalog', '0002_group_editions'),
    ]

    operations = [
        migrations.AddField(
            model_name='releasegroup',
            name='secondary_types',
            field=models.JSONField(default=list),
        ),
        migrations.AddField(
            model_name='release',
            name='script',
            field=models.CharField(blank=True, default='', max_length=4),
        ),
        migrations.AddField(
            model_name='release',
            name='labels',
            field=models.JSONField(default=list),
        ),
        migrations.AddField(
            model_name='release',
            name='catalog_numbers',
            field=models.JSONField(default=list),
        ),
    ]
