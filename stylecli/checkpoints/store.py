"""Where weights live, in one name space: embedded in the package, public ones in the weights folder, or a path."""

import difflib
import hashlib
import json
import os
import re
import struct
from dataclasses import dataclass
from pathlib import Path

from stylecli.checkpoints import kept
from stylecli.checkpoints.registry import ENTRIES, Entry
from stylecli.errors import UsageError, WeightsError
from stylecli.files import is_stream, regular

SUFFIXES = (".pth", ".pt", ".tar", ".ckpt", ".bin", ".model", ".safetensors", ".pkl", ".t7")
"""Of weights files in folders, which hold other things too."""

MOST_PARTS = 16

LARGEST_HEADER = 2**24
"""Bytes; that of ten thousand tensors has a tenth."""


@dataclass(frozen=True)
class Known:
    """A name that `--weights` takes.

    Attributes:
        name: The name.
        path: Where the file is, or would be.
        entry: Where to get it; None for embedded weights.
    """

    name: str
    path: Path
    entry: Entry | None = None

    @property
    def state(self) -> str:
        """`embedded`, `pulled` or `available`."""
        return "embedded" if self.entry is None else "pulled" if self.path.is_file() else "available"

    @property
    def sha256(self) -> str:
        """The digest it must have, or its first digits: published, else recorded by the first pull; else empty."""
        if self.entry is None or self.entry.sha256:
            return self.entry.sha256 if self.entry else ""
        note = recorded(self.path)
        return note.read_text().strip() if note.is_file() else ""


def embedded() -> Path:
    """The folder of embedded weights, in an installed package or a checkout."""
    package = Path(__file__).parents[1]
    return package / "weights" if (package / "weights").is_dir() else package.parent / "weights"


def folder() -> Path:
    """The folder of pulled weights: `STYLECLI_WEIGHTS`, else the platform's cache."""
    if said := os.environ.get("STYLECLI_WEIGHTS"):
        return Path(said).expanduser()
    from platformdirs import user_cache_path

    return user_cache_path("stylecli", appauthor=False)


def offline() -> bool:
    """Whether `STYLECLI_OFFLINE` forbids the network."""
    return os.environ.get("STYLECLI_OFFLINE", "").lower() not in ("", "0", "false", "no")


def known() -> dict[str, Known]:
    """Every name, embedded ones first."""
    ours = sorted(embedded().glob("*.safetensors"))
    return {path.stem: Known(path.stem, path) for path in ours} | {
        name: Known(name, folder() / entry.file, entry) for name, entry in ENTRIES.items()
    }


def complete(incomplete: str) -> list[str]:
    """Names that begin so, for shell completion."""
    return [name for name in known() if name.startswith(incomplete)]


def complete_styles(incomplete: str) -> list[str]:
    """Styles of embedded nets that begin so, for shell completion."""
    told = [about(path).get("styles") for path in sorted(embedded().glob("*.safetensors"))]
    styles = [str(each["name"]) for rows in told if isinstance(rows, list) for each in rows]
    return [name for name in styles if name.startswith(incomplete)]


def resolve(name: str) -> Path:
    """The file that `name` means; nothing is pulled.

    Raises:
        WeightsError: Not pulled yet (how to get it is said), or neither a name nor a file.
    """
    names = known()
    if name in names:
        found = names[name]
        if found.path.is_file():
            return found.path
        why = "not here, and STYLECLI_OFFLINE is set" if offline() else "not pulled yet"
        pull = "" if offline() else f"`stylecli weights pull {name}`, or "
        raise WeightsError(f"{name}: {why}", pull + by_hand(found))
    path = Path(name).expanduser()
    if path.is_dir():
        parts(path)
    if is_stream(path):
        raise WeightsError(f"{name}: a pipe; weights are read more than once", "write it to a file first")
    if path.exists():
        return path
    near = difflib.get_close_matches(name, names, 3)
    hint = f"did you mean {', '.join(near)}?" if near else "a file, or a name of `stylecli weights list`"
    raise WeightsError(f"{name}: no such weights", hint)


