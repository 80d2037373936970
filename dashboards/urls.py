"""Every page of the console, and what a person must be allowed to see or to change there. What each role may do stands in tenants/roles.py."""

from django.urls import path

from dashboards.access import action, page
from dashboards.navigation import SEE_COSTS, SEE_OVERVIEW, SEE_RUNS
from dashboards.screens.audit import AuditLog
from dashboards.screens.budgets import Budgets
from dashboards.screens.runs import Runs
from dashboards.views import audit, budgets, costs, months, overview, reconciliations, reports, runs, settings, shell, start, statements
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
    action("budgets/<uuid:pk>/override/", budgets.override, name="budgets_override", needs=Permission.EDIT_BUDGET_LIMITS),
    action("budgets/<uuid:pk>/pause/", budgets.pause, name="budgets_pause", needs=Permission.EDIT_BUDGETS),
    action("budgets/<uuid:pk>/end/", budgets.end, name="budgets_end", needs=Permission.EDIT_BUDGETS),
    page("audit/", ResourcePages(AuditLog()).listing, name="audit", see=Permission.SEE_AUDIT),
    page("audit/file/", audit.file, name="audit_file", see=Permission.SEE_AUDIT),
    page("settings/", settings.settings, name="settings", see=Permission.EDIT_SETTINGS, change=Permission.EDIT_SETTINGS),
    page("start/", start.start, name="start", see=Permission.MANAGE_OWN_KEYS, change=Permission.MANAGE_OWN_KEYS),
    page("start/first/", start.first_call, name="start_first", see=Permission.MANAGE_OWN_KEYS),
]
