"""Requests as no client should send them, byte by byte: drawn by hypothesis.

What is drawn is a right request with something wrong: its JSON cut off, nested deeply, with
numbers, tokens or halves of characters that JSON or a model has no use for; other types of content;
lengths that do not fit. All of it is written to a plain socket.
"""

from __future__ import annotations

import json
import socket
import time
from collections.abc import Sequence
from dataclasses import dataclass

from hypothesis import strategies as st

from benchmarks.faults.questions import Question

STRANGE = (
    *("NaN", "Infinity", "-Infinity", "1e999", "-1e999", "1e-999", "1" * 400, "-0", "01", "0x1"),
    *("9223372036854775808", "-9223372036854775809", "1e308", "3.5e38", "1.5", "true", "null"),
    *(
        '"\\ud800"',
        '"\\udfff\\ud800"',
        '"\\u0000"',
        '"' + "a" * 5000 + '"',
        '""',
        "[]",
        "{}",
        "[[]]",
    ),
    *("[" * 500 + "]" * 500, '{"a":' * 500 + "1" + "}" * 500, "tru", "'a'", "\x00", '"\n"'),
)
DEPTHS = (10, 1_000, 100_000)
TYPES = (
    *("text/plain", "application/xml", "application/x-www-form-urlencoded", "", "a" * 300),
    *("multipart/form-data; boundary=x", "application/json; charset=utf-16", "application/json;;"),
)
JSON_TYPE = "application/json"
HUGE = "18446744073709551616"  # of 65 bits
LENGTHS = ("-1", "x", "1e3", "+5", "", HUGE, "0", "5, 5", "00005")
ENDS = (*[True] * 29, False)  # few that stall: each takes until the server's deadline
READ_TIMEOUT_S = 10.0


@dataclass(frozen=True)
class Wire:
    """A request as bytes.

    Attributes:
        kind: what is wrong with it.
        data: all of it.
        ends: the server can see that nothing more will be written. Servers take that for the end
            of the connection, so only what could never be answered ends so.
    """

    kind: str
    data: bytes
    ends: bool = False


def wires(questions: Sequence[Question]) -> st.SearchStrategy[Wire]:
    """Wrong requests to the paths of right ones."""
    asked = st.sampled_from(list(questions))
    return st.one_of(
        st.builds(_plain, asked, st.binary(max_size=300), st.just("bytes")),
        st.builds(_cut, asked, st.floats(0, 1)),
        st.builds(_nested, asked, st.sampled_from(DEPTHS), st.sampled_from(["[", '{"a":', "[["])),
        st.builds(planted, asked, st.floats(0, 1), st.sampled_from(STRANGE)),
        st.builds(_plain, asked, st.sampled_from(STRANGE).map(_encoded), st.just("strange")),
        st.builds(_typed, asked, st.sampled_from(TYPES)),
        st.builds(_flipped, asked, st.floats(0, 1), st.integers(0, 255)),
        st.builds(_long, asked, st.sampled_from(LENGTHS)),
        st.builds(_longer, asked, st.integers(1, 10_000), st.sampled_from(ENDS)),
        st.builds(
            _chunked, asked, st.sampled_from(["5\r\nab", "-1\r\n", "zz\r\n", "0", "FFFFFFFF\r\n"])
        ),
    )


def answer_to(
    host: str, port: int, wire: Wire, timeout_s: float = READ_TIMEOUT_S
) -> tuple[int, float]:
    """Status of the answer and seconds until it ended; 0: closed without one; -1: it hangs."""
    began_s = time.monotonic()
    status = _status(host, port, wire, timeout_s)
    return status, time.monotonic() - began_s


def _status(host: str, port: int, wire: Wire, timeout_s: float) -> int:
    found = b""
    try:
        with socket.create_connection((host, port), timeout_s) as connection:
            connection.sendall(wire.data)
            if wire.ends:
                connection.shutdown(socket.SHUT_WR)
            while piece := connection.recv(1 << 16):
                found += piece
    except TimeoutError:
        return -1
    except OSError:  # reset: it closed while there was more to read, perhaps after an answer
        pass
    head = found.split(b" ", 2)
    return int(head[1]) if found.startswith(b"HTTP/1.1 ") and head[1].isdigit() else 0


def _encoded(text: str) -> bytes:
    return text.encode()


def _head(question: Question, length: str, kind: str = JSON_TYPE, more: str = "") -> bytes:
    return (
        f"POST {question.path} HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n"
        f"Content-Type: {kind}\r\n{more}" + (f"Content-Length: {length}\r\n\r\n")
    ).encode()


def _plain(question: Question, body: bytes, kind: str) -> Wire:
    return Wire(kind, _head(question, str(len(body))) + body)


def _cut(question: Question, part: float) -> Wire:
    return _plain(question, question.body[: int(part * len(question.body))], "cut off")


def _nested(question: Question, depth: int, opening: str) -> Wire:
    return _plain(question, (opening * depth).encode(), "nested")


def planted(question: Question, part: float, strange: str) -> Wire:
    """One leaf of a right request is something strange."""
    mark = "\N{BULLET}"
    leaves = _leaves(json.loads(question.body))
    text = json.dumps(_replaced(json.loads(question.body), int(part * (leaves - 1)), mark)[0])
    return _plain(question, text.replace(json.dumps(mark), strange).encode(), "planted")


def _leaves(value: object) -> int:
    if isinstance(value, dict | list):
        return sum(map(_leaves, value.values() if isinstance(value, dict) else value))
    return 1


def _replaced(value: object, index: int, by: str) -> tuple[object, int]:
    """The value with its leaf of that index replaced, and how many leaves are still to pass."""
    if isinstance(value, dict):
        items = []
        for key, held in value.items():
            new, index = _replaced(held, index, by)
            items.append((key, new))
        return dict(items), index
    if isinstance(value, list):
        values = []
        for held in value:
            new, index = _replaced(held, index, by)
            values.append(new)
        return values, index
    return (by if index == 0 else value), index - 1


def _typed(question: Question, kind: str) -> Wire:
    return Wire("type", _head(question, str(len(question.body)), kind) + question.body)


def _flipped(question: Question, part: float, byte: int) -> Wire:
    at = int(part * (len(question.body) - 1))
    return _plain(question, question.body[:at] + bytes([byte]) + question.body[at + 1 :], "flipped")


def _long(question: Question, length: str) -> Wire:
    return Wire("length", _head(question, length) + question.body, length == HUGE)


def _longer(question: Question, more: int, ends: bool) -> Wire:
    """It promises more than comes; the server may see that it ends, or must lose patience."""
    data = _head(question, str(len(question.body) + more)) + question.body
    return Wire("short" if ends else "stalled", data, ends)


def _chunked(question: Question, chunk: str) -> Wire:
    head = _head(question, "", more="Transfer-Encoding: chunked\r\n")
    return Wire("chunked", head.replace(b"Content-Length: \r\n", b"") + chunk.encode(), True)