def by_hand(wanted: Known) -> str:
    """How to get a public file without us."""
    assert wanted.entry
    digest = wanted.sha256
    said = f"its sha256 {'is' if len(digest) == 64 else 'begins with'} {digest}" if digest else "no sha256 is published"
    member = wanted.entry.member
    where = f"{member} out of the archive" if member else wanted.entry.file
    places = " or ".join(wanted.entry.urls)
    return f"get {where} from {places} and put it at {wanted.path} ({said})"


def remove(name: str) -> Path:
    """Deletes a pulled file.

    Raises:
        UsageError: Not the name of a pulled file.
        WeightsError: It cannot be deleted.
    """
    found = known().get(name)
    if found is None or found.state != "pulled":
        why = {"embedded": "part of stylecli", "available": "not pulled"}[found.state] if found else "no such name"
        raise UsageError(f"{name}: {why}, nothing to remove", "`stylecli weights list` shows what was pulled")
    try:
        found.path.unlink()
        recorded(found.path).unlink(missing_ok=True)
    except OSError as error:
        raise WeightsError(f"{found.path}: cannot be deleted: {(error.strerror or 'failed').lower()}") from error
    return found.path


def recorded(path: Path) -> Path:
    """Where the digest of a first pull is kept."""
    return path.with_name(f"{path.name}.sha256")


def parts(path: Path) -> dict[str, Path]:
    """The weights files in a folder, by name without number and suffix: `decoder_iter_160000.pth.tar` is `decoder`.

    A file is its own and only part, without a name.

    Raises:
        WeightsError: None, two of one name, too many, or no folder that can be read.
    """
    found: dict[str, Path] = {}
    if not path.is_dir():
        return {"": path}
    try:
        files = sorted(file for file in path.iterdir() if file.suffix.lower() in SUFFIXES and file.is_file())
    except OSError as error:
        raise WeightsError(f"{path}: cannot be read: {(error.strerror or 'failed').lower()}") from error
    for file in files:
        name = re.sub(r"_iter_\d+$", "", file.name.partition(".")[0])
        if name in found:
            raise WeightsError(
                f"{path}: several weights files of one name: {found[name].name}, {file.name}",
                "name the file, or make a folder of the parts of one network",
            )
        found[name] = file
    if not found:
        raise WeightsError(f"{path}: a folder without weights files", "name a file")
    if len(found) > MOST_PARTS:
        raise WeightsError(f"{path}: a folder of {len(found)} weights files, no parts of one network", "name a file")
    return found


def sha256(path: Path) -> str:
    """Hex digest of a file; of a folder, of its parts' names and digests.

    Raises:
        WeightsError: It cannot be read.
    """
    digest = hashlib.sha256()
    if path.is_dir():
        for name, part in parts(path).items():
            digest.update(f"{name} {sha256(part)}\n".encode())
        return digest.hexdigest()
    try:
        if known := kept.digest(path):
            return known
        with open(path, "rb", opener=regular) as file:
            while chunk := file.read(2**20):
                digest.update(chunk)
    except OSError as error:
        raise WeightsError(f"{path}: cannot be read: {(error.strerror or 'failed').lower()}") from error
    return digest.hexdigest()


def check_digest(path: Path, expected: str) -> str:
    """The digest of `path`, which must begin with `expected`.

    Raises:
        WeightsError: It does not.
    """
    digest = sha256(path)
    if not digest.startswith(expected.lower()):
        raise WeightsError(
            f"{path}: wrong sha256: {digest}, not {expected}",
            "damaged, or another version: fetch it again, or give its path as --weights",
        )
    return digest


def about(path: Path) -> dict[str, object]:
    """What one of our own files says of itself, without loading it; empty for all others."""
    try:
        with open(path, "rb", opener=regular) as file:
            (length,) = struct.unpack("<Q", file.read(8))
            header = json.loads(file.read(min(length, LARGEST_HEADER)))
        said = json.loads(header["__metadata__"]["stylecli"])
        return said if isinstance(said, dict) else {}
    except (OSError, ValueError, KeyError, TypeError, RecursionError, struct.error):
        return {}
