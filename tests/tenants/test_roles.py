"""The table of roles, as people were promised it. A row is a permission, a column a role."""

import pytest

from tenants.models import Role
from tenants.roles import ROLES, STAFF, Permission, may, roles_with

TABLE = """
permission          owner  operator  finance  developer  viewer  staff
see_costs           yes    yes       yes      -          yes     yes
see_own_costs       yes    -         -        yes        -       -
see_anomalies       yes    yes       yes      yes        yes     yes
comment_anomalies   yes    yes       yes      -          -       yes
resolve_anomalies   yes    yes       -        -          -       yes
see_runs            yes    yes       -        -          -       yes
see_own_runs        yes    -         -        yes        -       -
see_runs_money      yes    yes       yes      -          yes     yes
see_prompt_text     yes    yes       -        -          -       -
see_reports         yes    yes       yes      -          yes     yes
export              yes    yes       yes      -          -       -
schedule_reports    yes    yes       yes      -          -       -
close_books         yes    -         yes      -          -       -
see_budgets         yes    yes       yes      yes        yes     yes
edit_budget_limits  yes    yes       yes      -          -       yes
edit_budgets        yes    yes       -        -          -       yes
see_policies        yes    yes       yes      yes        yes     yes
draft_presets       yes    yes       -        yes        -       yes
publish_presets     yes    yes       -        -          -       yes
edit_tiers          yes    yes       -        -          -       yes
edit_end_users      yes    yes       -        -          -       yes
erase_end_users     yes    yes       -        -          -       -
edit_rules          yes    yes       -        -          -       yes
use_playground      yes    yes       -        yes        -       yes
manage_own_keys     yes    yes       -        yes        -       yes
manage_keys         yes    yes       -        -          -       yes
edit_providers      yes    yes       -        -          -       yes
see_prices          yes    yes       yes      yes        yes     yes
edit_prices         yes    -         yes      -          -       -
manage_alerts       yes    yes       -        -          -       yes
see_audit           yes    -         yes      -          -       yes
edit_settings       yes    -         -        -          -       -
manage_members      yes    -         -        -          -       -
manage_demo         yes    -         -        -          -       -
"""
HEAD, *ROWS = [line.split() for line in TABLE.strip().splitlines()]


@pytest.mark.parametrize("row", ROWS, ids=lambda row: row[0])
def test_each_role_may_do_what_the_table_says_and_no_more(row: list[str]) -> None:
    permission = Permission(row[0])
    for column, said in zip(HEAD[1:], row[1:], strict=True):
        holds = permission in STAFF if column == "staff" else may(column, permission)
        assert holds == (said == "yes"), f"{column}: {permission}"


def test_the_table_has_every_permission_and_every_role() -> None:
    assert [row[0] for row in ROWS] == [permission.value for permission in Permission]
    assert HEAD[1:] == [*Role.values, "staff"]
    assert set(ROLES) == set(Role)


def test_a_role_that_is_none_may_do_nothing() -> None:
    assert not [permission for permission in Permission if may("root", permission) or may("", permission)]


def test_who_may_is_told_by_name() -> None:
    assert roles_with(Permission.EDIT_PRICES) == [Role.OWNER, Role.FINANCE]
