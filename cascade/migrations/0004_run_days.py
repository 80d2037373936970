"""Sums of runs by day. Runs that were made before are summed once; a trigger (cascade/sql/20_run_days.sql) sums those that come."""

import django.db.models.deletion
from django.db import migrations, models

SUM_EARLIER_RUNS = """
INSERT INTO cascade_runday (tenant_id, day, dimension, value, runs, failed, judged, accepted, cost_nusd, compared_nusd, baseline_nusd, latency_ms)
SELECT r.tenant_id, (r.started_at AT TIME ZONE t.time_zone)::date, v.dimension, v.value, count(*), count(*) FILTER (WHERE r.status = 'failed'),
       count(r.draft_accepted), count(*) FILTER (WHERE r.draft_accepted), sum(r.cost_nusd),
       coalesce(sum(r.cost_nusd) FILTER (WHERE r.baseline_nusd IS NOT NULL), 0), coalesce(sum(r.baseline_nusd), 0), round(sum(r.latency_ms))
  FROM cascade_cascaderun r JOIN tenants_tenant t ON t.id = r.tenant_id CROSS JOIN LATERAL (
    VALUES ('all', ''), ('end_user', coalesce(r.end_user_id::text, '')), ('tier', r.tier), ('model', r.model_used), ('domain', r.domain),
           ('api_key', coalesce(r.api_key_id::text, '')), ('preset', left(r.policy_version, 100))
  ) AS v(dimension, value)
 WHERE r.status <> 'shadow'
 GROUP BY 1, 2, 3, 4
"""


class Migration(migrations.Migration):

    dependencies = [
        ('cascade', '0003_presets'),
        ('tenants', '0002_limits_and_erasures'),
    ]

    operations = [
        migrations.CreateModel(
            name='RunDay',
            fields=[
                ('pk', models.CompositePrimaryKey('tenant_id', 'day', 'dimension', 'value', blank=True, editable=False, primary_key=True, serialize=False)),
                ('day', models.DateField()),
                ('dimension', models.CharField(choices=[('all', 'All'), ('end_user', 'End User'), ('tier', 'Tier'), ('model', 'Model'), ('domain', 'Domain'), ('api_key', 'Api Key'), ('preset', 'Preset')], max_length=16)),
                ('value', models.CharField(blank=True, max_length=255)),
                ('runs', models.BigIntegerField()),
                ('failed', models.BigIntegerField()),
                ('judged', models.BigIntegerField(help_text='Runs whose draft was judged.')),
                ('accepted', models.BigIntegerField(help_text='Runs whose draft was accepted.')),
                ('cost_nusd', models.BigIntegerField()),
                ('compared_nusd', models.BigIntegerField(help_text='Cost of the runs that have a baseline.')),
                ('baseline_nusd', models.BigIntegerField(help_text='What the baseline would have cost for the same answers.')),
                ('latency_ms', models.BigIntegerField(help_text='All runs together.')),
                ('tenant', models.ForeignKey(editable=False, on_delete=django.db.models.deletion.CASCADE, related_name='+', to='tenants.tenant')),
            ],
            options={
                'ordering': ['day', 'dimension', 'value'],
            },
        ),
        migrations.RunSQL(SUM_EARLIER_RUNS, migrations.RunSQL.noop),
    ]
