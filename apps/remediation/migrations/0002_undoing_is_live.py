"""An attempt that is being taken back is live too: no second one of its issue begins meanwhile, and the sweep finds it."""

from django.db import migrations, models

LIVE = ["planned", "waiting", "placing", "undoing"]


class Migration(migrations.Migration):
    dependencies = [("remediation", "0001_initial")]

    operations = [
        migrations.RemoveConstraint(model_name="remediation", name="remediation_one_live"),
        migrations.RemoveIndex(model_name="remediation", name="remediation_open"),
        migrations.AddConstraint(
            model_name="remediation",
            constraint=models.UniqueConstraint(
                condition=models.Q(("state__in", LIVE)), fields=("issue",), name="remediation_one_live"
            ),
        ),
        migrations.AddIndex(
            model_name="remediation",
            index=models.Index(
                condition=models.Q(("state__in", LIVE)), fields=["next_step_at"], name="remediation_open"
            ),
        ),
    ]
