"""Files for finance that come again and again, by mail."""

import django.contrib.postgres.fields
import django.core.validators
import django.db.models.deletion
import tenants.scoping
from django.db import migrations, models


class Migration(migrations.Migration):

    dependencies = [
        ('billing', '0011_months_are_closed_and_exports_written'),
        ('tenants', '0003_accounts_and_audit'),
    ]

    operations = [
        migrations.CreateModel(
            name='ReportSchedule',
            fields=[
                ('id', models.UUIDField(default=tenants.scoping.uuid7, editable=False, primary_key=True, serialize=False)),
                ('name', models.CharField(max_length=200)),
                ('wanted', models.JSONField(help_text='What the file holds, as an export is asked for, without the days.')),
                ('every', models.CharField(choices=[('day', 'day'), ('week', 'week'), ('month', 'month')], default='month', max_length=8)),
                ('working_day', models.PositiveSmallIntegerField(default=2, help_text='On which working day of the week or month it leaves, Monday to Friday; holidays are not known.', validators=[django.core.validators.MinValueValidator(1), django.core.validators.MaxValueValidator(5)])),
                ('hour', models.PositiveSmallIntegerField(default=6, help_text="Of the tenant's day.", validators=[django.core.validators.MaxValueValidator(23)])),
                ('recipients', django.contrib.postgres.fields.ArrayField(base_field=models.EmailField(max_length=254), help_text='Whom the mail with the link goes to.', size=None)),
                ('is_active', models.BooleanField(default=True)),
                ('due_at', models.DateTimeField(editable=False)),
                ('first', models.DateField(editable=False, help_text='First day that the next file is about.')),
                ('last', models.DateField(editable=False)),
                ('sent_at', models.DateTimeField(editable=False, null=True)),
                ('failure', models.CharField(blank=True, editable=False, help_text='Why the last file was not sent, in words.', max_length=500)),
                ('created_by', models.CharField(editable=False, max_length=200)),
                ('created_at', models.DateTimeField(auto_now_add=True)),
                ('export', models.ForeignKey(editable=False, help_text='The file under way.', null=True, on_delete=django.db.models.deletion.SET_NULL, related_name='+', to='billing.exportjob')),
                ('tenant', models.ForeignKey(editable=False, on_delete=django.db.models.deletion.CASCADE, related_name='+', to='tenants.tenant')),
            ],
            options={
                'ordering': ['name', 'id'],
                'indexes': [models.Index(condition=models.Q(('is_active', True)), fields=['due_at'], name='reports_that_are_due')],
                'constraints': [models.CheckConstraint(condition=models.Q(('working_day__gte', 1), ('working_day__lte', 5)), name='a_week_has_five_working_days'), models.CheckConstraint(condition=models.Q(('hour__lte', 23)), name='a_report_has_an_hour')],
            },
        ),
    ]
