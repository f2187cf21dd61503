"""Read plain JSON, one flat object a line, straight into columns; whatever is not plain is left to a whole parser.

A decimal number w * 10**q becomes the nearest double by one or two products of 64 bits with a table of powers of five:
D. Lemire, Number parsing at a gigabyte per second, Software: Practice and Experience 51 (2021), doi:10.1002/spe.2984,
section 5; that the two suffice is shown by N. Mushtak and D. Lemire, Fast number parsing without fallback, ibid. 53
(2023), doi:10.1002/spe.3198.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from tocsin.kernels.jit import borrowing, inlined

TEXT, WHOLE, NUMBER = 0, 1, 2
"""What a field holds: a text, a whole number of 64 bits, or any number, true, false or null."""
NOT_PLAIN = -1

_FAR = 64
"""Powers of ten beyond that are left to a whole parser."""
_MOST_DIGITS = 19
_LOW, _HALF, _ONE, _ZERO = np.uint64(0xFFFFFFFF), np.uint64(32), np.uint64(1), np.uint64(0)
_ALL, _NINE_BITS, _THREE = np.uint64(0xFFFFFFFFFFFFFFFF), np.uint64(0x1FF), np.uint64(3)
_BYTE, _TEN, _HIDDEN = np.uint64(0xFF), np.uint64(10), np.uint64(1 << 52)
_MOST = np.uint64((1 << 63) - 1)
_SIGN, _MISSING = -1 << 63, 0x7FF8000000000000
_TRUE = 0x3FF0000000000000

_NIBBLES, _UPPER = np.uint64(0x0F0F0F0F0F0F0F0F), np.uint64(0xF0F0F0F0F0F0F0F0)
_THREES, _SIXES = np.uint64(0x3030303030303030), np.uint64(0x0606060606060606)

Bytes = NDArray[np.uint8]
Words = NDArray[np.uint64]
Wholes = NDArray[np.int64]


def _powers() -> NDArray[np.uint64]:
    """Return the first 128 bits of 5**q from -_FAR to _FAR, shape (2 * _FAR + 1, 2); rounded up from -27 to -1."""
    words = []
    for power in range(-_FAR, _FAR + 1):
        five = 5 ** abs(power)
        bits = five.bit_length()
        top = five << 128 >> bits if power >= 0 else (1 << bits + 127) // five + (power >= -27)
        words.append((top >> 64, top & 0xFFFFFFFFFFFFFFFF))
    return np.array(words, np.uint64)


_FIVES = _powers()


@borrowing
def _product(a: np.uint64, b: np.uint64) -> tuple[np.uint64, np.uint64]:
    """Return the upper and the lower half of a product."""
    a_low, a_high, b_low, b_high = a & _LOW, a >> _HALF, b & _LOW, b >> _HALF
    low, cross = a_low * b_low, a_high * b_low
    middle = (low >> _HALF) + (cross & _LOW) + a_low * b_high
    return a_high * b_high + (cross >> _HALF) + (middle >> _HALF), (middle << _HALF) | (low & _LOW)


@borrowing
def _double_bits(digits: np.uint64, power: int) -> np.int64:
    """Return the bits of the double that is nearest to digits * 10**power; digits are not 0."""
    left = 0
    for step in (32, 16, 8, 4, 2, 1):
        if digits >> np.uint64(64 - step) == _ZERO:
            digits <<= np.uint64(step)
            left += step
    high, low = _product(digits, _FIVES[power + _FAR, 0])
    if high & _NINE_BITS == _NINE_BITS:
        more, _ = _product(digits, _FIVES[power + _FAR, 1])
        if more > _ALL - low:
            low -= _ALL - more + _ONE
            high += _ONE
        else:
            low += more
    upper = high >> np.uint64(63)
    shift = upper + np.uint64(9)
    mantissa = high >> shift
    exponent = (217706 * power >> 16) + 63 + np.int64(upper) - left + 1023
    if low <= _ONE and -4 <= power <= 23 and mantissa & _THREE == _ONE and mantissa << shift == high:
        mantissa -= _ONE
    mantissa = (mantissa + (mantissa & _ONE)) >> _ONE
    if mantissa == _HIDDEN << _ONE:
        mantissa >>= _ONE
        exponent += 1
    return np.int64(exponent << 52) | np.int64(mantissa - _HIDDEN)


@inlined
def _blank(text: Bytes, at: int) -> int:
    while at < len(text) and (text[at] == 32 or text[at] == 9 or text[at] == 13):
        at += 1
    return at


@inlined
def _text_end(text: Bytes, at: int) -> int:
    """Return where the closing quote is; beyond the end if the text is not plain ASCII without escapes."""
    while at < len(text):
        byte = text[at]
        if byte == 34:
            return at
        if byte == 92 or byte < 32 or byte >= 127:
            break
        at += 1
    return len(text)


@inlined
def _is_name(text: Bytes, eights: Words, at: int, names: Words, first: int, last: int) -> bool:
    """Return whether a name with its closing quote stands there; see `read` for `names`."""
    if at + 8 * (last - first) > len(text):
        for i in range(8 * (last - first)):
            shift = np.uint64(8 * (i % 8))
            letter = np.int64((names[first + i // 8, 0] >> shift) & _BYTE)
            if letter != 0 and (at + i >= len(text) or text[at + i] != letter):
                return False
        return True
    for i in range(first, last):
        if (eights[at] & names[i, 1]) != names[i, 0]:
            return False
        at += 8
    return True


@inlined
def _field(text: Bytes, eights: Words, at: int, names: Words, bounds: Wholes, guess: int) -> int:
    """Return which field has the name that begins there, -1 if none; the guess is tried first."""
    if guess < len(bounds) - 1 and _is_name(text, eights, at, names, bounds[guess], bounds[guess + 1]):
        return guess
    for field in range(len(bounds) - 1):
        if _is_name(text, eights, at, names, bounds[field], bounds[field + 1]):
            return field
    return -1


@inlined
def _digits(text: Bytes, eights: Words, at: int, most: int, digits: np.uint64) -> tuple[int, np.uint64]:
    """Go over at most so many digits, and put them behind those that are known; eight at a time while there are."""
    while most >= 8 and at < len(eights):
        eight = eights[at]
        low = eight & _NIBBLES
        if (eight & _UPPER) != _THREES or ((low + _SIXES) & _UPPER) != _ZERO:
            break
        low = (low * _TEN + (low >> np.uint64(8))) & np.uint64(0x00FF00FF00FF00FF)
        low = (low * np.uint64(100) + (low >> np.uint64(16))) & np.uint64(0x0000FFFF0000FFFF)
        low = (low * np.uint64(10_000) + (low >> _HALF)) & _LOW
        digits = digits * np.uint64(100_000_000) + low
        at, most = at + 8, most - 8
    while most > 0 and at < len(text) and 48 <= text[at] <= 57:
        digits = digits * _TEN + np.uint64(text[at] - 48)
        at, most = at + 1, most - 1
    return at, digits


@inlined
def _is_digit(text: Bytes, at: int) -> bool:
    return at < len(text) and 48 <= text[at] <= 57


@inlined
def _number(text: Bytes, eights: Words, at: int) -> tuple[int, bool, np.uint64, int, bool]:
    """Return where a number ends (-1 if it is none, or not plain), its sign, digits and power, and if it is whole."""
    negative, whole, power = text[at] == 45, True, 0
    start = at + 1 if negative else at
    at, digits = _digits(text, eights, start, _MOST_DIGITS, _ZERO)
    left = _MOST_DIGITS - (at - start)
    if at == start or _is_digit(text, at) or (text[start] == 48 and at > start + 1):
        return -1, negative, digits, power, whole
    if at < len(text) and text[at] == 46:
        first = start = at + 1
        if digits == _ZERO:
            left = _MOST_DIGITS
            while start < len(text) and text[start] == 48:
                start += 1
        at, digits = _digits(text, eights, start, left, digits)
        if at == first or _is_digit(text, at):
            return -1, negative, digits, power, whole
        power, whole = first - at, False
    if at < len(text) and (text[at] == 101 or text[at] == 69):
        at, whole = at + 1, False
        minus = at < len(text) and text[at] == 45
        if minus or (at < len(text) and text[at] == 43):
            at += 1
        start, exponent = at, 0
        while at < start + 4 and _is_digit(text, at):
            exponent = exponent * 10 + np.int64(text[at] - 48)
            at += 1
        if at == start or _is_digit(text, at):
            return -1, negative, digits, power, whole
        power += -exponent if minus else exponent
    if not -_FAR <= power <= _FAR:
        return -1, negative, digits, power, whole
    return at, negative, digits, power, whole


@borrowing
def _word(text: Bytes, at: int) -> int:
    """Return where true, false or null ends; -1 if it is none of them."""
    left = len(text) - at
    if left >= 4 and text[at + 1] == 114 and text[at + 2] == 117 and text[at + 3] == 101 and text[at] == 116:
        return at + 4
    if left >= 4 and text[at + 1] == 117 and text[at + 2] == 108 and text[at + 3] == 108 and text[at] == 110:
        return at + 4
    if left >= 5 and text[at] == 102 and text[at + 1] == 97 and text[at + 2] == 108 and text[at + 3] == 115:
        return at + 5 if text[at + 4] == 101 else -1
    return -1


@borrowing
def read(
    text: Bytes, eights: Words, names: Words, bounds: Wholes, sizes: Wholes, kinds: Wholes, places: Wholes,
    chars: Bytes, ends: Wholes, wholes: Wholes, bits: Wholes, seen: Wholes, missing: Wholes,
) -> int:  # fmt: skip
    """Read objects into columns; return how many, or NOT_PLAIN if one is not plain, and then nothing holds.

    Parameters
    ----------
    text : ndarray of uint8
    eights : ndarray of shape (the text's length less 7,), uint64
        The eight bytes from each place on.
    names, bounds, sizes : ndarray
        The names of the fields with their closing quotes, eight bytes a row and a mask for them; in which row each
        begins, shape (n_fields + 1,); and how many bytes each has, shape (n_fields,).
    kinds, places : ndarray of shape (n_fields,)
        TEXT, WHOLE or NUMBER, and which of those it is.
    chars : ndarray of shape (n_texts, at least the text's length)
    ends : ndarray of shape (n_texts, n_rows + 1)
        Where each row's text ends in `chars`, behind a 0.
    wholes : ndarray of shape (n_wholes, n_rows)
    bits : ndarray of shape (n_numbers, n_rows)
        The bits of doubles; NaN where there is null or no such field.
    seen : ndarray of shape (n_fields,)
        Comes as -1, and is used up.
    missing : ndarray of shape (n_numbers,)
        Is added to for each that is NaN.

    A plain object is on a line of its own, holds no other object or list, each field at most once, each text and whole
    number, names and texts of plain ASCII without escapes, and numbers of at most 19 digits; other fields are skipped.
    Cost: about two nanoseconds a byte.
    """
    n_fields, row, at = len(kinds), 0, 0
    while at < len(text):
        at = _blank(text, at)
        if at == len(text):
            break
        if text[at] == 10:
            at += 1
            continue
        if row == bits.shape[1] or text[at] != 123:
            return NOT_PLAIN
        at = _object(text, eights, at + 1, row, names, bounds, sizes, kinds, places, chars, ends, wholes, bits, seen)
        if at < 0:
            return NOT_PLAIN
        for field in range(n_fields):
            if seen[field] != row:
                if kinds[field] != NUMBER:
                    return NOT_PLAIN
                bits[places[field], row] = _MISSING
            if kinds[field] == NUMBER:
                missing[places[field]] += bits[places[field], row] == _MISSING
        at = _blank(text, at)
        if at < len(text) and text[at] != 10:
            return NOT_PLAIN
        row += 1
    return row


@inlined
def _copy(text: Bytes, at: int, end: int, chars: Bytes, ends: Wholes, row: int) -> None:
    """Put a text down behind those of the rows before."""
    to = ends[row]
    for i in range(at, end):
        chars[to] = text[i]
        to += 1
    ends[row + 1] = to


@inlined
def _value(
    text: Bytes, eights: Words, at: int, row: int, kind: int, place: int, chars: Bytes, ends: Wholes, wholes: Wholes,
    bits: Wholes,
) -> int:  # fmt: skip
    """Put a value down, or pass it if it has no place; return where it ends, -1 if it is not plain."""
    if at >= len(text):
        return -1
    if text[at] == 34:
        end = _text_end(text, at + 1)
        if end == len(text) or (place >= 0 and kind != TEXT):
            return -1
        if place >= 0:
            _copy(text, at + 1, end, chars[place], ends[place], row)
        return end + 1
    if text[at] != 45 and not _is_digit(text, at):
        end = _word(text, at)
        if kind != NUMBER:
            return -1
        if end >= 0 and place >= 0:
            bits[place, row] = _MISSING if text[at] == 110 else _TRUE if text[at] == 116 else 0
        return end
    end, negative, digits, power, whole = _number(text, eights, at)
    if kind == TEXT or (kind == WHOLE and (not whole or digits > _MOST)):
        return -1
    if end >= 0 and place >= 0:
        if kind == WHOLE:
            wholes[place, row] = -np.int64(digits) if negative else np.int64(digits)
        else:
            value = _double_bits(digits, power) if digits != _ZERO else 0
            bits[place, row] = value | _SIGN if negative and not (whole and value == 0) else value
    return end


@inlined
def _object(
    text: Bytes, eights: Words, at: int, row: int, names: Words, bounds: Wholes, sizes: Wholes, kinds: Wholes,
    places: Wholes, chars: Bytes, ends: Wholes, wholes: Wholes, bits: Wholes, seen: Wholes,
) -> int:  # fmt: skip
    """Read the fields of one object; return where it ends, -1 if it is not plain."""
    field = -1
    while True:
        at = _blank(text, at)
        if at >= len(text) or text[at] != 34:
            return -1
        field = _field(text, eights, at + 1, names, bounds, field + 1)
        kind, place, again = NUMBER, -1, False
        if field < 0:
            end = _text_end(text, at + 1)
        else:
            end = at + 1 + sizes[field]
            kind, place, again = kinds[field], places[field], seen[field] == row
            seen[field] = row
        at = _blank(text, end + 1)
        if again or at >= len(text) or text[at] != 58:
            return -1
        at = _blank(text, at + 1)
        at = _value(text, eights, at, row, kind, place, chars, ends, wholes, bits)
        if at < 0:
            return -1
        at = _blank(text, at)
        if at >= len(text) or text[at] != 44:
            break
        at += 1
    return at + 1 if at < len(text) and text[at] == 125 else -1
