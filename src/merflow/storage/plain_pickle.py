"""Pickles of plain values and NumPy arrays, read without running anything that they name.

Python's unpickler imports and calls whatever a file tells it to. This reader is a small interpreter of its own instead.
It knows the opcodes of dicts, lists, tuples, texts, bytes, numbers and None, and the calls with which NumPy describes
its arrays (:mod:`merflow.storage.pickled_arrays`). It imports and calls nothing from the file; everything else is
refused by name and position.

The file is mapped into memory, and its arrays are read-only views of the mapping. So a file of gigabytes opens in the
time that its texts take, and only the rows that are used are read. Protocol 2 is the exception: it has no bytes, so
arrays are written as text, and are decoded into memory.

A small file cannot become large: a container is used once, and texts and the content of arrays count whenever they are
used, so that nothing multiplies by reference; declared lengths are compared with the bytes that are there; opcodes,
texts and depth have limits.
"""

import mmap
import pickletools
import struct
from collections.abc import Callable
from pathlib import Path
from typing import Any, NoReturn

from merflow.errors import CorpusError
from merflow.storage.pickled_arrays import LongText, Name, NotPlainError, Unfinished, call, finish

# The processed files of CMU-MOSEI need up to 1.5 million: seven values of 22,856 utterances, at most nine opcodes each.
MOST_OPCODES = 5_000_000
MOST_TEXT_BYTES = 256 << 20
MOST_DEPTH = 16
PROTOCOLS = (2, 3, 4, 5)

_NAMES = {ord(opcode.code): opcode.name for opcode in pickletools.opcodes}
# Opcodes with an argument of fixed size, and its format.
_FIXED = {
    **{"PROTO": "<B", "FRAME": "<Q", "BINFLOAT": ">d", "BININT": "<i", "BININT1": "<B", "BININT2": "<H"},
    **{"BINPUT": "<B", "LONG_BINPUT": "<I", "BINGET": "<B", "LONG_BINGET": "<I"},
}
# Opcodes with an argument that follows its own length, and the size of that length in bytes.
_COUNTED = {
    **{"LONG1": 1, "SHORT_BINBYTES": 1, "BINBYTES": 4, "BINBYTES8": 8, "BYTEARRAY8": 8},
    **{"SHORT_BINUNICODE": 1, "BINUNICODE": 4, "BINUNICODE8": 8},
}
_TEXTS = ("SHORT_BINUNICODE", "BINUNICODE", "BINUNICODE8")
_CONSTANTS = {"NONE": None, "NEWTRUE": True, "NEWFALSE": False}
_SIZED_TUPLES = {"EMPTY_TUPLE": 0, "TUPLE1": 1, "TUPLE2": 2, "TUPLE3": 3}

_SMALL_BYTES = 256  # longer ones stay views of the file
_LONG_TEXT_BYTES = 64 << 10  # of protocol 2; longer ones are bytes in disguise
_OF_PYTHON_2 = ("STRING", "BINSTRING", "SHORT_BINSTRING")
_MOST_LINE = 256


def read_plain_pickle(path: Path) -> Any:  # noqa: ANN401 - dicts, lists and arrays as the file has them
    """Return a pickle's value: dicts with texts as keys, lists, tuples, texts, numbers, bytes, None, arrays, types.

    Arrays are read-only views of the file, which must not change while they are in use. Longer bytes are memoryviews of
    it. An array of Python objects must hold texts alone, and becomes a list of them.

    Raises:
        CorpusError: The file is missing, is not a pickle of protocol 2 to 5, is cut off, or holds anything else. The
            message names the opcode or class and its position. Nothing of the file was run.
    """
    try:
        with path.open("rb") as file:
            content = memoryview(mmap.mmap(file.fileno(), 0, access=mmap.ACCESS_READ))
    except (OSError, ValueError) as error:  # an empty file cannot be mapped
        reason = error.strerror if isinstance(error, OSError) else "it is empty"
        raise CorpusError(f"cannot read {path}: {reason}; pass a file that pickle.dump wrote") from error
    return _Machine(content, where=str(path)).run()


