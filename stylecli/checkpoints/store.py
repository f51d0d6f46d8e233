"""Where weights live: embedded in the package, or a path."""

import hashlib
from pathlib import Path

from stylecli.errors import WeightsError


def embedded() -> Path:
    """The folder of embedded weights, in an installed package or a checkout."""
    package = Path(__file__).parents[1]
    return package / "weights" if (package / "weights").is_dir() else package.parent / "weights"


def resolve(name: str) -> Path:
    """The file that `name` means."""
    for path in (embedded() / f"{name}.safetensors", Path(name)):
        if path.is_file():
            return path
    raise WeightsError(f"{name}: no such weights")


def sha256(path: Path) -> str:
    """Hex digest."""
    return hashlib.sha256(path.read_bytes()).hexdigest()
