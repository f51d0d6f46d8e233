"""Files are written whole or not at all."""

import errno
import os
from pathlib import Path

import pytest

from stylecli.errors import OutputError
from stylecli.files import atomic_write


@pytest.fixture
def old(tmp_path: Path) -> Path:
    path = tmp_path / "out.png"
    path.write_bytes(b"old")
    return path


def left(path: Path) -> list[str]:
    return sorted(file.name for file in path.parent.iterdir())


def test_appears_only_at_the_end(old: Path) -> None:
    with atomic_write(old) as file:
        file.write(b"new")
        assert old.read_bytes() == b"old"
        assert any(name.startswith(".out.png.") and name.endswith(".part") for name in left(old))
    assert old.read_bytes() == b"new"
    assert left(old) == ["out.png"]


@pytest.mark.parametrize("failure", [ValueError, KeyboardInterrupt, SystemExit])
def test_a_failure_leaves_the_old_file(old: Path, failure: type[BaseException]) -> None:
    def fail() -> None:
        with atomic_write(old) as file:
            file.write(b"half")
            raise failure

    with pytest.raises(failure):
        fail()
    assert old.read_bytes() == b"old"
    assert left(old) == ["out.png"]


@pytest.mark.parametrize(
    ("number", "told"),
    [
        (errno.ENOSPC, "the disk is full"),
        (errno.EDQUOT, "the disk quota is used up"),
        (errno.EROFS, "the disk is read-only"),
        (errno.EIO, "cannot be written"),
    ],
)
def test_a_failing_disk(old: Path, monkeypatch: pytest.MonkeyPatch, number: int, told: str) -> None:
    def fail(descriptor: int) -> None:
        raise OSError(number, os.strerror(number))

    monkeypatch.setattr(os, "fsync", fail)
    with pytest.raises(OutputError, match=f"^{old}: {told}"), atomic_write(old) as file:
        file.write(b"new")
    assert old.read_bytes() == b"old"
    assert left(old) == ["out.png"]


@pytest.mark.skipif(not Path("/dev/full").exists(), reason="this system has no /dev/full")
def test_a_full_device_is_told() -> None:
    with pytest.raises(OutputError, match="/dev/full: the disk is full"), atomic_write("/dev/full") as file:
        file.write(b"x" * 100_000)


@pytest.mark.parametrize("number", [errno.EACCES, errno.ENOENT])  # as folders of others say, and as /proc does
def test_not_permitted(number: int, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def refuse(path: Path, mode: str) -> None:
        raise OSError(number, "refused")

    monkeypatch.setattr(Path, "open", refuse)
    with pytest.raises(OutputError, match="not permitted"), atomic_write(tmp_path / "a.png"):
        pass


def test_places_where_no_file_can_be(old: Path) -> None:
    folder = old.parent
    for path, told, hint in (
        (folder / "none" / "a.png", "no such folder", f"mkdir -p {folder / 'none'}"),
        (old / "a.png", "part of the path is a file", "-o"),
        (folder, "a folder, not a file", "name a file"),
        (folder / ("n" * 300), "the name is too long", "shorter"),
    ):
        with pytest.raises(OutputError, match=told) as raised, atomic_write(path) as file:
            file.write(b"x")
        assert hint in raised.value.hint
        assert "\n" not in raised.value.message
    assert left(old) == ["out.png"]


def test_devices_are_written_to_not_replaced() -> None:
    with atomic_write(os.devnull) as file:
        file.write(b"x")
    assert not Path(os.devnull).is_file()


def test_links_are_followed(old: Path) -> None:
    link = old.with_name("link.png")
    link.symlink_to(old)
    with atomic_write(link) as file:
        file.write(b"new")
    assert link.is_symlink()
    assert old.read_bytes() == b"new"


def test_permissions_are_those_of_a_new_file(tmp_path: Path) -> None:
    before = os.umask(0o027)
    try:
        with atomic_write(tmp_path / "a") as file:
            file.write(b"x")
    finally:
        os.umask(before)
    assert (tmp_path / "a").stat().st_mode & 0o777 == 0o640


def test_longest_permitted_name(tmp_path: Path) -> None:
    path = tmp_path / ("n" * 251 + ".png")
    with atomic_write(path) as file:
        file.write(b"x")
    assert path.read_bytes() == b"x"
