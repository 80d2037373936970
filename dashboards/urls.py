"""Every page of the console, and what a person must be allowed to see or to change there. What each role may do stands in tenants/roles.py."""

from django.urls import path

from dashboards.access import action, page
from dashboards.navigation import SEE_COSTS, SEE_OVERVIEW, SEE_RUNS
from dashboards.screens.budgets import Budgets
from dashboards.screens.keys import Keys
from dashboards.screens.runs import Runs
from dashboards.views import budgets, costs, keys, overview, runs, shell, start
from dashboards.views.resource import ResourcePages
from tenants.roles import Permission

urlpatterns = [
    path("", shell.home, name="home"),
    path("preferences/", shell.preferences, name="preferences"),
    page("", overview.overview, name="overview", see=SEE_OVERVIEW),
    page("palette/", shell.palette, name="palette", see=tuple(Permission)),
    page("costs/", costs.costs, name="costs", see=SEE_COSTS),
    page("runs/", ResourcePages(Runs()).listing, name="runs", see=SEE_RUNS),
    page("runs/<uuid:pk>/", runs.run, name="runs_one", see=SEE_RUNS),
    *ResourcePages(Budgets()).pages(route="budgets", see=Permission.SEE_BUDGETS, change=Permission.EDIT_BUDGET_LIMITS),
    page("budgets/preview/", budgets.preview, name="budgets_preview", see=Permission.EDIT_BUDGETS),
    page("budgets/<uuid:pk>/preview/", budgets.preview, name="budgets_preview_one", see=Permission.EDIT_BUDGET_LIMITS),
    action("budgets/<uuid:pk>/override/", budgets.override, name="budgets_override", needs=Permission.EDIT_BUDGET_LIMITS),
    action("budgets/<uuid:pk>/pause/", budgets.pause, name="budgets_pause", needs=Permission.EDIT_BUDGETS),
    action("budgets/<uuid:pk>/end/", budgets.end, name="budgets_end", needs=Permission.EDIT_BUDGETS),
    page("keys/", ResourcePages(Keys()).listing, name="keys", see=Permission.MANAGE_OWN_KEYS),
    page("keys/new/", keys.new, name="keys_new", see=Permission.MANAGE_OWN_KEYS, change=Permission.MANAGE_OWN_KEYS),
    action("keys/<uuid:pk>/roll/", keys.roll, name="keys_roll", needs=Permission.MANAGE_OWN_KEYS),
    action("keys/<uuid:pk>/revoke/", keys.revoke, name="keys_revoke", needs=Permission.MANAGE_OWN_KEYS),
    page("start/", start.start, name="start", see=Permission.MANAGE_OWN_KEYS, change=Permission.MANAGE_OWN_KEYS),
    page("start/first/", start.first_call, name="start_first", see=Permission.MANAGE_OWN_KEYS),
]
