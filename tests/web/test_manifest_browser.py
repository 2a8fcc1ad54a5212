"""Importing and exporting jobs in a real Chromium: light and dark, wide and narrow, with files, with mistakes, through to the made job."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from apps.domain.jobs.job_manifest import read_manifests
from tests.web.browsing import Site, Watched, browser, each_look, photograph, pytestmark, see_clean, sign_in, start

if TYPE_CHECKING:
    from playwright.sync_api import Browser

__all__ = ["browser", "pytestmark"]

SAMPLE = """\
manifest_version: "1.0"
job_id: 0f4de638-56f3-4a0f-b8fa-64f85c6b6a8f
type: discography
mb_artist_id: 8ca01f46-53ac-4af2-8516-55a909c0905e
artist: My Bloody Valentine
created_at: 2026-01-31T15:30:00Z
children:
- job_id: 1f4de638-56f3-4a0f-b8fa-64f85c6b6a8f
  type: mb_release
  mb_release_id: c0d0c0a4-4a26-4d74-9c02-67c9321b3b22
  title: Loveless, with a title that is a good deal longer than the column which it stands in has room for
  artist: My Bloody Valentine
  tracks:
  - {position: 1, title: Only Shallow}
  - {position: 2, title: Loomer}
  status: {state: running, completed_tracks: [1]}
"""


@pytest.fixture(scope="module")
def site(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Site]:
    yield from start(tmp_path_factory.mktemp("manifests"), rows=12, debug=False)


def look(watched: Watched, site: Site, tmp_path: Path, text: str) -> None:
    file = tmp_path / "from elsewhere.yaml"
    file.write_text(text)
    watched.page.goto(f"{site.base}/jobs/import")
    watched.page.set_input_files("#import-files", [str(file)])
    watched.page.get_by_role("button", name="Show what would be made").click()
    watched.page.wait_for_load_state()


@each_look
def test_the_pages_are_clean_and_readable(browser: Browser, site: Site, tmp_path: Path, theme: str, width: int) -> None:
    watched = sign_in(browser, site, theme=theme, width=width)
    look(watched, site, tmp_path, SAMPLE)
    assert watched.page.get_by_text("2 jobs would be made").is_visible()
    assert watched.page.evaluate("document.documentElement.scrollWidth <= innerWidth")
    photograph(watched.page, f"import-look-{theme}-{width}")
    look(watched, site, tmp_path, SAMPLE.replace("discography", "mixtape"))
    assert watched.page.get_by_text("from elsewhere.yaml, line 3: type is one of").is_visible()
    photograph(watched.page, f"import-refused-{theme}-{width}")
    watched.complaints[:] = [said for said in watched.complaints if "400" not in said]
    see_clean(watched, site, {"arriving": "/", "import": "/jobs/import"}, name=f"manifests-{theme}-{width}")


def test_a_job_goes_out_and_comes_in(browser: Browser, site: Site, tmp_path: Path) -> None:
    watched = sign_in(browser, site)
    page = watched.page
    with page.expect_download() as caught:
        page.get_by_role("link", name="Export").click()
    jobs = tmp_path / "jobs.yaml"
    caught.value.save_as(jobs)
    exported = read_manifests(jobs.read_bytes())
    assert exported
    page.locator("tbody input[data-select]").first.check()
    with page.expect_download() as caught:
        page.get_by_role("button", name="Export").click()
    caught.value.save_as(tmp_path / "one.yaml")
    assert len(read_manifests((tmp_path / "one.yaml").read_bytes())) == 1

    look(watched, site, tmp_path, SAMPLE)
    page.get_by_role("button", name="Make these 2 jobs").click()
    page.wait_for_url(f"{site.base}/jobs/0f4de638-56f3-4a0f-b8fa-64f85c6b6a8f")
    assert page.get_by_text("waits until the library was read").first.is_visible()
    photograph(page, "imported-tree")
    with page.expect_download() as caught:
        page.get_by_role("link", name="Export").click()
    caught.value.save_as(tmp_path / "tree.yaml")
    (tree,) = read_manifests((tmp_path / "tree.yaml").read_bytes())
    assert [child.tracks[0].title for child in tree.children] == ["Only Shallow"]
    look(watched, site, tmp_path, SAMPLE)
    assert page.get_by_text("another job has its id").first.is_visible()
    page.context.close()
    assert not watched.complaints
    assert not watched.strangers
