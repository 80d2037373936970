"""The console's menu: which pages there are, in which order, and what a person must be allowed for each."""

from collections.abc import Mapping, Sequence

from django.urls import reverse
from msgspec import Struct

from dashboards.access import may
from tenants.models import Membership
from tenants.roles import Permission

SEE_OVERVIEW = (Permission.SEE_COSTS,)
SEE_COSTS = (Permission.SEE_COSTS, Permission.SEE_OWN_COSTS)
SEE_RUNS = (Permission.SEE_RUNS, Permission.SEE_OWN_RUNS, Permission.SEE_RUNS_MONEY)
"""Who sees only some: dashboards/own_keys.py and views/runs.py."""


class Entry(Struct, frozen=True, kw_only=True):
    """One line of the menu. `name` is the page's name in dashboards/urls.py, `key` what is pressed after g, `icon` of console/icons.html."""

    label: str
    name: str
    icon: str
    needs: Sequence[Permission]
    key: str = ""
    count: str = ""
    """Name of the count of open problems in dashboards/shell.py, where the entry shows one."""
    leaves: bool = False
    """Does it leave the menu once the tenant has started? Its address and the palette still lead to it."""


class Section(Struct, frozen=True, kw_only=True):
    label: str
    entries: Sequence[Entry]


class Link(Struct, frozen=True, kw_only=True):
    """An entry as it is shown to one person in one tenant."""

    entry: Entry
    url: str
    is_current: bool
    count: int = 0


class ShownSection(Struct, frozen=True, kw_only=True):
    label: str
    links: Sequence[Link]


SECTIONS: Sequence[Section] = (
    Section(
        label="Monitor",
        entries=(
            Entry(label="Overview", name="overview", icon="home", needs=SEE_OVERVIEW, key="o"),
            Entry(label="Cost explorer", name="costs", icon="cost", needs=SEE_COSTS, key="c"),
            Entry(label="Savings", name="savings", icon="save", needs=(Permission.SEE_COSTS,), key="i"),
            Entry(
                label="Anomalies", name="anomalies", icon="anom", needs=(Permission.SEE_ANOMALIES,), key="a", count="anomalies_open",
            ),
            Entry(label="Runs", name="runs", icon="run", needs=SEE_RUNS, key="r"),
            Entry(label="Reports", name="reports", icon="rep", needs=(Permission.SEE_REPORTS,), key="e"),
        ),
    ),
    Section(
        label="Control",
        entries=(
            Entry(label="Budgets", name="budgets", icon="bud", needs=(Permission.SEE_BUDGETS,), key="b", count="budgets_over"),
            Entry(label="End users", name="users", icon="me", needs=(Permission.SEE_COSTS,), key="n"),
            Entry(label="Tiers and policies", name="tiers", icon="tier", needs=(Permission.SEE_POLICIES,), key="t"),
            Entry(label="Presets", name="presets", icon="pre", needs=(Permission.SEE_POLICIES,), key="p"),
            Entry(label="Domain rules", name="rules", icon="rule", needs=(Permission.SEE_POLICIES,), key="d"),
            Entry(label="What if?", name="what_if", icon="if", needs=(Permission.SEE_COSTS,), key="w"),
        ),
    ),
    Section(
        label="Build",
        entries=(
            Entry(label="Playground", name="playground", icon="play", needs=(Permission.USE_PLAYGROUND,), key="y"),
            Entry(label="API keys", name="keys", icon="key", needs=(Permission.MANAGE_OWN_KEYS,), key="k"),
            Entry(label="Models and prices", name="models", icon="price", needs=(Permission.SEE_PRICES,), key="m"),
            Entry(label="Providers", name="providers", icon="prov", needs=(Permission.EDIT_PROVIDERS,), key="v"),
            Entry(label="Start", name="start", icon="start", needs=(Permission.MANAGE_OWN_KEYS,), key="s", leaves=True),
        ),
    ),
    Section(
        label="Organisation",
        entries=(
            Entry(label="Alerts", name="alerts", icon="bell", needs=(Permission.MANAGE_ALERTS,), key="l"),
            Entry(label="Audit log", name="audit", icon="log", needs=(Permission.SEE_AUDIT,), key="u"),
            Entry(label="Members", name="members", icon="team", needs=(Permission.MANAGE_MEMBERS,)),
            Entry(label="Settings", name="settings", icon="set", needs=(Permission.EDIT_SETTINGS,)),
        ),
    ),
)


def menu_of(membership: Membership, *, current: str, counts: Mapping[str, int]) -> list[ShownSection]:
    """Return the menu of one person: what they may not use is not in it, and a section without entries neither.

    `current` is the name of the page that is shown: "budget_edit" belongs to "budgets", since an entry's own name leads it.
    """
    sections = []
    for section in SECTIONS:
        links = [
            Link(
                entry=entry, url=reverse(entry.name, args=[membership.tenant.slug]), is_current=belongs(current, entry),
                count=counts.get(entry.count, 0),
            )
            for entry in section.entries
            if may(membership, *entry.needs) and not (entry.leaves and membership.tenant.started_at and not belongs(current, entry))
        ]
        if links:
            sections.append(ShownSection(label=section.label, links=links))
    return sections


def first_page_of(permissions: frozenset[Permission]) -> str:
    """Return the name of the first page of the menu for somebody who may do this."""
    return next(entry.name for section in SECTIONS for entry in section.entries if not permissions.isdisjoint(entry.needs))


def belongs(current: str, entry: Entry) -> bool:
    """Is the page `current` the entry's own, or one below it? Below "budgets" are "budgets_new" and "budgets_edit"."""
    return current == entry.name or current.startswith(f"{entry.name}_")


def entry_of(current: str) -> Entry | None:
    """Return the menu's entry under which a page is shown."""
    return next((entry for section in SECTIONS for entry in section.entries if belongs(current, entry)), None)
