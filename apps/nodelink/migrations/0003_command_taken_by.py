from django.db import migrations, models


class Migration(migrations.Migration):

    dependencies = [
        ("nodelink", "0002_node_commands"),
    ]

    operations = [
        migrations.AddField(
            model_name="nodecommandanswer",
            name="boot_id",
            field=models.CharField(blank=True, default="", max_length=40),
        ),
        migrations.AddField(
            model_name="nodecommandanswer",
            name="done_at",
            field=models.DateTimeField(blank=True, null=True),
        ),
    ]
