"""Pickles read by a machine of our own that imports nothing, calls nothing and makes nothing that is not in the file.

Opcodes come from the standard library's `pickletools`. A global is looked up in `pickle_globals`: a few names have a
meaning there, classes of other projects become inert `Record`s, everything else is refused by name.
"""

import copyreg
import mmap
import pickle
import pickletools
from collections.abc import Callable, Mapping, Sequence, Sized
from typing import cast

from stylecli.budget import Budget
from stylecli.checkpoints.containers.pickle_globals import Constructor, Foreign, Record, meaning, refuse
from stylecli.errors import WeightsError

SIZED: dict[type, int] = {str: 2, bytes: 2, bytearray: 2, list: 100, tuple: 100, dict: 100}
"""Bytes of copies of each item: of numbers there are two, one in this machine's order; of lists, entries of a dict."""

KEYS = (str, bytes, int, float, bool, type(None))
Persistent = Callable[[object], object]
_MARK = object()
RECORD = 512
"""Bytes of what a call makes, beside its arguments."""

_VALUES = (
    "INT BININT BININT1 BININT2 LONG LONG1 LONG4 STRING BINSTRING SHORT_BINSTRING BINBYTES SHORT_BINBYTES BINBYTES8 "
    "BYTEARRAY8 UNICODE SHORT_BINUNICODE BINUNICODE BINUNICODE8 FLOAT BINFLOAT"
)
_PLAIN = frozenset(_VALUES.split())
_CONSTANTS = {"NONE": None, "NEWTRUE": True, "NEWFALSE": False, "EMPTY_TUPLE": ()}


def unpickle(
    data: "bytes | mmap.mmap",
    persistent: Persistent | None = None,
    known: Mapping[str, Constructor] | None = None,
    budget: Budget | None = None,
) -> object:
    """The object that the pickle at the current position of `data` describes, made of plain values.

    Args:
        data: The bytes, or an open mapping, which is left behind the pickle's end.
        persistent: Gives the object for a persistent id; None where there can be none.
        known: More globals that have a meaning, `module.name` to what is called with the arguments.
        budget: What may be spent; None for a file of the size of `data`.

    Returns:
        Numbers, text, bytes, lists, tuples, dicts, `Record`s, and what the constructors made.

    Raises:
        WeightsError: A refused global, opcode or persistent id.
        OverBudgetError: Too many opcodes, or copies.
    """
    return _Machine(persistent, known or {}, budget or Budget.of(len(data))).run(data)


