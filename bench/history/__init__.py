"""Ninety days of believable calls for three made-up companies, written as the ledger would have: for looking at the console, and for measuring it.

Nothing imports this. `make demo-data` runs it on the database that `make run` serves.
"""
