"""Every page of the console, and what a person must be allowed to see or to change there. What each role may do stands in tenants/roles.py."""

from django.urls import path

from dashboards.access import action, page
from dashboards.navigation import SEE_COSTS, SEE_OVERVIEW, SEE_RUNS
from dashboards.screens.audit import AuditLog
from dashboards.screens.budgets import Budgets
from dashboards.screens.rules import Rules
from dashboards.screens.runs import Runs
from dashboards.screens.tiers import Tiers
from dashboards.views import (
    alerts,
    anomalies,
    audit,
    budget_outlooks,
    budgets,
    costs,
    months,
    overview,
    preset_drafts,
    presets,
    reconciliations,
    reports,
    rules,
    runs,
    shell,
    start,
    statements,
    tiers,
)
from dashboards.views.alerts import ChannelPages
from dashboards.views.resource import ResourcePages
from tenants.roles import Permission

urlpatterns = [
    path("", shell.home, name="home"),
    path("preferences/", shell.preferences, name="preferences"),
    page("", overview.overview, name="overview", see=SEE_OVERVIEW),
    page("attention/", overview.attention, name="overview_attention", see=SEE_OVERVIEW),
    page("palette/", shell.palette, name="palette", see=tuple(Permission)),
    page("costs/", costs.costs, name="costs", see=SEE_COSTS),
    page("anomalies/", anomalies.listing, name="anomalies", see=Permission.SEE_ANOMALIES),
    page("anomalies/<uuid:pk>/", anomalies.anomaly, name="anomalies_one", see=Permission.SEE_ANOMALIES),
    action("anomalies/<uuid:pk>/resolve/", anomalies.resolve, name="anomalies_resolve", needs=Permission.RESOLVE_ANOMALIES),
    action("anomalies/<uuid:pk>/snooze/", anomalies.snooze, name="anomalies_snooze", needs=Permission.RESOLVE_ANOMALIES),
    action("anomalies/<uuid:pk>/reopen/", anomalies.reopen, name="anomalies_reopen", needs=Permission.RESOLVE_ANOMALIES),
    action("anomalies/<uuid:pk>/note/", anomalies.note, name="anomalies_note", needs=Permission.COMMENT_ANOMALIES),
    page("runs/", ResourcePages(Runs()).listing, name="runs", see=SEE_RUNS),
    page("runs/<uuid:pk>/", runs.run, name="runs_one", see=SEE_RUNS),
    page("reports/", reports.reports, name="reports", see=Permission.SEE_REPORTS),
    page("reports/read/", statements.read, name="reports_read", see=Permission.SEE_REPORTS),
    page("reports/files/", reports.files, name="reports_files", see=Permission.EXPORT),
    action("reports/files/new/", reports.make, name="reports_make", needs=Permission.EXPORT),
    page("reports/files/<uuid:pk>/", reports.download, name="reports_download", see=Permission.EXPORT),
    action("reports/files/<uuid:pk>/cancel/", reports.cancel, name="reports_cancel", needs=Permission.EXPORT),
    action("reports/files/<uuid:pk>/link/", reports.link, name="reports_link", needs=Permission.EXPORT),
    page("reports/months/", months.months, name="reports_months", see=Permission.SEE_REPORTS),
    action("reports/months/close/", months.close, name="reports_months_close", needs=Permission.CLOSE_BOOKS),
    action("reports/months/reopen/", months.reopen, name="reports_months_reopen", needs=Permission.CLOSE_BOOKS),
    action("reports/months/verify/", months.verify, name="reports_months_verify", needs=Permission.CLOSE_BOOKS),
    page(
        "reports/reconciliations/", reconciliations.reconciliations, name="reports_reconciliations", see=Permission.SEE_REPORTS,
        change=Permission.CLOSE_BOOKS,
    ),
    page(
        "reports/reconciliations/<uuid:pk>/", reconciliations.reconciliation, name="reports_reconciliations_one", see=Permission.SEE_REPORTS,
        change=Permission.CLOSE_BOOKS,
    ),
    *ResourcePages(Budgets()).pages(route="budgets", see=Permission.SEE_BUDGETS, change=Permission.EDIT_BUDGET_LIMITS),
    page("budgets/preview/", budgets.preview, name="budgets_preview", see=Permission.EDIT_BUDGETS),
    page("budgets/<uuid:pk>/preview/", budgets.preview, name="budgets_preview_one", see=Permission.EDIT_BUDGET_LIMITS),
    page("budgets/ahead/", budget_outlooks.ahead, name="budgets_ahead", see=Permission.SEE_BUDGETS),
    page("budgets/<uuid:pk>/", budget_outlooks.one, name="budgets_one", see=Permission.SEE_BUDGETS),
    page("budgets/<uuid:pk>/outlook/", budget_outlooks.outlook, name="budgets_outlook", see=Permission.SEE_BUDGETS),
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
    *ChannelPages(alerts.CHANNELS).pages(route="alerts", see=Permission.MANAGE_ALERTS, change=Permission.MANAGE_ALERTS),
    *ResourcePages(alerts.RULES).pages(route="alerts/rules", see=Permission.MANAGE_ALERTS, change=Permission.MANAGE_ALERTS),
    page("alerts/deliveries/", ResourcePages(alerts.DELIVERIES).listing, name="alerts_deliveries", see=Permission.MANAGE_ALERTS),
    action("alerts/<uuid:pk>/test/", alerts.test, name="alerts_test", needs=Permission.MANAGE_ALERTS, opens_scopes=True),
    action("alerts/<uuid:pk>/pause/", alerts.pause, name="alerts_pause", needs=Permission.MANAGE_ALERTS),
    action("alerts/<uuid:pk>/roll/", alerts.roll, name="alerts_roll", needs=Permission.MANAGE_ALERTS),
    action("alerts/<uuid:pk>/delete/", alerts.delete, name="alerts_delete", needs=Permission.MANAGE_ALERTS),
    action("alerts/rules/<uuid:pk>/delete/", alerts.delete_rule, name="alerts_rules_delete", needs=Permission.MANAGE_ALERTS),
    action("alerts/deliveries/<uuid:pk>/resend/", alerts.resend, name="alerts_deliveries_resend", needs=Permission.MANAGE_ALERTS),
    page("audit/", ResourcePages(AuditLog()).listing, name="audit", see=Permission.SEE_AUDIT),
    page("audit/file/", audit.file, name="audit_file", see=Permission.SEE_AUDIT),
    page("start/", start.start, name="start", see=Permission.MANAGE_OWN_KEYS, change=Permission.MANAGE_OWN_KEYS),
    page("start/first/", start.first_call, name="start_first", see=Permission.MANAGE_OWN_KEYS),
]
