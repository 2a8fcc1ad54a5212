"""The index of what is shared."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from apps.domain.soulseek.share_index import SharedEntry, ShareIndex, attributes_of, words_of

PATHS = (
    r"Music\Sigur Rós\Ágætis byrjun\01 Intro.flac",
    r"Music\Sigur Rós\Ágætis byrjun\02 Svefn-g-englar.flac",
    r"Music\The Band\Live\01 Intro (live).mp3",
    r"Music\The Band\Secret\01 Other.mp3",
)


def index(*paths: str) -> ShareIndex:
    made = ShareIndex()
    made.put(
        SharedEntry(
            file_id=at, path=path, size=10, audience=frozenset({"buddies"}) if "Secret" in path else frozenset()
        )
        for at, path in enumerate(paths or PATHS)
    )
    return made


def found(query: str, **more: object) -> list[str]:
    return [one.path.rpartition("\\")[2] for one in index().search(query, **more).visible]  # type: ignore[arg-type]


def test_words_are_found_without_case_and_accents_wherever_they_stand() -> None:
    assert found("sigur ros INTRO") == ["01 Intro.flac"]
    assert found("agætis englar svefn") == ["02 Svefn-g-englar.flac"]
    assert found("intro flac") == ["01 Intro.flac"]
    assert found("intr") == []
    assert found("") == []
    assert found("-intro") == []


def test_words_may_be_forbidden_and_endings_asked_for() -> None:
    assert found("intro -live") == ["01 Intro.flac"]
    assert found("intro -ros") == ["01 Intro (live).mp3"]
    assert found("*ntro band") == ["01 Intro (live).mp3"]
    assert found("*nglar") == ["02 Svefn-g-englar.flac"]


def test_phrases_that_the_server_forbids_are_in_no_answer() -> None:
    assert found("intro", excluded=["the band"]) == ["01 Intro.flac"]
    assert found("intro", excluded=["he ban"]) == [
        "01 Intro.flac"
    ]  # a path that contains the phrase, wherever words end


def test_what_only_some_may_have_is_shown_as_locked_to_the_others() -> None:
    answer = index().search("other")
    assert (len(answer.visible), len(answer.locked)) == (0, 1)
    assert len(index().search("other", groups=("buddies",)).visible) == 1
    assert index().folder(r"Music\The Band\Secret") == ()


@pytest.mark.parametrize(
    "path",
    [
        r"music\sigur rós\ágætis byrjun\01 intro.flac",
        r"Music\Sigur Rós\..\Sigur Rós\Ágætis byrjun\01 Intro.flac",
        r"Music/Sigur Rós/Ágætis byrjun/01 Intro.flac",
        r"Music\Sigur Ros\Agætis byrjun\01 Intro.flac",
        "Music\\Sigur Ro\u0301s\\Ágætis byrjun\\01 Intro.flac",
        r"..\..\etc\passwd",
        "/etc/passwd",
        r"Music\Sigur Rós\Ágætis byrjun\01 Intro.flac" + "\0",
        r"Music\Sigur Rós\Ágætis byrjun" + "\\",
        "",
    ],
)
def test_a_path_is_a_key_and_nothing_else(path: str) -> None:
    assert index().at(path) is None
    assert index().at(PATHS[0]) is not None


def test_what_is_replaced_or_dropped_is_gone_everywhere() -> None:
    made = index()
    made.put([SharedEntry(file_id=99, path=PATHS[0], size=77)])
    assert (made.at(PATHS[0]).size, made.paths_of(0), made.paths_of(99)) == (77, (), (PATHS[0],))  # type: ignore[union-attr]
    assert made.drop([PATHS[0], "unknown"]) == 1
    assert (made.at(PATHS[0]), made.search("ros intro").visible, made.paths_of(99)) == (None, (), ())
    assert made.counts() == (3, 3)
    made.put([SharedEntry(file_id=5, path=r"Music\New\one.flac", size=1)])
    assert [one.file_id for one in made.search("new one").visible] == [5]


def test_an_index_that_lost_most_of_its_files_says_that_it_is_worn() -> None:
    made = ShareIndex()
    made.put(SharedEntry(file_id=at, path=rf"Music\{at}.flac", size=1) for at in range(2000))
    made.drop(rf"Music\{at}.flac" for at in range(1000))
    assert not made.worn
    made.drop(rf"Music\{at}.flac" for at in range(1000, 1001))
    assert made.worn
    assert len(made.search("flac", limit=5000).visible) == 999


def test_no_search_looks_at_everything_nor_answers_without_end() -> None:
    made = ShareIndex()
    made.put(
        SharedEntry(file_id=at, path=rf"Music\Artist {at % 100}\{at:05} Song.flac", size=1) for at in range(30_000)
    )
    assert len(made.search("music song").visible) == 100
    assert len(made.search("song", limit=7).visible) == 7
    assert len(made.search(" ".join(["song"] * 10_000)).visible) == 100


def test_attributes_are_those_that_clients_write() -> None:
    assert attributes_of({"lossless": True, "length_s": 200, "rate": 44100, "bits": 16, "bitrate_kbps": 900}) == (
        (1, 200),
        (4, 44100),
        (5, 16),
    )
    assert attributes_of({"lossless": False, "length_s": None, "bitrate_kbps": 320, "vbr": False}) == ((0, 320), (2, 0))


@given(
    st.lists(st.tuples(st.booleans(), st.text(alphabet="ab c\\é-1", min_size=1, max_size=12)), max_size=40),
    st.text(alphabet="ab cé-*1", max_size=10),
)
def test_the_index_answers_as_looking_at_every_path_would(moves: list[tuple[bool, str]], query: str) -> None:
    made, there = ShareIndex(), {}
    for at, (put, path) in enumerate(moves):
        if put:
            entry = SharedEntry(file_id=at, path=path, size=1)
            made.put([entry])
            there[path] = entry
        else:
            assert made.drop([path]) == (1 if there.pop(path, None) else 0)
    parts = query.split()
    wanted = [word for part in parts if part[0] not in "-*" for word in words_of(part)]
    endings = [words_of(part[1:])[0] for part in parts if part[0] == "*" and words_of(part[1:])]
    unwanted = {word for part in parts if part[0] == "-" for word in words_of(part[1:])}

    def fits(path: str) -> bool:
        has = set(words_of(path))
        ends = all(any(word.endswith(ending) for word in has) for ending in endings)
        return has.issuperset(wanted) and has.isdisjoint(unwanted) and ends

    expected = {path for path in there if (wanted or endings) and fits(path)}
    assert {one.path for one in made.search(query).visible} == expected
    assert made.counts()[1] == len(there)
