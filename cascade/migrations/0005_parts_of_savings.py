"""Where a saving comes from: caching, own prices, budgets that degrade; the rest is routing. Earlier runs count as routing whole."""

from django.db import migrations, models


class Migration(migrations.Migration):

    dependencies = [
        ('cascade', '0004_run_days'),
    ]

    operations = [
        migrations.AddField(
            model_name='cascaderun',
            name='score',
            field=models.FloatField(help_text='How good the served answer is held to be, 0 to 1; empty where it was not judged.', null=True),
        ),
        migrations.AddField(
            model_name='cascaderun',
            name='saved_by_cache_nusd',
            field=models.BigIntegerField(db_default=0, default=0, help_text='Of baseline minus cost, what caching made up.'),
        ),
        migrations.AddField(
            model_name='cascaderun',
            name='saved_by_price_nusd',
            field=models.BigIntegerField(db_default=0, default=0, help_text="Of it, what prices of the tenant's own made up."),
        ),
        migrations.AddField(
            model_name='runday',
            name='by_cache_nusd',
            field=models.BigIntegerField(db_default=0, help_text='Of what was saved, the part of caching.'),
        ),
        migrations.AddField(
            model_name='runday',
            name='by_degrade_nusd',
            field=models.BigIntegerField(db_default=0, help_text='The part of cheaper paths that budgets left.'),
        ),
        migrations.AddField(
            model_name='runday',
            name='by_price_nusd',
            field=models.BigIntegerField(db_default=0, help_text="The part of prices of the tenant's own."),
        ),
    ]
