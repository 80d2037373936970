"""Sample data: ninety days of believable calls of made-up companies, booked as the ledger would have booked them.

They are written into demos alone (`Tenant.is_demo`), through the one door that the database has for it: billing/ledger/sql/70_demo.sql. A person
asks for a demo in the console; `make demo-data` makes three, to look at and to measure.
"""
