"""The guides' pages: the code that they show is the code that is tested, and what they say to type works."""

import re
import subprocess
from pathlib import Path

import pytest

from tests.guides.conftest import EXAMPLES, GUIDES, running_end_user, running_webhook
from tests.guides.issuer import Issuer, claims_of, signed
from tests.guides.stripe_account import SECRET, StripeAccount
from tests.live import ROOT
from tests.stage import Stage

SHOWN = {
    "stripe.md": ["stripe_webhook.py"],
    "auth0.md": ["auth0_end_user.py", "end_user_call.py"],
    "firebase.md": ["firebase_end_user.py", "end_user_call.py"],
}
CODE = re.compile(r"^`(\w+\.py)`:\n\n```python\n(.*?)^```$", re.MULTILINE | re.DOTALL)
VARIABLE = re.compile(r"""os\.environ(?:\.get\(|\[)["'](\w+)["']""")


@pytest.mark.parametrize("page", SHOWN)
def test_a_page_shows_the_examples_as_they_are_tested_and_names_each_variable(page: str) -> None:
    text = (GUIDES / page).read_text()
    assert dict(CODE.findall(text)) == {name: (EXAMPLES / name).read_text() for name in SHOWN[page]}
    steps, _, _ = text.partition("## The code")
    read = {variable for name in SHOWN[page] for variable in VARIABLE.findall((EXAMPLES / name).read_text())}
    assert set(re.findall(r"^ *\| `([A-Z0-9_]+)` \|", steps, re.MULTILINE)) == read
    assert steps.index("## What to do") < steps.index("## Try it")


def test_every_example_is_shown_on_a_page() -> None:
    assert {path.name for path in EXAMPLES.glob("*.py")} == {name for names in SHOWN.values() for name in names}


def test_every_link_between_the_pages_leads_somewhere() -> None:
    pages = [ROOT / "README.md", *(ROOT / "docs").rglob("*.md")]
    prose = {page: re.sub(r"```.*?```", "", page.read_text(), flags=re.DOTALL) for page in pages}
    links = [(page, link) for page, text in prose.items() for link in re.findall(r"\]\((?!https?:)([^)#\s]+)[^)\s]*\)", text)]
    assert [f"{page.name}: {link}" for page, link in links if not (page.parent / link).exists()] == []
    listed = {Path(link).name for page, link in links if page.name == "README.md"}
    assert {path.name for path in GUIDES.glob("*.md")} <= listed


def test_every_setting_is_on_the_page_of_settings() -> None:
    read = set(re.findall(r"""env(?:\.\w+)?\("([A-Z_0-9]+)\"""", (ROOT / "cascadeflow_site/settings.py").read_text()))
    named = set(re.findall(r"[A-Z_0-9]{4,}", (GUIDES / "configuration.md").read_text()))
    assert read
    assert read - named == set()


def typed(page: str, port: int, *, of: str, **environment: str) -> str:
    """What a reader sees who types the page's block that calls the example."""
    blocks = re.findall(r"```sh\n(.*?)```", (GUIDES / page).read_text(), re.DOTALL)
    (block,) = (block for block in blocks if of in block)
    run = subprocess.run(
        ["sh", "-c", block.replace(of, f"http://127.0.0.1:{port}/")], env={"PATH": "/usr/bin:/bin", **environment}, capture_output=True, text=True,
        timeout=30, check=True,
    )  # fmt: skip
    return run.stdout


def test_an_event_signed_by_hand_as_the_page_says_is_followed(stage: Stage, stripe_account: StripeAccount) -> None:
    customer = stripe_account.customer("jane")
    stripe_account.subscribe(customer, "pro_monthly")
    with running_webhook(stripe_account, url=stage.site.url, key=stage.cast.acme_admin_key) as server:
        told = typed("stripe.md", server.port, of="http://127.0.0.1:8001/", CUSTOMER=customer, STRIPE_WEBHOOK_SECRET=SECRET)
        assert "200 OK" in told, told + server.log()
        assert told.endswith("Done.\n")
    seen = typed_lookup(stage)
    assert '"external_id":"jane","tier":"pro"' in seen
    assert stage.ask(user="jane").cascadeflow["user_tier"] == "pro"


def typed_lookup(stage: Stage) -> str:
    (block,) = re.findall(r"```sh\n(curl -G .*?)```", (GUIDES / "stripe.md").read_text(), re.DOTALL)
    environment = {"PATH": "/usr/bin:/bin", "CASCADEFLOW_URL": stage.site.url, "KEY_THAT_MAY_READ": stage.cast.acme_admin_key}
    return subprocess.run(["sh", "-c", block], env=environment, capture_output=True, text=True, timeout=30, check=True).stdout


@pytest.mark.parametrize("kind", ["auth0", "firebase"])
def test_a_call_with_a_token_as_the_page_says_is_answered(stage: Stage, issuer: Issuer, kind: str) -> None:
    with running_end_user(kind, issuer, url=stage.site.url, key=stage.cast.acme_key) as server:
        told = typed(f"{kind}.md", server.port, of="http://127.0.0.1:8002/", TOKEN=signed(claims_of(kind, issuer, sub="ann")))
    assert "200 OK" in told
    assert '"tier": "free"' in told
