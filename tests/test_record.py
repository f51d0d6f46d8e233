"""The record in a result."""

import contextlib
import dataclasses
import json

import pytest
from hypothesis import given
from hypothesis import strategies as st

from stylecli.batch.record import Record, loads
from stylecli.errors import InputError

BASE = Record(
    method="gatys",
    settings={"steps": 3, "layers": ("a", "b"), "seed": 7, "weights": "encoder", "method": "net"},
    inputs={"content": [{"path": "a.jpg", "sha256": "1"}], "style": [{"path": "s.jpg", "sha256": "2", "share": 0.5}]},
    weights={"encoder": "3"},
    encoding={"format": "jpg", "quality": 92, "bits": "auto", "strip": False},
    compute={"device": "cpu", "precision": "auto", "threads": 2},
    seed=7,
)


def changed(**parts: object) -> Record:
    return dataclasses.replace(BASE, **parts)  # type: ignore[arg-type]


def test_json_and_back_is_the_same():
    back = loads(BASE.dumps(), "x")
    assert back.dumps() == BASE.dumps()
    assert back.differs(BASE) == []


def test_it_holds_what_the_design_lists():
    stored = json.loads(BASE.dumps())
    assert {"stylecli", "method", "settings", "inputs", "weights", "seed"} <= set(stored)


def test_paths_version_device_and_threads_do_not_count():
    moved = {"content": [{"path": "z/q.jpg", "sha256": "1"}], "style": BASE.inputs["style"]}
    other = changed(inputs=moved, stylecli="9", compute={"device": "cuda", "precision": "auto", "threads": 8})
    assert BASE.differs(other) == []


@pytest.mark.parametrize(
    ("parts", "named"),
    [
        ({"method": "fast"}, "command name"),
        ({"settings": {**BASE.settings, "steps": 4}}, "steps"),
        ({"settings": {k: v for k, v in BASE.settings.items() if k != "seed"}}, "seed"),
        ({"inputs": {**BASE.inputs, "content": [{"path": "a.jpg", "sha256": "9"}]}}, "content file"),
        ({"inputs": {**BASE.inputs, "style": [{"path": "s.jpg", "sha256": "2", "share": 0.7}]}}, "style file"),
        ({"inputs": {**BASE.inputs, "mask": [{"path": "m", "sha256": "9"}]}}, "mask file"),
        ({"weights": {"encoder": "4"}}, "weights file"),
        ({"encoding": {**BASE.encoding, "quality": 50}}, "output quality"),
        ({"compute": {"precision": "bfloat16"}}, "compute precision"),
        ({"interrupted": True}, "interrupted"),
    ],
)
def test_what_counts(parts: dict[str, object], named: str):
    assert BASE.differs(changed(**parts)) == [named]


JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.text(),
    lambda inner: st.lists(inner) | st.dictionaries(st.sampled_from([*vars(BASE), "path", "sha256"]), inner),
    max_leaves=12,
)


@given(JSON | st.fixed_dictionaries(dict.fromkeys(vars(BASE), JSON)))
def test_damaged_records_are_input_errors(stored: object):
    with contextlib.suppress(InputError):
        loads(json.dumps(stored), "x.png").differs(BASE)


@pytest.mark.parametrize("text", ["", "{", "[" * 5000, "NaN"])
def test_what_is_not_json(text: str):
    with pytest.raises(InputError, match="damaged"):
        loads(text, "x")


def test_no_record():
    with pytest.raises(InputError, match="says nothing about how it was made"):
        loads(None, "x")
