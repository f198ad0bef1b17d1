"""A real Chromium, and tabs in it that remember all that went wrong."""

import os
import shutil
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from typing import Any

import pytest
from axe_playwright_python.sync_playwright import Axe
from playwright.sync_api import Browser, ConsoleMessage, Page, Request, sync_playwright

from tests.serve.conftest import taught_run

__all__ = ["taught_run"]  # the same network as the server's tests have

NAMES = ("chromium", "chromium-browser", "google-chrome")
PATIENCE = 90_000  # milliseconds that any single thing may take on a busy machine
GRAVE = ("serious", "critical")


@pytest.fixture(scope="session")
def browser() -> Iterator[Browser]:
    """The Chromium of this machine, or a skip that says so."""
    path = next((found for name in NAMES if (found := shutil.which(name))), None)
    if path is None:
        pytest.skip("no Chromium here: the tests in a browser are skipped (make chromium)")
    with sync_playwright() as playwright:
        root = hasattr(os, "geteuid") and os.geteuid() == 0
        chromium = playwright.chromium.launch(
            executable_path=path, args=["--no-sandbox"] if root else [], timeout=PATIENCE
        )
        yield chromium
        chromium.close()


@dataclass
class Tab:
    """A page, and what it should never have: errors, and requests to anywhere else."""

    page: Page
    own: str
    refusals: bool
    """Whether the server is meant to refuse something, which Chromium writes into its console."""
    wrong: list[str] = field(default_factory=list)

    def asked(self, request: Request) -> None:
        if not request.url.startswith((self.own, f"blob:{self.own}")):
            self.wrong.append(f"request to {request.url}")

    def said(self, message: ConsoleMessage) -> None:
        refusal = self.refusals and message.text.startswith("Failed to load resource: the server responded")
        if message.type in ("error", "warning") and not refusal:
            self.wrong.append(f"console: {message.text}")

    def faults(self) -> list[str]:
        """What axe-core finds that would shut somebody out."""
        return [
            f"{each['id']}: {node['html']} {node['failureSummary']}"
            for each in Axe().run(self.page).response["violations"]
            if each["impact"] in GRAVE
            for node in each["nodes"]
        ]


Open = Callable[..., Tab]


@pytest.fixture
def tab(browser: Browser) -> Iterator[Open]:
    """Opens an address; after the test nothing may have gone wrong there."""
    opened: list[Tab] = []

    def open_at(url: str, *, refusals: bool = False, **options: Any) -> Tab:
        page = browser.new_context(**options).new_page()
        page.set_default_timeout(PATIENCE)
        new = Tab(page, url.partition("/#")[0].rstrip("/"), refusals)
        page.on("request", new.asked)
        page.on("console", new.said)
        page.on("pageerror", lambda error: new.wrong.append(f"error: {error}"))
        page.goto(url)
        opened.append(new)
        return new

    yield open_at
    for each in opened:
        each.page.context.close()
        assert each.wrong == []
