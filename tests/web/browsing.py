"""A running site and a Chromium that looks at it: what all tests of pages share.

Each site is a real server process with a data folder of its own. SLSKDN_SCREENSHOTS names a folder for the photographs, SLSKDN_EVERY_LOOK=1 adds
the other pairs of theme and width.
"""

from __future__ import annotations

import os
import shutil
import socket
import subprocess
import sys
import time
import urllib.error
import urllib.request
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING
from urllib.parse import urlsplit

import pytest

from tests.patience import PATIENCE_S
from tests.prepared import prepared_copy

if TYPE_CHECKING:
    from playwright.sync_api import Browser, Page, StorageState

ROOT = Path(__file__).resolve().parents[2]
CHECK = (Path(__file__).parent / "page_check.js").read_text(encoding="utf-8")
FLAGS = [
    "--no-sandbox",
    "--headless",
    "--disable-gpu",
    "--disable-background-networking",
    "--disable-component-update",
    "--disable-sync",
]
CHROMIUM = os.environ.get("SLSKDN_CHROMIUM") or "/usr/bin/chromium"
pytestmark = [
    pytest.mark.browser,
    pytest.mark.skipif(
        not Path(CHROMIUM).exists(), reason=f"no Chromium at {CHROMIUM} (SLSKDN_CHROMIUM names another)"
    ),
]

_LOOKS = [("light", 1280), ("dark", 390)]
_OTHER_LOOKS = [("dark", 1280), ("light", 390)]
each_look = pytest.mark.parametrize(
    ("theme", "width"), _LOOKS + (_OTHER_LOOKS if os.environ.get("SLSKDN_EVERY_LOOK") == "1" else [])
)
"""Both themes and both widths for every page and size. Contrast depends on the theme and layout on the width, so two of the four pairs show what there
is to see in half the time; SLSKDN_EVERY_LOOK=1 looks at all four."""


@dataclass(frozen=True)
class Site:
    """A running server."""

    base: str
    password: str
    rows: int
    environment: dict[str, str]


def start(folder: Path, *, rows: int, debug: bool, seed: str = "seed") -> Iterator[Site]:
    """A prepared data folder that a module of `tests.web` fills with `rows` of its kind while uvicorn starts on it; stopped at the end."""
    kept = {key: value for key, value in os.environ.items() if not key.startswith(("SLSKDN__", "DJANGO_"))}
    environment = {**kept, "SLSKDN_DATA": str(folder), "SLSKDN_DEBUG": "1" if debug else "0"}
    prepared_copy(folder)
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port = probe.getsockname()[1]
    base = f"http://127.0.0.1:{port}"
    command = [
        sys.executable,
        "-m",
        "uvicorn",
        "slskdn_site.asgi:application",
        "--port",
        str(port),
        "--log-level",
        "warning",
        "--timeout-graceful-shutdown",
        "1",
    ]
    server = subprocess.Popen(command, cwd=ROOT, env=environment)
    try:
        if rows or seed != "seed":
            subprocess.run(
                [sys.executable, "-m", f"tests.web.{seed}", str(rows)],
                cwd=ROOT,
                env=environment,
                check=True,
                timeout=180,
            )
        wait_for(f"{base}/healthz/live", server)
        yield Site(
            base=base,
            password=(folder / "secrets" / "admin_password").read_text().strip(),
            rows=rows,
            environment=environment,
        )
    finally:
        server.terminate()
        server.wait(timeout=20)
        shutil.rmtree(folder, ignore_errors=True)


def wait_for(address: str, server: subprocess.Popen[bytes]) -> None:
    """Until the server answers."""
    ends = time.monotonic() + PATIENCE_S
    while True:
        try:
            urllib.request.urlopen(address, timeout=2).close()
            return
        except (urllib.error.URLError, OSError):
            if server.poll() is not None or time.monotonic() > ends:
                raise
            time.sleep(0.05)