class _Machine:
    def __init__(self, persistent: Persistent | None, known: Mapping[str, Constructor], budget: Budget) -> None:
        self.persistent, self.known, self.budget = persistent, known, budget
        self.stack: list[object] = []
        self.memo: dict[object, object] = {}

    def run(self, data: "bytes | mmap.mmap") -> object:
        for opcode, argument, _ in pickletools.genops(cast("bytes", data)):
            self.budget.step()
            if opcode.name == "STOP":
                return self.stack.pop()
            self._step(opcode.name, argument)
        raise WeightsError("truncated: a pickle without its end")

    def _step(self, name: str, argument: object) -> None:
        stack = self.stack
        if name in _PLAIN:
            stack.append(argument)
        elif name in _CONSTANTS:
            stack.append(_CONSTANTS[name])
        elif step := getattr(self, f"_{name.lower()}", None):
            step(argument)
        elif name in ("PUT", "BINPUT", "LONG_BINPUT"):
            self.memo[argument] = stack[-1]
        elif name in ("GET", "BINGET", "LONG_BINGET"):
            stack.append(self.memo[argument])
        elif name in ("EMPTY_LIST", "EMPTY_SET"):
            stack.append([])
        elif name.startswith("EXT"):
            refuse(copyreg._inverted_registry.get(argument, ("copyreg extension", str(argument))))  # type: ignore[attr-defined]
        elif name not in ("FRAME", "READONLY_BUFFER"):
            raise WeightsError(f"refused: pickle opcode {name}")

    def _above_mark(self) -> list[object]:
        for at in range(len(self.stack) - 1, -1, -1):
            if self.stack[at] is _MARK:
                items = self.stack[at + 1 :]
                del self.stack[at:]
                return items
        raise WeightsError("damaged: a pickle without its mark")

    def _proto(self, version: int) -> None:
        if version > pickle.HIGHEST_PROTOCOL:
            raise WeightsError(f"pickle protocol {version}, from a newer Python")

    def _mark(self, _: None) -> None:
        self.stack.append(_MARK)

    def _pop(self, _: None) -> None:
        self.stack.pop()

    def _pop_mark(self, _: None) -> None:
        self._above_mark()

    def _dup(self, _: None) -> None:
        self.stack.append(self.stack[-1])

    def _memoize(self, _: None) -> None:
        self.memo[len(self.memo)] = self.stack[-1]

    def _empty_dict(self, _: None) -> None:
        self.stack.append({})

    def _tuple(self, _: None) -> None:
        self.stack.append(tuple(self._above_mark()))

    def _tuple1(self, _: None, size: int = 1) -> None:
        taken = tuple(self.stack[-size:])
        # By identity: arrays compare each of their numbers.
        if len(taken) < size or any(each is _MARK for each in taken):
            raise WeightsError("damaged: a pickle whose stack runs empty")
        self.stack[-size:] = [taken]

    def _tuple2(self, _: None) -> None:
        self._tuple1(None, 2)

    def _tuple3(self, _: None) -> None:
        self._tuple1(None, 3)

    def _list(self, _: None) -> None:
        self.stack.append(self._above_mark())

    _frozenset = _list

    def _dict(self, _: None) -> None:
        items = self._above_mark()
        self.stack.append({})
        self._set(items)

    def _append(self, _: None) -> None:
        self._extend([self.stack.pop()])

    def _appends(self, _: None) -> None:
        self._extend(self._above_mark())

    _additems = _appends

    def _setitem(self, _: None) -> None:
        value, key = self.stack.pop(), self.stack.pop()
        self._set([key, value])

    def _setitems(self, _: None) -> None:
        self._set(self._above_mark())

    def _extend(self, items: list[object]) -> None:
        target = self.stack[-1]
        if isinstance(target, Record):
            target = target.items
        if not isinstance(target, list):
            raise WeightsError(f"damaged: a pickle that appends to a {type(target).__name__}")
        target.extend(items)

    def _set(self, items: list[object]) -> None:
        target = self.stack[-1]
        if isinstance(target, Record):
            target = target.entries
        if not isinstance(target, dict) or len(items) % 2:
            raise WeightsError(f"damaged: a pickle that sets an item of a {type(target).__name__}")
        for key, value in zip(items[::2], items[1::2], strict=True):
            # The hash of a nested tuple can take minutes; a record is hashed by its identity.
            target[key if type(key) in KEYS else Record("key", (key,))] = value

    def _global(self, argument: str) -> None:
        module, _, name = argument.partition(" ")
        self.stack.append(meaning(module, name, self.known))

    def _stack_global(self, _: None) -> None:
        name, module = self.stack.pop(), self.stack.pop()
        if type(name) is not str or type(module) is not str:
            raise WeightsError("damaged: a pickle whose global has no name")
        self.stack.append(meaning(module, name, self.known))

    def _inst(self, argument: str) -> None:
        arguments = tuple(self._above_mark())
        self._global(argument)
        self._call(self.stack.pop(), arguments)

    def _obj(self, _: None) -> None:
        what, *arguments = self._above_mark()
        self._call(what, tuple(arguments))

    def _reduce(self, _: None) -> None:
        arguments, what = self.stack.pop(), self.stack.pop()
        self._call(what, arguments)

    _newobj = _reduce

    def _newobj_ex(self, _: None) -> None:
        keywords, arguments, what = (self.stack.pop() for _ in range(3))
        self._call(what, (*arguments, keywords) if keywords and isinstance(arguments, tuple) else arguments)

    def _call(self, what: object, arguments: object) -> None:
        if type(what) is not Foreign or type(arguments) is not tuple:
            raise WeightsError(f"refused: a pickle that calls {_named(what)}")
        self._pay(arguments)
        self.stack.append(what.make(*arguments))

    def _pay(self, arguments: Sequence[object]) -> None:
        """For what a constructor keeps or copies of its arguments, which a pickle can give again and again."""
        sizes = (len(each) * SIZED[type(each)] for each in arguments if isinstance(each, Sized) and type(each) in SIZED)
        self.budget.take(RECORD + sum(sizes), "what its pickle makes")

    def _build(self, _: None) -> None:
        state, target = self.stack.pop(), self.stack[-1]
        if isinstance(target, Record):
            self._pay(state if isinstance(state, tuple | list) else ())
            target.set_state(state)
        elif not isinstance(target, dict):  # attributes of an OrderedDict, such as its _metadata, mean nothing to us
            raise WeightsError(f"refused: a pickle that changes {_named(target)}")

    def _persid(self, argument: object) -> None:
        if self.persistent is None:
            raise WeightsError("refused: a persistent id outside of a PyTorch file")
        self.stack.append(self.persistent(argument))

    def _binpersid(self, _: None) -> None:
        self._persid(self.stack.pop())


def _named(value: object) -> str:
    return value.name if isinstance(value, Foreign | Record) else f"a {type(value).__name__}"
