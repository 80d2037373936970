"""Indexes by which end users are found in the console. Built beside what is written meanwhile: calls find and make end users all the time."""

from django.contrib.postgres.operations import AddIndexConcurrently
from django.db import migrations, models
from django.db.models.functions import Collate


class Migration(migrations.Migration):
    atomic = False

    dependencies = [
        ('tenants', '0005_a_currency_beside_dollars'),
    ]

    operations = [
        AddIndexConcurrently('enduser', models.Index(models.F('tenant'), Collate('external_id', 'C'), name='end_users_by_name')),
        AddIndexConcurrently(
            'enduser', models.Index(models.F('tenant'), Collate('external_id', 'C'), condition=models.Q(is_blocked=True), name='blocked_end_users')
        ),
    ]
