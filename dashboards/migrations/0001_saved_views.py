"""Views that people keep in the console."""

import django.db.models.deletion
import tenants.scoping
from django.conf import settings
from django.db import migrations, models


class Migration(migrations.Migration):

    initial = True

    dependencies = [
        ('tenants', '0003_accounts_and_audit'),
        migrations.swappable_dependency(settings.AUTH_USER_MODEL),
    ]

    operations = [
        migrations.CreateModel(
            name='SavedView',
            fields=[
                ('id', models.UUIDField(default=tenants.scoping.uuid7, editable=False, primary_key=True, serialize=False)),
                ('name', models.CharField(max_length=100)),
                ('page', models.CharField(help_text='Name of the page in dashboards/urls.py.', max_length=32)),
                ('query', models.CharField(blank=True, help_text='Of its address, ranges of days as they are said.', max_length=2000)),
                ('is_shared', models.BooleanField(default=False)),
                ('is_home', models.BooleanField(default=False, help_text='Is it what its owner sees first?')),
                ('created_at', models.DateTimeField(auto_now_add=True)),
                ('owner', models.ForeignKey(editable=False, on_delete=django.db.models.deletion.CASCADE, related_name='+', to=settings.AUTH_USER_MODEL)),
                ('tenant', models.ForeignKey(editable=False, on_delete=django.db.models.deletion.CASCADE, related_name='+', to='tenants.tenant')),
            ],
            options={
                'ordering': ['page', 'name', 'id'],
                'constraints': [models.UniqueConstraint(fields=('tenant', 'owner', 'name'), name='one_view_per_name'), models.UniqueConstraint(condition=models.Q(('is_home', True)), fields=('tenant', 'owner'), name='one_home_per_person')],
            },
        ),
    ]
