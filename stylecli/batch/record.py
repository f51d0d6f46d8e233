"""What a result says about how it was made; `replay` and `--skip-existing` read it back."""

import dataclasses
import itertools
import json
import math
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from stylecli import __version__
from stylecli.batch.plan import Inputs, Job
from stylecli.errors import InputError

ENCODING = ("quality", "bits", "strip", "format")
"""Options of every file; clips have `settings.moving.ENCODING` beside them."""


@dataclasses.dataclass(frozen=True)
class Record:
    """Everything that made a file.

    Attributes:
        method: Name of the method.
        settings: The method's settings, as `dataclasses.asdict` gives them.
        inputs: By role: `path`, `sha256` and, inside a mixture, `share`.
        weights: SHA-256 of each weights file by name.
        encoding: The options in `ENCODING` that made the file itself.
        compute: `device`, `gpu` (its name), `precision` as asked for, `type` of the numbers, `threads`.
        seed: Seed of all randomness, None for methods without.
        interrupted: The run was stopped; the file holds its best picture so far.
        stylecli: Version that wrote it.
    """

    method: str
    settings: dict[str, object]
    inputs: dict[str, list[dict[str, object]]]
    weights: dict[str, str]
    encoding: dict[str, Any]
    compute: dict[str, Any]
    seed: int | None = None
    interrupted: bool = False
    stylecli: str = __version__

    def dumps(self) -> str:
        """As JSON in ASCII, which also holds file names that are not UTF-8."""
        return json.dumps(dataclasses.asdict(self))

    def differs(self, other: "Record") -> list[str]:
        """What would make another file: method, settings, contents of inputs, weights, encoding, precision.

        Paths, the version, the device and its threads do not count. An interrupted result differs from every one.
        """
        ours, theirs = self._essence(), other._essence()
        changed = [key for key in {**ours, **theirs} if ours.get(key) != theirs.get(key)]
        return changed + ["interrupted"] * (self.interrupted or other.interrupted)

    def _essence(self) -> dict[str, object]:
        # Names of two words cannot clash with those of settings.
        return {
            **json.loads(json.dumps(self.settings)),
            "command name": self.method,
            "weights file": self.weights,
            "compute precision": self.compute.get("precision"),
            **{
                f"{role} file": [(each["sha256"], each.get("share", 1)) for each in some]
                for role, some in self.inputs.items()
            },
            **{f"output {key}": value for key, value in self.encoding.items()},
        }


def hashed(inputs: Inputs) -> dict[str, list[dict[str, object]]]:
    """The inputs of a job as a record keeps them.

    Raises:
        InputError: A file cannot be read.
    """
    return {
        role: [
            {"path": one.path, "sha256": one.sha256(), **({"share": one.share} if one.share != 1 else {})}
            for one in some
        ]
        for role, some in inputs.items()
    }


def make(
    job: Job, *, weights: Mapping[str, str], encoding: Mapping[str, object], compute: Mapping[str, object]
) -> Record:
    """The record of a job that is about to run.

    Raises:
        InputError: An input cannot be read.
    """
    settings = dataclasses.asdict(job.settings)
    return Record(
        job.method, settings, hashed(job.inputs), dict(weights), dict(encoding), dict(compute), settings.get("seed")
    )


def loads(text: str | None, path: Path | str) -> Record:
    """The record in the text that a file carries.

    Raises:
        InputError: There is none, or it is damaged or of another make.
    """
    if text is None:
        raise InputError(f"{path}: says nothing about how it was made", "only files that stylecli wrote carry a record")
    try:
        stored = json.loads(text)
        made = Record(**stored)
        shapes: tuple[object, ...] = (made.settings, made.inputs, made.weights, made.encoding, made.compute)
        if not (all(isinstance(each, dict) for each in shapes) and all(made.inputs.values())):
            raise TypeError("not objects, or nothing in them")
        if not (isinstance(made.method, str) and isinstance(made.interrupted, bool)):
            raise TypeError("no method")
        if not all(isinstance(each, str) for pair in made.weights.items() for each in pair):
            raise TypeError("weights without names and hashes")
        if not all(isinstance(made.encoding[key], str | int) for key in ENCODING):
            raise TypeError("an encoding of no word or number")
        for one in itertools.chain(*stored["inputs"].values()):
            _ = (one["path"] + one["sha256"]).encode(errors="surrogateescape")
            if not 0 < float(one.get("share", 1)) < math.inf or "\0" in one["path"]:
                raise ValueError("an impossible input")
    except (ValueError, TypeError, KeyError, AttributeError, RecursionError, OverflowError) as error:
        raise InputError(f"{path}: its record is damaged or of another version") from error
    return made
