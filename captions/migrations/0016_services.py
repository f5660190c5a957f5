"""The group of accounts for programs; it gives no permission, and none of its members can log in."""

from django.db import migrations


def make_group(apps, schema_editor):
    apps.get_model("auth", "Group").objects.get_or_create(name="services")


class Migration(migrations.Migration):
    dependencies = [
        ("captions", "0015_bulk_job"),
        ("auth", "0012_alter_user_first_name_max_length"),
    ]
    operations = [migrations.RunPython(make_group, migrations.RunPython.noop)]
