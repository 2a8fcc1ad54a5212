from django.db import migrations, models


class Migration(migrations.Migration):

    dependencies = [
        ('transfers', '0003_rate_limits'),
    ]

    operations = [
        migrations.AddField(
            model_name='transfer',
            name='sample_bytes',
            field=models.BigIntegerField(default=0),
        ),
    ]
