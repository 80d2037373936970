"""Every page of the console, and what a person must be allowed to see or to change there: the one table of permissions by page."""

from django.urls import path

from dashboards.budgets import Budgets
from dashboards.permissions import Permission, action, page
from dashboards.runs import Runs
from dashboards.views import budgets, costs, overview, runs, shell, start
from dashboards.views.resource import ResourcePages

urlpatterns = [
    path("", shell.home, name="home"),
    path("preferences/", shell.preferences, name="preferences"),
    page("", overview.overview, name="overview", see=Permission.SEE_COSTS),
    page("palette/", shell.palette, name="palette", see=Permission.SEE_COSTS),
    page("costs/", costs.costs, name="costs", see=Permission.SEE_COSTS),
    page("runs/", ResourcePages(Runs()).listing, name="runs", see=Permission.SEE_RUNS),
    page("runs/<uuid:pk>/", runs.run, name="runs_one", see=Permission.SEE_RUNS),
    *ResourcePages(Budgets()).pages(route="budgets", see=Permission.SEE_BUDGETS, change=Permission.CHANGE_LIMITS),
    page("budgets/preview/", budgets.preview, name="budgets_preview", see=Permission.CHANGE_BUDGETS),
    page("budgets/<uuid:pk>/preview/", budgets.preview, name="budgets_preview_one", see=Permission.CHANGE_LIMITS),
    action("budgets/<uuid:pk>/override/", budgets.override, name="budgets_override", needs=Permission.CHANGE_LIMITS),
    action("budgets/<uuid:pk>/pause/", budgets.pause, name="budgets_pause", needs=Permission.CHANGE_BUDGETS),
    action("budgets/<uuid:pk>/end/", budgets.end, name="budgets_end", needs=Permission.CHANGE_BUDGETS),
    page("start/", start.start, name="start", see=Permission.START, change=Permission.START),
    page("start/first/", start.first_call, name="start_first", see=Permission.START),
]
