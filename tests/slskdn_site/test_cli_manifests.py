"""`./slskdn jobs export`, `import` and `restore`, as people type them."""

from __future__ import annotations

import io
import json
import os
import subprocess
import sys
import uuid
from pathlib import Path

import pytest

from apps.domain.jobs.job_manifest import read_manifests
from apps.jobs.models import Job
from apps.jobs.services import job_create
from slskdn_site.cli.main import main
from tests.prepared import prepared_copy

pytestmark = pytest.mark.django_db(transaction=True)


def made(**given: object) -> uuid.UUID:
    return job_create(kind="mb_release", target_mbid=uuid.uuid4(), **given).id  # type: ignore[arg-type]


def test_a_job_is_exported_and_imported_again(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    job = made(constraints={"allow_lossy": False})
    file = tmp_path / "job.yaml"
    assert main(["jobs", "export", str(job), str(file)]) == 0
    assert main(["jobs", "export", str(job)]) == 0
    text = capsys.readouterr().out
    assert file.read_text() == text
    assert read_manifests(text)[0].job_id == job

    assert main(["jobs", "import", str(file), "--dry-run"]) == 0
    said = capsys.readouterr().out
    assert f"new id: {job} is here already" in said
    assert "dry run" in said
    assert Job.objects.count() == 1
    assert main(["jobs", "import", str(file), "--json"]) == 0
    (one,) = json.loads(capsys.readouterr().out)["jobs"]
    assert Job.objects.get(id=one["job_id"]).imported_from == job
    assert capsys.readouterr().err == ""
    assert main(["jobs", "import", str(file), "--allow-duplicate-id"]) == 0
    assert "is here already" in capsys.readouterr().out
    assert Job.objects.count() == 2


def test_an_import_says_what_it_made_and_logs_nothing_beside_it(tmp_path: Path) -> None:
    """As a process: where tests run, other handlers take what is logged."""
    job = made()
    file, data = tmp_path / "job.yaml", tmp_path / "data"
    assert main(["jobs", "export", str(job), str(file)]) == 0
    inherited = {key: value for key, value in os.environ.items() if not key.startswith(("SLSKDN_", "DJANGO_"))}
    environment = {**inherited, "SLSKDN_DATA": str(data)}

    def run(*words: str) -> subprocess.CompletedProcess[str]:
        command = [sys.executable, "-m", *words]
        return subprocess.run(command, env=environment, capture_output=True, text=True, check=True, timeout=120)

    prepared_copy(data)
    told = run("slskdn_site.cli", "jobs", "import", str(file))
    assert told.stdout.startswith(str(job))
    assert " INFO " not in told.stderr + told.stdout
    environment["SLSKDN_LOG_LEVEL"] = "INFO"
    assert "INFO apps.jobs.services_import" in run("slskdn_site.cli", "jobs", "import", str(file)).stderr, (
        "who asks for it"
    )


def test_a_job_is_read_from_standard_input(capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch) -> None:
    assert main(["jobs", "export", str(made())]) == 0
    text = capsys.readouterr().out
    Job.objects.all().delete()
    monkeypatch.setattr("sys.stdin", io.TextIOWrapper(io.BytesIO(text.encode())))
    assert main(["jobs", "import", "-"]) == 0
    assert Job.objects.count() == 1


def test_one_wrong_file_refuses_all_of_them_with_its_name_and_line(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    good, bad = tmp_path / "good.yaml", tmp_path / "bad.yaml"
    assert main(["jobs", "export", str(made()), str(good)]) == 0
    bad.write_text(good.read_text().replace("type: mb_release", "type: mixtape"))
    Job.objects.all().delete()
    assert main(["jobs", "import", str(good), str(bad)]) == 1
    assert f"{bad}, line 3: type is one of" in capsys.readouterr().err
    assert main(["jobs", "import", str(tmp_path / "nothing.yaml")]) == 1
    assert "nothing.yaml: There is no such file. [manifest_file_missing]" in capsys.readouterr().err
    assert main(["jobs", "import", str(tmp_path)]) == 1
    assert "regular file" in capsys.readouterr().err
    assert Job.objects.count() == 0


def test_everything_is_exported_to_a_folder_and_restored_twice_to_the_same(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    alone = made()
    parent = job_create(kind="discography", target_mbid=uuid.uuid4()).id
    child = job_create(kind="mb_release", target_mbid=uuid.uuid4(), parent_id=parent).id
    assert main(["jobs", "export", "--all", "--out", str(tmp_path / "out")]) == 0
    assert main(["jobs", "export", "--all"]) == 0
    assert {one.job_id for one in read_manifests(capsys.readouterr().out)} == {alone, parent}
    Job.objects.all().delete()
    (tmp_path / "out" / "active" / "broken.yaml").write_text("- no\n")
    assert main(["jobs", "restore", str(tmp_path / "out"), "--dry-run"]) == 1
    assert "3 jobs would come back" in capsys.readouterr().out
    assert Job.objects.count() == 0
    assert main(["jobs", "restore", str(tmp_path / "out")]) == 1
    told = capsys.readouterr()
    assert "3 jobs came back" in told.out
    assert "broken.yaml, line 1" in told.err
    assert Job.objects.get(id=child).parent_id == parent
    (tmp_path / "out" / "active" / "broken.yaml").unlink()
    assert main(["jobs", "restore", str(tmp_path / "out"), "--json"]) == 0
    assert {one["outcome"] for one in json.loads(capsys.readouterr().out)["jobs"]} == {"kept"}
    assert main(["jobs", "restore", str(tmp_path / "elsewhere")]) == 1


@pytest.mark.parametrize("words", [["export"], ["export", "nonsense"], ["export", str(uuid.UUID(int=5))]])
def test_what_is_no_job_is_said(words: list[str], capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["jobs", *words]) == 1
    assert "[job_unknown]" in capsys.readouterr().err
