"""Cost entries live in monthly partitions, are only ever added, and feed the day rollups as they come."""

from django.db import migrations

SQL = """
CREATE TABLE billing_costentry_partitioned (LIKE billing_costentry INCLUDING DEFAULTS INCLUDING CONSTRAINTS) PARTITION BY RANGE (booked_at);
DROP TABLE billing_costentry;
ALTER TABLE billing_costentry_partitioned RENAME TO billing_costentry;
ALTER TABLE billing_costentry ADD PRIMARY KEY (id, booked_at);
ALTER TABLE billing_costentry ADD CONSTRAINT billing_costentry_tenant_id_fk
  FOREIGN KEY (tenant_id) REFERENCES tenants_tenant (id) DEFERRABLE INITIALLY DEFERRED;
CREATE INDEX entries_by_time ON billing_costentry (tenant_id, booked_at DESC, id DESC);
CREATE INDEX entries_by_hold ON billing_costentry (reservation_id);
CREATE TABLE billing_costentry_rest PARTITION OF billing_costentry DEFAULT;

CREATE FUNCTION billing_refuse_change() RETURNS trigger LANGUAGE plpgsql AS $$ BEGIN RAISE EXCEPTION 'append-only'; END $$;
CREATE FUNCTION billing_roll_up() RETURNS trigger LANGUAGE plpgsql AS $$ BEGIN RAISE EXCEPTION 'not installed'; END $$;
CREATE TRIGGER refuse_change BEFORE UPDATE OR DELETE ON billing_costentry FOR EACH ROW EXECUTE FUNCTION billing_refuse_change();
CREATE TRIGGER refuse_truncate BEFORE TRUNCATE ON billing_costentry FOR EACH STATEMENT EXECUTE FUNCTION billing_refuse_change();
CREATE TRIGGER refuse_truncate BEFORE TRUNCATE ON billing_costentry_rest FOR EACH STATEMENT EXECUTE FUNCTION billing_refuse_change();
CREATE TRIGGER roll_up AFTER INSERT ON billing_costentry REFERENCING NEW TABLE AS booked
  FOR EACH STATEMENT EXECUTE FUNCTION billing_roll_up();

ALTER TABLE billing_budgetwindow SET (fillfactor = 50);
ALTER TABLE billing_reservation SET (fillfactor = 70, autovacuum_vacuum_scale_factor = 0.02);
ALTER TABLE billing_dayrollup SET (fillfactor = 60);
"""


class Migration(migrations.Migration):
    dependencies = [("billing", "0001_initial")]

    operations = [migrations.RunSQL(SQL, reverse_sql=migrations.RunSQL.noop)]
