"""Labels over HTTP and by command line."""

from __future__ import annotations

import json
import uuid

import pytest
from rest_framework.test import APIClient

from apps.domain.catalog.identity import label_name_id
from tests.apps.mesh.label_rows import SUB_POP, hear, sighted
from tests.web.test_label_pages import MOTOWN, listed

pytestmark = pytest.mark.django_db


def test_the_list_is_paged_and_searched(viewer_api: APIClient) -> None:
    hear(
        *(sighted(n, label=f"Label {n}", label_mbid=None) for n in range(5)),
        *(sighted(9, peer=f"p{n}") for n in range(3)),
    )
    first = viewer_api.get("/api/mesh/labels?limit=4").json()
    assert first["items"][0]["name"] == "Sub Pop"
    assert first["items"][0]["popularity"] == pytest.approx(3.0, rel=1e-3)
    assert first["totals"] == {"labels": 6, "releases": 6, "peers": 4}
    second = viewer_api.get("/api/mesh/labels", {"limit": 4, "cursor": first["next"]}).json()
    assert len(second["items"]) == 2
    found = viewer_api.get("/api/mesh/labels?search=sub").json()["items"]
    assert [one["label_mbid"] for one in found] == [str(SUB_POP)]
    assert viewer_api.get("/api/mesh/labels?cursor=x").json()["code"] == "cursor_invalid"


def test_one_label_tells_where_its_releases_come_from(viewer_api: APIClient, operator_api: APIClient) -> None:
    hear(sighted(1, quality=0.5))
    heard = viewer_api.get(f"/api/mesh/labels/{SUB_POP}").json()
    assert (heard["releases_from"], heard["total"], heard["figures"]["peers"]) == ("mesh", 1, 1)
    assert heard["releases"][0]["quality"] == 0.5
    assert viewer_api.get(f"/api/mesh/labels/{MOTOWN}").json()["releases_from"] == "nothing"
    listed(MOTOWN, "Motown", ("Album", []))
    told = viewer_api.get(f"/api/mesh/labels/{MOTOWN}").json()
    assert (told["releases_from"], told["figures"], told["releases"][0]["peers"]) == ("musicbrainz", None, 0)
    assert viewer_api.post(f"/api/mesh/labels/{MOTOWN}/ask").status_code == 403
    asked = operator_api.post(f"/api/mesh/labels/{MOTOWN}/ask", {}, format="json")
    assert (asked.status_code, asked.json()["state"]) == (202, "walking")


def test_a_label_without_an_mbid_can_not_be_asked_for(operator_api: APIClient) -> None:
    hear(sighted(1, label="Fat Cat", label_mbid=None))
    key = label_name_id("Fat Cat")
    assert operator_api.get(f"/api/mesh/labels/{key}").json()["label_mbid"] is None
    assert operator_api.post(f"/api/mesh/labels/{key}/ask", {}, format="json").json()["code"] == "label_missing"


def test_strangers_see_nothing(stranger_api: APIClient) -> None:
    assert stranger_api.get("/api/mesh/labels").status_code == 401
    assert stranger_api.get(f"/api/mesh/labels/{uuid.uuid4()}").status_code == 401


def test_the_command_lists_labels_and_one_labels_releases(capsys: pytest.CaptureFixture[str]) -> None:
    from slskdn_site.cli.main import main

    assert main(["mesh", "labels"]) == 0
    assert "No label was heard of yet." in capsys.readouterr().out
    hear(sighted(1, label="Sub\x1b[31m Pop"), sighted(2, peer="q", label="Sub Pop"))
    assert main(["mesh", "labels"]) == 0
    text = capsys.readouterr().out
    assert "\x1b" not in text and "Labels: 1, releases: 2, peers: 2" in text
    assert main(["mesh", "labels", "--json", "--search", "pop"]) == 0
    (label,) = json.loads(capsys.readouterr().out)["labels"]
    assert (label["mbid"], label["releases"], label["artists"], label["peers"]) == (str(SUB_POP), 2, 2, 2)
    assert main(["mesh", "labels", str(SUB_POP)]) == 0
    assert "Title 1" in capsys.readouterr().out
    assert main(["mesh", "labels", label["name"], "--json"]) == 0
    assert json.loads(capsys.readouterr().out)["releases_from"] == "mesh"


def test_the_command_says_when_the_mesh_knows_nothing(capsys: pytest.CaptureFixture[str]) -> None:
    from slskdn_site.cli.main import main

    assert main(["mesh", "labels", "Motown"]) != 0
    assert "Motown" in capsys.readouterr().err
    listed(MOTOWN, "Motown", ("Album", []))
    assert main(["mesh", "labels", "Motown"]) == 0
    text = capsys.readouterr().out
    assert "the mesh knows nothing of this label" in text and "Album 0" in text
    assert main(["mesh", "labels", str(uuid.uuid4())]) == 0
    assert "MusicBrainz was not asked" in capsys.readouterr().out
