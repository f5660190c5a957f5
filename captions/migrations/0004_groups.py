"""The two groups: reviewers decide on everybody's drafts, operators also look after jobs and workers."""

from django.db import migrations

REVIEWERS = ("view_image", "view_caption", "view_review", "add_review")
OPERATORS = (
    *REVIEWERS, "view_captionjob", "change_captionjob", "view_jobevent", "view_worker", "view_apitoken", "change_image",
)  # fmt: skip


def make_groups(apps, schema_editor):
    # Permissions are made after all migrations; these groups need theirs now.
    Permission = apps.get_model("auth", "Permission")
    ContentType = apps.get_model("contenttypes", "ContentType")
    Group = apps.get_model("auth", "Group")
    for name, codenames in (("reviewers", REVIEWERS), ("operators", OPERATORS)):
        group, _ = Group.objects.get_or_create(name=name)
        for codename in codenames:
            action, model = codename.split("_")
            content_type, _ = ContentType.objects.get_or_create(app_label="captions", model=model)
            verbose = apps.get_model("captions", model)._meta.verbose_name
            permission, _ = Permission.objects.get_or_create(
                codename=codename, content_type=content_type, defaults={"name": f"Can {action} {verbose}"}
            )
            group.permissions.add(permission)


class Migration(migrations.Migration):
    dependencies = [
        ("captions", "0003_fair_turns"),
        ("auth", "0012_alter_user_first_name_max_length"),
        ("contenttypes", "0002_remove_content_type_name"),
    ]
    operations = [
        migrations.CreateModel(
            name="DraftToReview",
            fields=[],
            options={
                "verbose_name": "draft to review",
                "verbose_name_plural": "drafts to review",
                "proxy": True,
                "default_permissions": (),
                "indexes": [],
                "constraints": [],
            },
            bases=("captions.image",),
        ),
        migrations.RunPython(make_groups, migrations.RunPython.noop),
    ]
