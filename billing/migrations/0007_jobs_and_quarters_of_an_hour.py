import django.contrib.postgres.indexes
import django.db.models.deletion
from django.db import migrations, models


class Migration(migrations.Migration):

    dependencies = [
        ('billing', '0006_adjustments_and_prices_of_long_prompts'),
        ('tenants', '0002_limits_and_erasures'),
    ]

    operations = [
        migrations.CreateModel(
            name='JobStanding',
            fields=[
                ('name', models.CharField(max_length=64, primary_key=True, serialize=False)),
                ('every_seconds', models.FloatField(help_text='How often it is due.')),
                ('started_at', models.DateTimeField(null=True)),
                ('ended_at', models.DateTimeField(help_text='When the last run ended, well or not.', null=True)),
                ('succeeded_at', models.DateTimeField(null=True)),
                ('failed_at', models.DateTimeField(null=True)),
                ('took_ms', models.BigIntegerField(help_text='How long the last run took.', null=True)),
                ('result', models.CharField(blank=True, help_text='What the last good run did.', max_length=200)),
                ('failure', models.CharField(blank=True, help_text='What the last failure was. It stays until the next one.', max_length=500)),
                ('runs', models.BigIntegerField(default=0)),
                ('failures', models.BigIntegerField(default=0)),
                ('holder', models.CharField(blank=True, help_text='The run that is under way.', max_length=64)),
                ('held_until', models.DateTimeField(help_text='When a run that says nothing more counts as dead.', null=True)),
            ],
            options={
                'ordering': ['name'],
            },
        ),
        migrations.CreateModel(
            name='QuarterRollup',
            fields=[
                ('pk', models.CompositePrimaryKey('tenant_id', 'start_at', 'dimension', 'value', blank=True, editable=False, primary_key=True, serialize=False)),
                ('start_at', models.DateTimeField()),
                ('dimension', models.CharField(choices=[('all', 'All'), ('end_user', 'End User'), ('tier', 'Tier'), ('model', 'Model'), ('domain', 'Domain'), ('api_key', 'Api Key')], max_length=16)),
                ('value', models.CharField(blank=True, max_length=255)),
                ('cost_nusd', models.BigIntegerField()),
                ('runs', models.BigIntegerField(help_text='Runs that were booked, whatever became of them.')),
                ('calls', models.BigIntegerField(help_text='Calls to providers that may have cost something.')),
                ('judged', models.BigIntegerField(help_text='Answers that were accepted or rejected.')),
                ('rejected', models.BigIntegerField(help_text='Answers that were rejected, so that the run went on.')),
                ('input_tokens', models.BigIntegerField()),
                ('output_tokens', models.BigIntegerField()),
                ('tenant', models.ForeignKey(editable=False, on_delete=django.db.models.deletion.CASCADE, related_name='+', to='tenants.tenant')),
            ],
            options={
                'ordering': ['start_at', 'dimension', 'value'],
            },
        ),
        migrations.AddIndex(
            model_name='costentry',
            index=django.contrib.postgres.indexes.BrinIndex(autosummarize=True, fields=['booked_at'], name='entries_by_booking', pages_per_range=32),
        ),
        migrations.AddIndex(
            model_name='quarterrollup',
            index=models.Index(fields=['start_at'], name='quarters_by_start'),
        ),
    ]
