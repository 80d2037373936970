import django.core.validators
import django.db.models.deletion
import tenants.scoping
from django.db import migrations, models

UNLOGGED = "ALTER TABLE tenants_ratebucket SET UNLOGGED, SET (fillfactor = 50);"


class Migration(migrations.Migration):

    dependencies = [
        ('tenants', '0001_initial'),
    ]

    operations = [
        migrations.AddField(
            model_name='apikey',
            name='requests_per_minute',
            field=models.PositiveIntegerField(blank=True, default=None, help_text='Empty: any number.', null=True, validators=[django.core.validators.MinValueValidator(1), django.core.validators.MaxValueValidator(1000000000)]),
        ),
        migrations.AddField(
            model_name='apikey',
            name='tokens_per_minute',
            field=models.PositiveIntegerField(blank=True, default=None, help_text="Counted at admission: a quarter of the input's bytes and the longest answer it may get. Empty: any number.", null=True, validators=[django.core.validators.MinValueValidator(1), django.core.validators.MaxValueValidator(1000000000)]),
        ),
        migrations.AddField(
            model_name='tenant',
            name='new_end_users_per_hour',
            field=models.PositiveIntegerField(blank=True, default=5000, help_text='End users that may come into being in an hour; empty: any number. Names can be made up to dodge the budgets of end users.', null=True, validators=[django.core.validators.MinValueValidator(1), django.core.validators.MaxValueValidator(1000000000)]),
        ),
        migrations.AddField(
            model_name='tenant',
            name='open_calls_per_end_user',
            field=models.PositiveIntegerField(blank=True, default=32, help_text='Calls that one end user may have in flight at once; empty: any number.', null=True, validators=[django.core.validators.MinValueValidator(1), django.core.validators.MaxValueValidator(1000000000)]),
        ),
        migrations.AddField(
            model_name='tier',
            name='requests_per_minute',
            field=models.PositiveIntegerField(blank=True, default=None, help_text='Empty: any number.', null=True, validators=[django.core.validators.MinValueValidator(1), django.core.validators.MaxValueValidator(1000000000)]),
        ),
        migrations.AddField(
            model_name='tier',
            name='tokens_per_minute',
            field=models.PositiveIntegerField(blank=True, default=None, help_text="Counted at admission: a quarter of the input's bytes and the longest answer it may get. Empty: any number.", null=True, validators=[django.core.validators.MinValueValidator(1), django.core.validators.MaxValueValidator(1000000000)]),
        ),
        migrations.CreateModel(
            name='Erasure',
            fields=[
                ('id', models.UUIDField(default=tenants.scoping.uuid7, editable=False, primary_key=True, serialize=False)),
                ('end_user_id', models.UUIDField()),
                ('erased_at', models.DateTimeField()),
                ('actor', models.CharField(help_text='Who did it: an API key, a person of our staff, or the command.', max_length=200)),
                ('tenant', models.ForeignKey(editable=False, on_delete=django.db.models.deletion.CASCADE, related_name='+', to='tenants.tenant')),
            ],
            options={
                'ordering': ['-erased_at', '-id'],
            },
        ),
        migrations.CreateModel(
            name='RateBucket',
            fields=[
                ('pk', models.CompositePrimaryKey('tenant_id', 'subject', 'unit', blank=True, editable=False, primary_key=True, serialize=False)),
                ('subject', models.UUIDField(help_text='Id of the API key, of the end user, or of the tenant for its new end users.')),
                ('unit', models.CharField(choices=[('requests', 'Requests'), ('tokens', 'Tokens'), ('end_users', 'new end users, by the hour')], max_length=9)),
                ('full_at', models.DateTimeField()),
                ('tenant', models.ForeignKey(db_index=False, editable=False, on_delete=django.db.models.deletion.CASCADE, related_name='+', to='tenants.tenant')),
            ],
            options={
                'abstract': False,
            },
        ),
        migrations.RunSQL(UNLOGGED, reverse_sql=migrations.RunSQL.noop),
    ]
