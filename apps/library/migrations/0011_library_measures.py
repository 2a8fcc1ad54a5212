from django.db import migrations, models


class Migration(migrations.Migration):

    dependencies = [
        ('library', '0010_folder_choices'),
    ]

    operations = [
        migrations.CreateModel(
            name='LibraryMeasure',
            fields=[
                ('id', models.BigAutoField(auto_created=True, primary_key=True, serialize=False, verbose_name='ID')),
                ('name', models.CharField(max_length=40, unique=True)),
                ('values', models.JSONField(default=dict)),
                ('measured_at', models.DateTimeField()),
            ],
        ),
    ]
