"""Changes to the bytes of files that readers are most likely to trip over."""

import random
import re
from collections.abc import Callable, Sequence

Mutation = Callable[[bytearray, random.Random], None]

EXTREMES = (0, 1, 2, 127, 128, 255, 256, 32767, 65535, 65536, 2**31 - 1, 2**31, 2**32 - 1, 2**63, 2**64 - 1)
NUMBERS = (b"-1", b"0", b"1e999", b"NaN", b"1e-320", b"99999999999999999999", b"2147483648", b"0.5", b"null", b"true")
TEXTS = (b'""', b"[]", b"{}", b"null", b'"../../x"', b'"/etc/passwd"', b'"\\u0000"', b'"\\ud800"', b"[[[[[]]]]]")
_NUMBER, _TEXT = re.compile(rb"-?\d+(\.\d+)?"), re.compile(rb'"[^"]*"')
_DEEP = 20_000


def _flip(content: bytearray, draw: random.Random) -> None:
    content[draw.randrange(len(content))] ^= 1 << draw.randrange(8)


def _set(content: bytearray, draw: random.Random) -> None:
    content[draw.randrange(len(content))] = draw.choice((0, 1, 0x7F, 0x80, 0xFF, draw.randrange(256)))


def _number(content: bytearray, draw: random.Random) -> None:
    """Write a number as it stands in headers: one to eight bytes, either end first."""
    num_bytes = draw.choice((1, 2, 4, 8))
    value = draw.choice(EXTREMES) % 256**num_bytes
    at = draw.randrange(min(len(content), draw.choice((64, 512, len(content)))))
    content[at : at + num_bytes] = value.to_bytes(num_bytes, draw.choice(("big", "little")))


def _cut(content: bytearray, draw: random.Random) -> None:
    del content[draw.randrange(len(content)) :]


def _drop(content: bytearray, draw: random.Random) -> None:
    at = draw.randrange(len(content))
    del content[at : at + draw.randint(1, 64)]


def _repeat(content: bytearray, draw: random.Random) -> None:
    at = draw.randrange(len(content))
    piece = content[at : at + draw.randint(1, 256)]
    content[at:at] = piece * draw.randint(1, 8)


def _put(content: bytearray, draw: random.Random) -> None:
    at = draw.randrange(len(content))
    content[at:at] = draw.randbytes(draw.randint(1, 16))


def _other(pattern: re.Pattern[bytes], others: Sequence[bytes]) -> Mutation:
    """Write another word in the place of one."""

    def replace(content: bytearray, draw: random.Random) -> None:
        if found := [*pattern.finditer(content[:200_000])]:
            one = draw.choice(found)
            content[one.start() : one.end()] = draw.choice(others)

    return replace


def _deepen(content: bytearray, draw: random.Random) -> None:
    """Write lists in lists in the place of a word."""
    _other(_TEXT, (b"[" * _DEEP + b"]" * _DEEP,))(content, draw)


BYTES: tuple[Mutation, ...] = (_flip, _set, _number, _number, _cut, _drop, _repeat, _put)
WORDS: tuple[Mutation, ...] = (*(_other(_NUMBER, NUMBERS), _other(_TEXT, TEXTS)) * 3, _flip, _set, _cut, _drop, _repeat)
RARE = 0.01
"""How often words become deep lists."""


def is_words(content: bytes) -> bool:
    """Tell whether a file holds words for people."""
    return b"\0" not in content[:4096] and content[:1] != b"\x89"


def mutated(content: bytes, draw: random.Random) -> bytes:
    """Give a file with one to eight changes."""
    changed = bytearray(content)
    kinds = WORDS if is_words(content) else BYTES
    for _ in range(draw.choice((1, 1, 1, 2, 3, 8))):
        if changed:
            (_deepen if kinds is WORDS and draw.random() < RARE else draw.choice(kinds))(changed, draw)
    return bytes(changed)
