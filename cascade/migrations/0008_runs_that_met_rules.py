"""Built beside whatever is written meanwhile: the table of runs may be large."""

from django.contrib.postgres.operations import AddIndexConcurrently
from django.db import migrations, models


class Migration(migrations.Migration):

    atomic = False

    dependencies = [
        ('cascade', '0007_the_model_of_a_baseline'),
    ]

    operations = [
        AddIndexConcurrently(
            model_name='cascaderun',
            index=models.Index(condition=models.Q(('domain_evidence__isnull', False)), fields=['tenant', 'started_at'], name='runs_that_met_rules'),
        ),
    ]
