"""Label Studio's code of brush masks: runs of equal bytes, packed bit by bit.

It begins with the number of bytes (32 bits), the bits of a byte less 1 (5) and four sizes of counts less 1 (4 each).
Then come runs: a bit that tells whether one value is repeated or values follow one by one, the number of the size of
the count (2 bits), the count less 1, and the value or values. A pixel is four bytes, red, green, blue and alpha.
"""

import numpy as np

_CHANNELS = 4
_HALF = 128


def decode(code: bytes, size: tuple[int, int]) -> np.ndarray:
    """Unpack a mask.

    Args:
        code: the numbers of Label Studio's ``rle``.
        size: height and width of the image.

    Returns:
        bool, (H, W): where alpha is half or more.

    Raises:
        ValueError: the code is broken, or of another size.
    """
    bits = _Bits(code)
    num = bits.take(32)
    if num != size[0] * size[1] * _CHANNELS:
        raise ValueError(f"it is of {num // _CHANNELS} pixels")
    if bits.take(5) != 7:
        raise ValueError("its values are no bytes")
    count_bits = [bits.take(4) + 1 for _ in range(4)]
    values: list[int] = []
    lengths: list[int] = []
    done = 0
    while done < num:
        is_run = bits.take(1)
        count = bits.take(count_bits[bits.take(2)]) + 1
        if is_run:
            values.append(bits.take(8))
            lengths.append(count)
        else:
            values += [bits.take(8) for _ in range(count)]
            lengths += [1] * count
        done += count
    if done != num:
        raise ValueError("its runs are longer than the image")
    alpha = np.repeat(np.array(values, np.uint8), lengths).reshape(*size, _CHANNELS)[..., 3]
    return alpha >= _HALF


class _Bits:
    """A row of bits, taken from the front."""

    def __init__(self, content: bytes):
        self._text = "".join(f"{byte:08b}" for byte in content)
        self._at = 0

    def take(self, num: int) -> int:
        """Take a number of ``num`` bits.

        Raises:
            ValueError: there are no more.
        """
        end = self._at + num
        if end > len(self._text):
            raise ValueError("it ends too early")
        value = int(self._text[self._at : end], 2)
        self._at = end
        return value
