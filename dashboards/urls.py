"""Every page of the console, and what a person must be allowed to see or to change there. What each role may do stands in tenants/roles.py."""

from django.urls import path

from dashboards.access import action, page
from dashboards.navigation import SEE_COSTS, SEE_OVERVIEW, SEE_RUNS
from dashboards.screens.budgets import Budgets
from dashboards.screens.rules import Rules
from dashboards.screens.runs import Runs
from dashboards.screens.tiers import Tiers
from dashboards.views import budgets, costs, overview, preset_drafts, presets, rules, runs, shell, start, tiers
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
    *ResourcePages(Tiers()).pages(route="tiers", see=Permission.SEE_POLICIES, change=Permission.EDIT_TIERS),
    page("tiers/<uuid:pk>/", tiers.one, name="tiers_one", see=Permission.SEE_POLICIES),
    page("tiers/<uuid:pk>/preview/", tiers.preview, name="tiers_preview", see=Permission.SEE_POLICIES),
    action("tiers/<uuid:pk>/delete/", tiers.delete, name="tiers_delete", needs=Permission.EDIT_TIERS),
    page("presets/", presets.listing, name="presets", see=Permission.SEE_POLICIES),
    page("presets/<slug:preset>/", presets.one, name="presets_one", see=Permission.SEE_POLICIES),
    page("presets/<slug:preset>/copy/", presets.copy, name="presets_copy", see=Permission.PUBLISH_PRESETS, change=Permission.PUBLISH_PRESETS),
    page("presets/<slug:preset>/rollout/", presets.rollout, name="presets_rollout", see=Permission.SEE_POLICIES, change=Permission.PUBLISH_PRESETS),
    action("presets/<slug:preset>/rollback/", presets.rollback, name="presets_rollback", needs=Permission.PUBLISH_PRESETS),
    page("presets/<slug:preset>/compare/", preset_drafts.comparison, name="presets_compare", see=Permission.SEE_POLICIES),
    page("presets/<slug:preset>/draft/", preset_drafts.edit, name="presets_draft", see=Permission.DRAFT_PRESETS, change=Permission.DRAFT_PRESETS),
    action("presets/<slug:preset>/publish/", preset_drafts.publish, name="presets_publish", needs=Permission.PUBLISH_PRESETS),
    action("presets/<slug:preset>/discard/", preset_drafts.discard, name="presets_discard", needs=Permission.DRAFT_PRESETS),
    *ResourcePages(Rules()).pages(route="rules", see=Permission.SEE_POLICIES, change=Permission.EDIT_RULES),
    page("rules/test/", rules.test, name="rules_test", see=Permission.SEE_POLICIES, change=Permission.SEE_POLICIES),
    page("rules/batch/", rules.batch, name="rules_batch", see=Permission.SEE_POLICIES, change=Permission.SEE_POLICIES),
    action("rules/<uuid:pk>/delete/", rules.delete, name="rules_delete", needs=Permission.EDIT_RULES),
    page("start/", start.start, name="start", see=Permission.MANAGE_OWN_KEYS, change=Permission.MANAGE_OWN_KEYS),
    page("start/first/", start.first_call, name="start_first", see=Permission.MANAGE_OWN_KEYS),
]