class _Machine:
    """The stack, the marks and the memo of a pickle that is being read."""

    def __init__(self, content: memoryview, *, where: str) -> None:
        self._content = content
        self._where = where
        self._at = 0  # the next byte
        self._opcode_at = 0
        self._opcode = "start"
        self._stack: list[Any] = []
        self._marks: list[int] = []
        self._memo: dict[int, Any] = {}
        self._text_bytes = 0
        self._used_again = 0  # bytes of content that more than one array takes
        self._protocol = 0
        self._actions: dict[str, Callable[[], None]] = {
            "MARK": lambda: self._marks.append(len(self._stack)),
            "EMPTY_LIST": lambda: self._stack.append([]),
            "EMPTY_DICT": lambda: self._stack.append({}),
            "APPEND": lambda: self._extend(self._pop(1)),
            "APPENDS": lambda: self._extend(self._pop_to_mark()),
            "SETITEM": lambda: self._set(self._pop(2)),
            "SETITEMS": lambda: self._set(self._pop_to_mark()),
            "TUPLE": lambda: self._stack.append(tuple(self._pop_to_mark())),
            "MEMOIZE": lambda: self._put(len(self._memo)),
            "STACK_GLOBAL": lambda: self._name(*self._pop(2)),
            "GLOBAL": lambda: self._name(self._line(), self._line()),
            "REDUCE": lambda: self._stack.append(call(*self._pop(2))),
            "BUILD": self._build,
        }

    def run(self) -> Any:  # noqa: ANN401 - see read_plain_pickle
        """Return the value of the whole pickle."""
        if bytes(self._content[:1]) != b"\x80":
            self._refuse("it does not start as a pickle of protocol 2 to 5 does")
        try:
            for _ in range(MOST_OPCODES):
                self._opcode_at = self._at
                code = self._take(1)[0]
                self._opcode = _NAMES.get(code, f"0x{code:02x}")
                if self._opcode == "STOP":
                    return self._finished()
                self._step(self._opcode)
        except NotPlainError as error:
            self._refuse(str(error))
        self._refuse(f"it has more than {MOST_OPCODES:,} opcodes")

    def _step(self, name: str) -> None:
        if name in _COUNTED:
            self._stack.append(self._counted(name))
        elif name in _FIXED:
            self._fixed(name, struct.unpack(_FIXED[name], self._take(struct.calcsize(_FIXED[name])))[0])
        elif name in _CONSTANTS:
            self._stack.append(_CONSTANTS[name])
        elif name in _SIZED_TUPLES:
            self._stack.append(tuple(self._pop(_SIZED_TUPLES[name])))
        elif name in self._actions:
            self._actions[name]()
        elif name in _OF_PYTHON_2:
            self._refuse("it has strings of Python 2, which do not say if they are text or bytes")
        else:
            self._refuse(f"opcode {name} is not allowed in a file of plain values and arrays")

    def _fixed(self, name: str, argument: Any) -> None:  # noqa: ANN401 - a number
        if name == "PROTO":
            if argument not in PROTOCOLS or self._opcode_at:
                self._refuse(f"protocol {argument} is not one of {', '.join(map(str, PROTOCOLS))}, or comes twice")
            self._protocol = argument
        elif name == "FRAME":  # a hint for reading ahead
            if argument > len(self._content) - self._at:
                self._refuse(f"a frame of {argument:,} bytes is longer than the file")
        elif name in ("BINPUT", "LONG_BINPUT"):
            self._put(argument)
        elif name in ("BINGET", "LONG_BINGET"):
            self._get(argument)
        else:
            self._stack.append(argument)

    def _counted(self, name: str) -> Any:  # noqa: ANN401 - bytes, text or number
        value = self._take(int.from_bytes(self._take(_COUNTED[name]), "little"))
        if name == "LONG1":
            return int.from_bytes(value, "little", signed=True)
        if name not in _TEXTS:
            return bytes(value) if len(value) <= _SMALL_BYTES else value
        if self._protocol == 2 and len(value) > _LONG_TEXT_BYTES:
            return LongText(value)
        self._count_text(len(value))
        try:
            return str(value, "utf-8")
        except UnicodeDecodeError:
            self._refuse("a text is not UTF-8")

    def _count_text(self, size: int) -> None:
        self._text_bytes += size
        if self._text_bytes > MOST_TEXT_BYTES:
            self._refuse(f"its texts have more than {MOST_TEXT_BYTES:,} bytes")

    def _build(self) -> None:
        target, state = self._pop(2)
        finish(target, state)
        self._stack.append(target)

    def _name(self, module: object, name: object) -> None:
        if not isinstance(module, str) or not isinstance(name, str):
            self._refuse("a class has no name")
        self._stack.append(Name(f"{module}.{name}"))

    def _extend(self, values: list[Any]) -> None:
        target = self._top()
        if not isinstance(target, list):
            self._refuse(f"appending to a {type(target).__name__} is not allowed")
        target.extend(values)

    def _set(self, items: list[Any]) -> None:
        target = self._top()
        if not isinstance(target, dict) or len(items) % 2:
            self._refuse(f"setting items of a {type(target).__name__} is not allowed")
        for key, value in zip(items[::2], items[1::2], strict=True):
            if type(key) is not str:  # a tuple's hash would descend into it without a limit
                self._refuse(f"a dict has a {type(key).__name__} as key, not a text")
            target[key] = value

    def _put(self, number: int) -> None:
        self._memo[number] = self._top()

    def _get(self, number: int) -> None:
        if number not in self._memo:
            self._refuse(f"the memo has no entry {number}")
        value = self._memo[number]
        if isinstance(value, list | dict | tuple):
            self._refuse(f"a {type(value).__name__} is used more than once")
        if isinstance(value, memoryview | LongText):
            self._used_again += len(value)
            if self._used_again > len(self._content):
                self._refuse("the content of arrays is used again and again")
        if isinstance(value, str):
            self._count_text(len(value))
        self._stack.append(value)

    def _top(self) -> Any:  # noqa: ANN401 - any value of the file
        if len(self._stack) <= self._floor:
            self._refuse("the stack is empty")
        return self._stack[-1]

    def _pop(self, count: int) -> list[Any]:
        start = len(self._stack) - count
        if start < self._floor:
            self._refuse("the stack is empty")
        return self._cut(start)

    def _pop_to_mark(self) -> list[Any]:
        if not self._marks:
            self._refuse("there is no mark")
        return self._cut(self._marks.pop())

    def _cut(self, start: int) -> list[Any]:
        """Remove the values from ``start`` on and return them, with finished types and arrays unwrapped."""
        values, self._stack[start:] = self._stack[start:], []
        return [one.value if isinstance(one, Unfinished) and one.value is not None else one for one in values]

    @property
    def _floor(self) -> int:
        return self._marks[-1] if self._marks else 0

    def _line(self) -> str:
        end = bytes(self._content[self._at : self._at + _MOST_LINE]).find(b"\n")
        if end < 0:
            self._refuse("a name does not end")
        return str(self._take(end + 1)[:-1], "utf-8", "replace")

    def _take(self, count: int) -> memoryview:
        """Return the next bytes as a view of the file."""
        left = len(self._content) - self._at
        if count > left:
            self._refuse(f"it needs {count:,} more bytes, but the file ends after {left:,}: it is cut off or damaged")
        taken = self._content[self._at : self._at + count]
        self._at += count
        return taken

    def _finished(self) -> Any:  # noqa: ANN401 - see read_plain_pickle
        """Return the value once the whole tree has been found plain."""
        if self._at != len(self._content):
            self._refuse(f"{len(self._content) - self._at:,} bytes follow after its end")
        if len(self._stack) != 1 or self._marks:
            self._refuse(f"it ends with {len(self._stack)} values and {len(self._marks)} marks, not with one value")
        [root] = self._cut(0)
        waiting = [(root, 0)]
        while waiting:
            value, depth = waiting.pop()
            if isinstance(value, Name | Unfinished | LongText):
                self._refuse("it holds a class or an unfinished array, or a very long text, among its values")
            if depth > MOST_DEPTH:
                self._refuse(f"its values are nested more than {MOST_DEPTH} deep")
            if isinstance(value, dict | list | tuple):
                inside = value.values() if isinstance(value, dict) else value
                waiting.extend((one, depth + 1) for one in inside)
        return root

    def _refuse(self, reason: str) -> NoReturn:
        raise CorpusError(
            f"{self._where}, byte {self._opcode_at:,} ({self._opcode}): {reason}; nothing of the file was run; get it "
            "again from its authors, and do not load this copy with pickle"
        )
