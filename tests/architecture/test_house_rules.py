"""Rules of the house that no import contract can keep."""

import ast
import subprocess
import sys

import pytest

from cascadeflow_site.embedded import BASE

SOURCES = [path for app in ("cascadeflow_site", "tenants", "billing", "cascade", "dashboards") for path in (BASE / app).rglob("*.py")]
CLOCKS = {("timezone", "now"), ("datetime", "now"), ("datetime", "utcnow"), ("date", "today")}
EDGES = (
    "api/", "gateway/", "management/", "tasks.py", "views/", "asgi.py", "authentication.py", "serve.py", "admin", "models", "migrations/", "demo.py",
)  # fmt: skip


def test_no_source_file_is_longer_than_400_lines() -> None:
    long = {str(path.relative_to(BASE)): count for path in SOURCES if (count := len(path.read_text().splitlines())) > 400}
    assert not {name: count for name, count in long.items() if "/migrations/" not in name}


def test_no_file_has_a_name_that_says_nothing() -> None:
    assert not [path for path in SOURCES if path.name in {"utils.py", "helpers.py", "common.py", "misc.py", "manager.py"}]


@pytest.mark.parametrize("module", ["litellm", "playwright", "openai", "numpy"])
def test_setting_django_up_does_not_import(module: str) -> None:
    code = f"import django, sys; django.setup(); import cascade.runtime, cascade.gateway.app; sys.exit({module!r} in sys.modules)"
    assert subprocess.run([sys.executable, "-c", code], cwd=BASE, check=False).returncode == 0


def test_the_clock_is_read_at_edges_alone() -> None:
    readers = set()
    for path in SOURCES:
        name = str(path.relative_to(BASE))
        if any(edge in name for edge in EDGES):
            continue
        for node in ast.walk(ast.parse(path.read_text())):
            called = node.func if isinstance(node, ast.Call) else None
            if isinstance(called, ast.Attribute) and isinstance(called.value, ast.Name) and (called.value.id, called.attr) in CLOCKS:
                readers.add(f"{name}:{called.lineno}")
    assert not readers


def test_money_is_never_a_float() -> None:
    for path in (BASE / "billing").rglob("*.py"):
        if "migrations" in str(path):
            continue
        for node in ast.walk(ast.parse(path.read_text())):
            if isinstance(node, ast.Call) and isinstance(node.func, ast.Name):
                assert node.func.id != "float", f"{path.relative_to(BASE)}:{node.lineno} makes a float"


def test_no_committed_file_names_a_package_index_or_a_machines_path() -> None:
    files = subprocess.run(["git", "ls-files", "-z"], cwd=BASE, capture_output=True, text=True, check=False).stdout.split("\0")
    if not files[0]:
        pytest.skip("not a git checkout")
    indexes = ["/".join(("pypi.org", "simple")), "files.pythonhosted" + ".org", "registry.npmjs" + ".org"]
    for name in filter(None, files):
        text = (BASE / name).read_bytes() if (BASE / name).is_file() else b""
        assert not [index for index in indexes if index.encode() in text], name
        assert str(BASE).encode() + b"/" not in text, name
