"""Albums, tags, searches, imports, the review desk, the lab and the queue's controls."""

from importlib import import_module

import captions.models.identifiers
import django.db.models.deletion
from django.conf import settings
from django.db import migrations, models


_stay = import_module("captions.migrations.0002_words_stay")


def take_the_fence_down(apps, schema_editor):
    """On SQLite a new column means a new table, and its triggers would go with the old one."""
    if schema_editor.connection.vendor == "sqlite":
        _stay.take_it_down(apps, schema_editor)


def raise_the_fence(apps, schema_editor):
    if schema_editor.connection.vendor == "sqlite":
        _stay.raise_the_fence(apps, schema_editor)


class Migration(migrations.Migration):

    dependencies = [
        ('captions', '0006_medium_rendition'),
        migrations.swappable_dependency(settings.AUTH_USER_MODEL),
    ]

    operations = [
        migrations.RunPython(take_the_fence_down, raise_the_fence),
        migrations.CreateModel(
            name='Album',
            fields=[
                ('id', models.UUIDField(default=captions.models.identifiers.uuid7, editable=False, primary_key=True, serialize=False)),
                ('name', models.CharField(max_length=120)),
                ('created_at', models.DateTimeField(auto_now_add=True)),
            ],
            options={
                'ordering': ['name', 'id'],
            },
        ),
        migrations.CreateModel(
            name='AlbumImage',
            fields=[
                ('id', models.BigAutoField(primary_key=True, serialize=False)),
                ('added_at', models.DateTimeField(auto_now_add=True)),
            ],
        ),
        migrations.CreateModel(
            name='AlbumLink',
            fields=[
                ('id', models.UUIDField(default=captions.models.identifiers.uuid7, editable=False, primary_key=True, serialize=False)),
                ('digest', models.CharField(max_length=64, unique=True)),
                ('created_at', models.DateTimeField(auto_now_add=True)),
                ('expires_at', models.DateTimeField()),
                ('revoked_at', models.DateTimeField(blank=True, null=True)),
                ('last_used_at', models.DateTimeField(blank=True, null=True)),
            ],
            options={
                'ordering': ['-created_at', '-id'],
            },
        ),
        migrations.CreateModel(
            name='AlbumShare',
            fields=[
                ('id', models.UUIDField(default=captions.models.identifiers.uuid7, editable=False, primary_key=True, serialize=False)),
                ('role', models.CharField(choices=[('view', 'May look'), ('caption', 'May caption'), ('review', 'May review')], max_length=8)),
                ('created_at', models.DateTimeField(auto_now_add=True)),
            ],
            options={
                'ordering': ['created_at', 'id'],
            },
        ),
        migrations.CreateModel(
            name='Calibration',
            fields=[
                ('id', models.UUIDField(default=captions.models.identifiers.uuid7, editable=False, primary_key=True, serialize=False)),
                ('method', models.CharField(max_length=20)),
                ('decisions', models.PositiveIntegerField()),
                ('approved', models.PositiveIntegerField()),
                ('fitted', models.JSONField(default=dict)),
                ('bins', models.JSONField(default=list)),
                ('brier', models.FloatField(help_text='Mean squared difference of score and outcome, on decisions held out.')),
                ('fitted_at', models.DateTimeField(auto_now_add=True)),
            ],
            options={
                'ordering': ['-fitted_at', '-id'],
            },
        ),
        migrations.CreateModel(
            name='ImageTag',
            fields=[
                ('id', models.BigAutoField(primary_key=True, serialize=False)),
                ('added_at', models.DateTimeField(auto_now_add=True)),
            ],
        ),
        migrations.CreateModel(
            name='Import',
            fields=[
                ('id', models.UUIDField(default=captions.models.identifiers.uuid7, editable=False, primary_key=True, serialize=False)),
                ('created_at', models.DateTimeField(auto_now_add=True)),
            ],
            options={
                'ordering': ['-created_at', '-id'],
            },
        ),
        migrations.CreateModel(
            name='QueueControl',
            fields=[
                ('id', models.PositiveSmallIntegerField(default=1, editable=False, primary_key=True, serialize=False)),
                ('paused_at', models.DateTimeField(blank=True, null=True)),
                ('opens_at', models.TimeField(blank=True, null=True)),
                ('closes_at', models.TimeField(blank=True, null=True)),
            ],
        ),
        migrations.CreateModel(
            name='ReviewLease',
            fields=[
                ('image', models.OneToOneField(on_delete=django.db.models.deletion.CASCADE, primary_key=True, related_name='review_lease', serialize=False, to='captions.image')),
                ('until', models.DateTimeField()),
            ],
        ),
        migrations.CreateModel(
            name='ReviewPolicy',
            fields=[
                ('id', models.PositiveSmallIntegerField(default=1, editable=False, primary_key=True, serialize=False)),
                ('auto_approve_from', models.FloatField(blank=True, null=True)),
                ('auto_approve_since', models.DateTimeField(blank=True, null=True)),
                ('second_review_share', models.FloatField(default=0.0)),
            ],
        ),
        migrations.CreateModel(
            name='SavedSearch',
            fields=[
                ('id', models.UUIDField(default=captions.models.identifiers.uuid7, editable=False, primary_key=True, serialize=False)),
                ('name', models.CharField(max_length=120)),
                ('query', models.CharField(max_length=1000)),
                ('created_at', models.DateTimeField(auto_now_add=True)),
            ],
            options={
                'ordering': ['name', 'id'],
            },
        ),
        migrations.CreateModel(
            name='SecondReview',
            fields=[
                ('id', models.UUIDField(default=captions.models.identifiers.uuid7, editable=False, primary_key=True, serialize=False)),
                ('decision', models.CharField(blank=True, choices=[('approve', 'Approved'), ('edit', 'Edited and approved'), ('reject', 'Rejected'), ('undo', 'Taken back')], max_length=8)),
                ('text', models.CharField(blank=True, help_text='The words they would publish, for an edit.', max_length=2000)),
                ('agrees', models.BooleanField(blank=True, null=True)),
                ('asked_at', models.DateTimeField(auto_now_add=True)),
                ('decided_at', models.DateTimeField(blank=True, null=True)),
            ],
            options={
                'ordering': ['-asked_at', '-id'],
            },
        ),
        migrations.CreateModel(
            name='Tag',
            fields=[
                ('id', models.UUIDField(default=captions.models.identifiers.uuid7, editable=False, primary_key=True, serialize=False)),
                ('name', models.CharField(max_length=60)),
                ('created_at', models.DateTimeField(auto_now_add=True)),
            ],
            options={
                'ordering': ['name', 'id'],
            },
        ),
        migrations.CreateModel(
            name='Trial',
            fields=[
                ('id', models.UUIDField(default=captions.models.identifiers.uuid7, editable=False, primary_key=True, serialize=False)),
                ('name', models.CharField(max_length=120)),
                ('seed', models.PositiveIntegerField()),
                ('created_at', models.DateTimeField(auto_now_add=True)),
                ('revealed_at', models.DateTimeField(blank=True, help_text='From then on votes no longer count as blind.', null=True)),
            ],
            options={
                'ordering': ['-created_at', '-id'],
            },
        ),
        migrations.CreateModel(
            name='TrialArm',
            fields=[
                ('id', models.UUIDField(default=captions.models.identifiers.uuid7, editable=False, primary_key=True, serialize=False)),
                ('place', models.PositiveSmallIntegerField()),
                ('name', models.CharField(max_length=80)),
                ('model', models.CharField(blank=True, max_length=200)),
                ('params', models.JSONField(blank=True, default=dict)),
            ],
            options={
                'ordering': ['trial', 'place'],
            },
        ),
        migrations.CreateModel(
            name='TrialEntry',
            fields=[
                ('id', models.BigAutoField(primary_key=True, serialize=False)),
            ],
        ),
        migrations.CreateModel(
            name='TrialVote',
            fields=[
                ('id', models.BigAutoField(primary_key=True, serialize=False)),
                ('voted_at', models.DateTimeField(auto_now=True)),
            ],
        ),
        migrations.CreateModel(
            name='Upload',
            fields=[
                ('id', models.UUIDField(default=captions.models.identifiers.uuid7, editable=False, primary_key=True, serialize=False)),
                ('filename', models.CharField(blank=True, max_length=255)),
                ('fingerprint', models.CharField(blank=True, help_text='By which a browser finds it again.', max_length=200)),
                ('length', models.PositiveBigIntegerField()),
                ('offset', models.PositiveBigIntegerField(default=0)),
                ('state', models.CharField(choices=[('open', 'Arriving'), ('checking', 'Being checked'), ('done', 'Added'), ('known', 'Was here already'), ('refused', 'Refused')], default='open', max_length=10)),
                ('error_code', models.CharField(blank=True, max_length=40)),
                ('error_detail', models.CharField(blank=True, max_length=500)),
                ('created_at', models.DateTimeField(auto_now_add=True)),
                ('expires_at', models.DateTimeField()),
            ],
            options={
                'ordering': ['created_at', 'id'],
            },
        ),
        migrations.RemoveConstraint(
            model_name='captionjob',
            name='job_open_once_per_image_and_params',
        ),
        migrations.RemoveConstraint(
            model_name='image',
            name='image_approved_has_words',
        ),
        migrations.AddField(
            model_name='caption',
            name='language',
            field=models.CharField(db_default='en', default='en', help_text="BCP 47, as in HTML's lang.", max_length=35),
        ),
        migrations.AddField(
            model_name='caption',
            name='purpose',
            field=models.CharField(choices=[('alt', 'Caption'), ('long', 'Long description'), ('trial', 'Tried in the lab')], db_default='alt', default='alt', max_length=5),
        ),
        migrations.AddField(
            model_name='captionjob',
            name='is_trial',
            field=models.BooleanField(db_default=False, default=False, help_text='Asked by the lab: its captions are compared, not shown as drafts.'),
        ),
        migrations.AddField(
            model_name='image',
            name='blurhash',
            field=models.CharField(blank=True, db_default='', max_length=40),
        ),
        migrations.AddField(
            model_name='image',
            name='is_decorative',
            field=models.BooleanField(db_default=False, default=False, help_text='Says nothing that the text around it does not: its alt text is empty.'),
        ),
        migrations.AddField(
            model_name='image',
            name='quality',
            field=models.FloatField(blank=True, help_text='How likely a reviewer approves the draft on show unchanged, from 0 to 1.', null=True),
        ),
        migrations.AddField(
            model_name='image',
            name='title',
            field=models.CharField(blank=True, db_default='', max_length=200),
        ),
        migrations.AddField(
            model_name='review',
            name='is_automatic',
            field=models.BooleanField(db_default=False, default=False, help_text='By the rule that `reviewer` switched on, not by their own eyes.'),
        ),
        migrations.AddField(
            model_name='worker',
            name='is_draining',
            field=models.BooleanField(db_default=False, default=False, help_text='An operator asked it to claim nothing more.'),
        ),
        migrations.AddField(
            model_name='worker',
            name='memory_bytes',
            field=models.PositiveBigIntegerField(blank=True, help_text='In use on its device, all in all.', null=True),
        ),
        migrations.AddIndex(
            model_name='image',
            index=models.Index(condition=models.Q(('deleted_at__isnull', True), ('state', 'draft')), fields=['quality', 'id'], name='image_least_sure'),
        ),
        migrations.AddIndex(
            model_name='image',
            index=models.Index(condition=models.Q(('deleted_at__isnull', True), ('state', 'draft')), fields=['created_at', 'id'], name='image_oldest_draft'),
        ),
        migrations.AddConstraint(
            model_name='caption',
            constraint=models.CheckConstraint(condition=models.Q(('purpose__in', ['alt', 'long', 'trial'])), name='caption_purpose_known'),
        ),
        migrations.AddConstraint(
            model_name='captionjob',
            constraint=models.UniqueConstraint(condition=models.Q(('state__in', ['queued', 'running'])), fields=('image', 'model', 'params_digest', 'is_trial'), name='job_open_once_per_image_and_params'),
        ),
        migrations.AddConstraint(
            model_name='image',
            constraint=models.CheckConstraint(condition=models.Q(models.Q(('state', 'approved'), _negated=True), ('published_caption__isnull', False), ('is_decorative', True), _connector='OR'), name='image_approved_has_words'),
        ),
        migrations.AddField(
            model_name='album',
            name='owner',
            field=models.ForeignKey(on_delete=django.db.models.deletion.PROTECT, related_name='albums', to=settings.AUTH_USER_MODEL),
        ),
        migrations.AddField(
            model_name='albumimage',
            name='album',
            field=models.ForeignKey(on_delete=django.db.models.deletion.CASCADE, related_name='places', to='captions.album'),
        ),
        migrations.AddField(
            model_name='albumimage',
            name='image',
            field=models.ForeignKey(on_delete=django.db.models.deletion.CASCADE, related_name='places', to='captions.image'),
        ),
        migrations.AddField(
            model_name='albumlink',
            name='album',
            field=models.ForeignKey(on_delete=django.db.models.deletion.CASCADE, related_name='links', to='captions.album'),
        ),
        migrations.AddField(
            model_name='albumlink',
            name='created_by',
            field=models.ForeignKey(on_delete=django.db.models.deletion.CASCADE, related_name='album_links', to=settings.AUTH_USER_MODEL),
        ),
        migrations.AddField(
            model_name='albumshare',
            name='album',
            field=models.ForeignKey(on_delete=django.db.models.deletion.CASCADE, related_name='shares', to='captions.album'),
        ),
        migrations.AddField(
            model_name='albumshare',
            name='user',
            field=models.ForeignKey(on_delete=django.db.models.deletion.CASCADE, related_name='album_shares', to=settings.AUTH_USER_MODEL),
        ),
        migrations.AddField(
            model_name='imagetag',
            name='image',
            field=models.ForeignKey(on_delete=django.db.models.deletion.CASCADE, related_name='marks', to='captions.image'),
        ),
        migrations.AddField(
            model_name='import',
            name='album',
            field=models.ForeignKey(blank=True, null=True, on_delete=django.db.models.deletion.SET_NULL, related_name='imports', to='captions.album'),
        ),
        migrations.AddField(
            model_name='import',
            name='owner',
            field=models.ForeignKey(on_delete=django.db.models.deletion.CASCADE, related_name='imports', to=settings.AUTH_USER_MODEL),
        ),
        migrations.AddField(
            model_name='queuecontrol',
            name='paused_by',
            field=models.ForeignKey(blank=True, null=True, on_delete=django.db.models.deletion.PROTECT, related_name='+', to=settings.AUTH_USER_MODEL),
        ),
        migrations.AddField(
            model_name='reviewlease',
            name='reviewer',
            field=models.ForeignKey(on_delete=django.db.models.deletion.CASCADE, related_name='review_leases', to=settings.AUTH_USER_MODEL),
        ),
        migrations.AddField(
            model_name='reviewpolicy',
            name='auto_approve_by',
            field=models.ForeignKey(blank=True, null=True, on_delete=django.db.models.deletion.PROTECT, related_name='+', to=settings.AUTH_USER_MODEL),
        ),
        migrations.AddField(
            model_name='savedsearch',
            name='owner',
            field=models.ForeignKey(on_delete=django.db.models.deletion.CASCADE, related_name='saved_searches', to=settings.AUTH_USER_MODEL),
        ),
        migrations.AddField(
            model_name='secondreview',
            name='first',
            field=models.OneToOneField(on_delete=django.db.models.deletion.CASCADE, related_name='second_review', to='captions.review'),
        ),
        migrations.AddField(
            model_name='secondreview',
            name='image',
            field=models.ForeignKey(on_delete=django.db.models.deletion.CASCADE, related_name='second_reviews', to='captions.image'),
        ),
        migrations.AddField(
            model_name='secondreview',
            name='reviewer',
            field=models.ForeignKey(blank=True, null=True, on_delete=django.db.models.deletion.PROTECT, related_name='second_reviews', to=settings.AUTH_USER_MODEL),
        ),
        migrations.AddField(
            model_name='tag',
            name='owner',
            field=models.ForeignKey(on_delete=django.db.models.deletion.PROTECT, related_name='tags', to=settings.AUTH_USER_MODEL),
        ),
        migrations.AddField(
            model_name='imagetag',
            name='tag',
            field=models.ForeignKey(on_delete=django.db.models.deletion.CASCADE, related_name='marks', to='captions.tag'),
        ),
        migrations.AddField(
            model_name='trial',
            name='images',
            field=models.ManyToManyField(related_name='trials', to='captions.image'),
        ),
        migrations.AddField(
            model_name='trial',
            name='owner',
            field=models.ForeignKey(on_delete=django.db.models.deletion.CASCADE, related_name='trials', to=settings.AUTH_USER_MODEL),
        ),
        migrations.AddField(
            model_name='trialarm',
            name='trial',
            field=models.ForeignKey(on_delete=django.db.models.deletion.CASCADE, related_name='arms', to='captions.trial'),
        ),
        migrations.AddField(
            model_name='trialentry',
            name='arm',
            field=models.ForeignKey(on_delete=django.db.models.deletion.CASCADE, related_name='entries', to='captions.trialarm'),
        ),
        migrations.AddField(
            model_name='trialentry',
            name='image',
            field=models.ForeignKey(on_delete=django.db.models.deletion.CASCADE, related_name='+', to='captions.image'),
        ),
        migrations.AddField(
            model_name='trialentry',
            name='job',
            field=models.ForeignKey(on_delete=django.db.models.deletion.CASCADE, related_name='+', to='captions.captionjob'),
        ),
        migrations.AddField(
            model_name='trialvote',
            name='arm',
            field=models.ForeignKey(blank=True, null=True, on_delete=django.db.models.deletion.CASCADE, related_name='votes', to='captions.trialarm'),
        ),
        migrations.AddField(
            model_name='trialvote',
            name='caption',
            field=models.ForeignKey(blank=True, null=True, on_delete=django.db.models.deletion.CASCADE, related_name='+', to='captions.caption'),
        ),
        migrations.AddField(
            model_name='trialvote',
            name='image',
            field=models.ForeignKey(on_delete=django.db.models.deletion.CASCADE, related_name='+', to='captions.image'),
        ),
        migrations.AddField(
            model_name='trialvote',
            name='trial',
            field=models.ForeignKey(on_delete=django.db.models.deletion.CASCADE, related_name='votes', to='captions.trial'),
        ),
        migrations.AddField(
            model_name='trialvote',
            name='voter',
            field=models.ForeignKey(on_delete=django.db.models.deletion.CASCADE, related_name='+', to=settings.AUTH_USER_MODEL),
        ),
        migrations.AddField(
            model_name='upload',
            name='batch',
            field=models.ForeignKey(blank=True, null=True, on_delete=django.db.models.deletion.CASCADE, related_name='uploads', to='captions.import'),
        ),
        migrations.AddField(
            model_name='upload',
            name='image',
            field=models.ForeignKey(blank=True, null=True, on_delete=django.db.models.deletion.SET_NULL, related_name='+', to='captions.image'),
        ),
        migrations.AddField(
            model_name='upload',
            name='owner',
            field=models.ForeignKey(on_delete=django.db.models.deletion.CASCADE, related_name='uploads', to=settings.AUTH_USER_MODEL),
        ),
        migrations.AddField(
            model_name='upload',
            name='parent',
            field=models.ForeignKey(blank=True, null=True, on_delete=django.db.models.deletion.CASCADE, related_name='parts', to='captions.upload'),
        ),
        migrations.AddConstraint(
            model_name='album',
            constraint=models.UniqueConstraint(fields=('owner', 'name'), name='album_name_once_per_owner'),
        ),
        migrations.AddConstraint(
            model_name='album',
            constraint=models.CheckConstraint(condition=models.Q(('name', ''), _negated=True), name='album_has_a_name'),
        ),
        migrations.AddConstraint(
            model_name='albumimage',
            constraint=models.UniqueConstraint(fields=('album', 'image'), name='album_holds_a_picture_once'),
        ),
        migrations.AddConstraint(
            model_name='albumshare',
            constraint=models.UniqueConstraint(fields=('album', 'user'), name='album_shared_once_with_a_person'),
        ),
        migrations.AddConstraint(
            model_name='albumshare',
            constraint=models.CheckConstraint(condition=models.Q(('role__in', ['view', 'caption', 'review'])), name='album_share_role_known'),
        ),
        migrations.AddIndex(
            model_name='import',
            index=models.Index(fields=['owner', '-created_at', '-id'], name='import_of_owner'),
        ),
        migrations.AddConstraint(
            model_name='queuecontrol',
            constraint=models.CheckConstraint(condition=models.Q(('id', 1)), name='queue_control_is_one_row'),
        ),
        migrations.AddConstraint(
            model_name='queuecontrol',
            constraint=models.CheckConstraint(condition=models.Q(models.Q(('closes_at__isnull', True), ('opens_at__isnull', True)), models.Q(('closes_at__isnull', False), ('opens_at__isnull', False)), _connector='OR'), name='queue_control_window_has_two_ends'),
        ),
        migrations.AddIndex(
            model_name='reviewlease',
            index=models.Index(fields=['reviewer', 'until'], name='lease_of_reviewer'),
        ),
        migrations.AddIndex(
            model_name='reviewlease',
            index=models.Index(fields=['until'], name='lease_by_end'),
        ),
        migrations.AddConstraint(
            model_name='reviewpolicy',
            constraint=models.CheckConstraint(condition=models.Q(('id', 1)), name='review_policy_is_one_row'),
        ),
        migrations.AddConstraint(
            model_name='reviewpolicy',
            constraint=models.CheckConstraint(condition=models.Q(('auto_approve_from__isnull', True), models.Q(('auto_approve_by__isnull', False), ('auto_approve_from__gte', 0), ('auto_approve_from__lte', 1)), _connector='OR'), name='review_policy_has_an_author'),
        ),
        migrations.AddConstraint(
            model_name='reviewpolicy',
            constraint=models.CheckConstraint(condition=models.Q(('second_review_share__gte', 0), ('second_review_share__lte', 1)), name='review_policy_share'),
        ),
        migrations.AddConstraint(
            model_name='savedsearch',
            constraint=models.UniqueConstraint(fields=('owner', 'name'), name='saved_search_once_per_name'),
        ),
        migrations.AddIndex(
            model_name='secondreview',
            index=models.Index(condition=models.Q(('decision', '')), fields=['asked_at', 'id'], name='second_review_waiting'),
        ),
        migrations.AddConstraint(
            model_name='tag',
            constraint=models.UniqueConstraint(fields=('owner', 'name'), name='tag_name_once_per_owner'),
        ),
        migrations.AddConstraint(
            model_name='tag',
            constraint=models.CheckConstraint(condition=models.Q(('name', ''), _negated=True), name='tag_has_a_name'),
        ),
        migrations.AddConstraint(
            model_name='imagetag',
            constraint=models.UniqueConstraint(fields=('tag', 'image'), name='tag_once_per_picture'),
        ),
        migrations.AddConstraint(
            model_name='trialarm',
            constraint=models.UniqueConstraint(fields=('trial', 'place'), name='trial_arm_has_its_place'),
        ),
        migrations.AddConstraint(
            model_name='trialentry',
            constraint=models.UniqueConstraint(fields=('arm', 'image'), name='trial_entry_once'),
        ),
        migrations.AddConstraint(
            model_name='trialvote',
            constraint=models.UniqueConstraint(fields=('trial', 'image', 'voter'), name='trial_vote_once'),
        ),
        migrations.AddIndex(
            model_name='upload',
            index=models.Index(fields=['batch', 'created_at', 'id'], name='upload_of_import'),
        ),
        migrations.AddIndex(
            model_name='upload',
            index=models.Index(condition=models.Q(('state__in', ['open', 'checking'])), fields=['expires_at'], name='upload_by_end'),
        ),
        migrations.AddConstraint(
            model_name='upload',
            constraint=models.CheckConstraint(condition=models.Q(('state__in', ['open', 'checking', 'done', 'known', 'refused'])), name='upload_state_known'),
        ),
        migrations.AddConstraint(
            model_name='upload',
            constraint=models.CheckConstraint(condition=models.Q(('offset__lte', models.F('length'))), name='upload_within_its_length'),
        ),
        migrations.AddConstraint(
            model_name='upload',
            constraint=models.CheckConstraint(condition=models.Q(models.Q(('state', 'refused'), _negated=True), models.Q(('error_code', ''), _negated=True), _connector='OR'), name='upload_refused_says_why'),
        ),
        migrations.RunPython(raise_the_fence, take_the_fence_down),
    ]
