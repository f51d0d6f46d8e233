"""From words to files."""

import contextlib
import io
import os
import sys
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from stylecli.batch.inputs import expand, natural
from stylecli.batch.sources import STDIN, Source
from stylecli.errors import InputError, StyleCliError, UsageError


@pytest.fixture(autouse=True)
def tree(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    own = "in/img10.jpg in/img2.JPG in/.hidden.png in/half.png.part in/notes.txt"
    for name in [*own.split(), "in/.git/x.png", "in/sub/deep/c.webp", "in/sub/b.png"]:
        path = Path(name)
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(name.encode())


def found(*words: str, recursive: bool = False, **options: object) -> list[str]:
    return [one.path for one in expand([(word, 1.0) for word in words], recursive=recursive, **options)]  # type: ignore[arg-type]


def test_a_folder_gives_its_own_pictures_in_natural_order():
    assert found("in") == ["in/img2.JPG", "in/img10.jpg"]
    assert found("in/") == ["in/img2.JPG", "in/img10.jpg"]


def test_recursive_gives_the_tree_without_hidden_files():
    assert found("in", recursive=True) == ["in/img2.JPG", "in/img10.jpg", "in/sub/b.png", "in/sub/deep/c.webp"]


def test_a_folder_remembers_its_tree():
    (source,) = expand([("in/sub/deep", 1.0)], recursive=True)
    assert (source.root, source.below) == ("in/sub/deep", Path())
    by_name = {one.stem: one.below for one in expand([("in", 1.0)], recursive=True)}
    assert by_name == {"img2": Path(), "img10": Path(), "b": Path("sub"), "c": Path("sub/deep")}


def test_a_named_file_is_tried_whatever_its_suffix():
    assert found("in/notes.txt", "in/.hidden.png") == ["in/notes.txt", "in/.hidden.png"]


def test_globs_that_the_shell_left_alone():
    assert found("in/img*") == ["in/img2.JPG", "in/img10.jpg"]
    assert found("in/**", recursive=False) == ["in/img2.JPG", "in/img10.jpg", "in/sub/b.png", "in/sub/deep/c.webp"]
    assert found("in/*.txt") == ["in/notes.txt"]
    assert expand([("in/**/*.png", 1.0)])[0].below == Path("sub")
    assert expand([(str(Path("in/sub/*.png").absolute()), 1.0)])[0].stem == "b"


def test_a_name_with_brackets_is_a_file_first():
    Path("a[1].jpg").touch()
    assert found("a[1].jpg") == ["a[1].jpg"]


def test_a_list():
    Path("list.txt").write_text("\ufeff# pictures\n\nin/img2.JPG\n  in/sub  \n", "utf-8")
    assert found("@list.txt") == ["in/img2.JPG", "in/sub/b.png"]


def test_a_list_may_not_nest_or_be_something_else():
    Path("list.txt").write_text("@list.txt\n")
    with pytest.raises(UsageError, match="cannot name another list"):
        found("@list.txt")
    Path("bytes.txt").write_bytes(b"\xff\xfe\x00")
    with pytest.raises(InputError, match=r"bytes.txt: not a readable list: not UTF-8"):
        found("@bytes.txt")
    with pytest.raises(InputError, match="nope"):
        found("@nope")


def test_a_file_that_begins_with_at_is_a_file():
    Path("@me.jpg").touch()
    assert found("@me.jpg") == ["@me.jpg"]


def test_a_file_named_twice_comes_once():
    assert found("in/img2.JPG", "in", "./in/img2.JPG") == ["in/img2.JPG", "in/img10.jpg"]


@pytest.mark.parametrize("word", ["in/sub/deep/../nope.png", "", "nope/*.png", "in/*.gif"])
def test_nothing_found_is_a_usage_error(word: str):
    with pytest.raises(UsageError):
        found(word)


def test_an_empty_folder_says_what_it_looked_for():
    Path("empty").mkdir()
    with pytest.raises(UsageError, match=r"empty: nothing there that ends in \.avif, ") as caught:
        found("empty")
    assert "-r" in caught.value.hint


def test_a_typo_gets_a_hint():
    with pytest.raises(UsageError, match=r"in/img1\.jpg: no such file") as caught:
        found("in/img1.jpg")
    assert caught.value.hint == "did you mean in/img10.jpg?"


def test_other_suffixes():
    assert found("in", suffixes=frozenset([".txt"])) == ["in/notes.txt"]


class Pipe(io.BytesIO):
    buffer = property(lambda self: self)
    isatty = lambda self: False


def test_stdin(monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setattr(sys, "stdin", Pipe(b"abc"))
    (source,) = expand([("-", 1.0)])
    assert (source.name, source.stem, source.data, source.path) == ("stdin", "stdin", b"abc", "-")
    assert source.sha256() == Source("x", data=b"abc").sha256()
    with pytest.raises(InputError, match="stdin: empty"):
        expand([("-", 1.0)])


def test_stdin_may_not_be_a_terminal(monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setattr(sys, "stdin", type("Terminal", (Pipe,), {"isatty": lambda self: True})())
    with pytest.raises(UsageError, match="terminal"):
        expand([("-", 1.0)])


def test_a_hash_follows_the_file():
    source = Source("in/notes.txt")
    before = source.sha256()
    assert before == source.sha256()
    Path("in/notes.txt").write_text("other")
    assert source.sha256() != before
    Path("in/notes.txt").unlink()
    with pytest.raises(InputError, match=r"in/notes\.txt: no such file"):
        source.sha256()


def test_the_files_of_a_word_share_its_weight():
    assert [one.share for one in expand([("in", 0.5), ("in/sub/b.png", 2)])] == [0.25, 0.25, 2]


@given(st.text(max_size=30).filter(lambda word: word != STDIN))
def test_only_our_errors_escape(word: str):
    with contextlib.suppress(StyleCliError):
        expand([(word, 1.0)])


@given(st.lists(st.text(alphabet="aB2٣0/.-_ ²", min_size=1, max_size=9), max_size=8))
def test_natural_order_is_total(names: list[str]):
    paths = [Path(name) for name in names]
    backwards = paths[::-1]
    assert sorted(paths, key=natural) == sorted(backwards, key=natural)


@pytest.mark.skipif(os.name == "nt", reason="links need rights there")
def test_a_link_to_a_folder_above_ends():
    Path("in/sub/up").symlink_to(Path("in").absolute())
    assert len(found("in", recursive=True)) == 4