@pytest.fixture(scope="module")
def browser() -> Iterator[Browser]:
    from playwright.sync_api import sync_playwright

    with sync_playwright() as playwright:
        made = playwright.chromium.launch(executable_path=CHROMIUM, args=FLAGS)
        yield made
        made.close()


@dataclass
class Watched:
    """A page and everything it complained about or asked of others."""

    page: Page
    complaints: list[str]
    strangers: list[str]


_signed_in: dict[str, StorageState] = {}
"""What a browser keeps of a site once somebody signed in: address → cookies."""


def sign_in(browser: Browser, site: Site, *, theme: str = "light", width: int = 1280) -> Watched:
    """A fresh browser context, signed in, with its complaints collected. The password is typed once per site: checking it is slow by design."""
    known = _signed_in.get(site.base)
    context = browser.new_context(
        viewport={"width": width, "height": 900},
        color_scheme=theme,  # type: ignore[arg-type]
        reduced_motion="reduce",
        storage_state=known,
    )
    context.set_default_timeout(PATIENCE_S * 1000)
    page = context.new_page()
    watched = Watched(page, [], [])
    page.on(
        "console",
        lambda said: (
            watched.complaints.append(f"{page.url}: {said.text}") if said.type in {"error", "warning"} else None
        ),
    )
    page.on("pageerror", lambda error: watched.complaints.append(f"{page.url}: {error}"))
    page.on(
        "request",
        lambda asked: (
            watched.strangers.append(asked.url)
            if urlsplit(asked.url).netloc != urlsplit(site.base).netloc and not asked.url.startswith("data:")
            else None
        ),
    )
    if known:
        page.goto(f"{site.base}/")
        if urlsplit(page.url).path == "/":
            return watched
    page.goto(f"{site.base}/login")
    page.fill("#id_username", "admin")
    page.fill("#id_password", site.password)
    page.click("button.main")
    page.wait_for_url(f"{site.base}/")
    _signed_in[site.base] = context.storage_state()
    return watched


def photograph(page: Page, name: str) -> None:
    """Keep a picture when somebody wants to look."""
    if folder := os.environ.get("SLSKDN_SCREENSHOTS"):
        Path(folder).mkdir(parents=True, exist_ok=True)
        page.screenshot(path=Path(folder) / f"{name}.png")


def start_seeded(folder: Path, *, seed: str, rows: int) -> Iterator[Site]:
    """A site whose data folder a module of `tests.web` fills with `rows` of its kind."""
    yield from start(folder, rows=rows, debug=False, seed=seed)


def see_clean(watched: Watched, site: Site, pages: Mapping[str, str], *, name: str, opened: bool = False) -> None:
    """Every page is photographed and holds to the rules of `page_check.js`; nothing scrolls sideways, complains or leaves the host.

    `opened`: with everything that folds unfolded. `name`: what ends the pictures' names.
    """
    page = watched.page
    for which, path in pages.items():
        page.goto(site.base + path)
        page.wait_for_selector("main")
        if which == "not-found":
            watched.complaints[:] = [said for said in watched.complaints if "404" not in said]
        if opened:
            # One that was opened is no longer in the list: the first is always the next.
            while (closed := page.locator("details:not([open]) summary")).count():
                closed.first.click()
        photograph(page, f"{which}-{name}")
        faults = page.evaluate(CHECK)
        assert not faults, (which, faults)
        assert page.evaluate("document.documentElement.scrollWidth <= innerWidth"), f"{which} scrolls sideways"
    page.context.close()
    assert not watched.complaints
    assert not watched.strangers


def in_site(site: Site, code: str) -> None:
    """Run some lines beside the server, on its rows."""
    lines = f"import os, django\nos.environ['DJANGO_SETTINGS_MODULE'] = 'slskdn_site.settings'\ndjango.setup()\n{code}"
    subprocess.run([sys.executable, "-c", lines], cwd=ROOT, env=site.environment, check=True, timeout=60)
