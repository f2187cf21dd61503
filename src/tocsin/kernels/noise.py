"""Normal, uniform and heavy-tailed noise, and sine waves, as functions of a row's place, with the same bits everywhere.

Everything is single precision. Logarithm, sine, cosine and exponential are polynomials of fused multiply-adds, good to
about 1e-7, so that neither a mathematical library nor the width of a vector register has a say; square roots are
rounded right by IEEE 754.

Normal values: G. E. P. Box and M. E. Muller, Annals of Mathematical Statistics 29, 1958, doi:10.1214/aoms/1177706645.
Student's t in the same manner: R. W. Bailey, Mathematics of Computation 62, 1994, doi:10.2307/2153537.
"""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

from tocsin.kernels.fma import fma
from tocsin.kernels.jit import kernel
from tocsin.kernels.philox import COUNTERS, WORDS, Keys, Words, words, words_at

Values = NDArray[np.float32]

NORMAL, UNIFORM, HEAVY = np.int64(0), np.int64(1), np.int64(2)
"""Kinds of noise; each has mean 0 and variance 1."""

_F = np.float32
_PAIR = COUNTERS
_STRETCH = 256

# Minimax fits: -2 log(1 + f) / f where 1 + f lies in [sqrt(1/2), sqrt(2)]; sqrt(2) sin(t) / t and sqrt(2) cos(t) in t^2
# where |t| <= pi / 2; (2^f - 1) / f where |f| <= 1/2.
_LOG = tuple(
    _F(c)
    for c in (
        -2.0, 0.99999976, -0.66668373, 0.5000415, -0.39913666, 0.33124787, -0.29904532, 0.2873369, -0.17444713,
    )
)  # fmt: skip
_SINE = tuple(_F(c) for c in (1.4142135, -0.23570214, 0.011784714, -0.00028014262, 3.6843444e-06))
_COSINE = tuple(_F(c) for c in (1.4142135, -0.70710546, 0.058921207, -0.0019592096, 3.2744603e-05))
_POWER = tuple(_F(c) for c in (0.6931472, 0.24022649, 0.055503573, 0.009618238, 0.0013390735, 0.00015403512))

_HALF, _ONE = _F(0.5), _F(1.0)
_SQUARE_ROOT_OF_HALF = np.int32(0x3F3504F3)
_MANTISSA, _WORD = np.int32(23), np.int32(32)
_MINUS_TWO_LOG_TWO = _F(-2.0 * np.log(2.0))
_HALF_TURN, _TURN = _F(np.pi * 2.0**-32), _F(np.pi * 2.0**-31)
_HALF_TURN_WORD, _NEXT_BIT = np.int32(-(1 << 31)), np.int32(1)
_UNIFORM = _F(np.sqrt(3.0) * 2.0**-31)
_LOG2_E = _F(1.0 / np.log(2.0))
_ROUND = _F(1.5 * 2.0**23)


@kernel
def add_noise(
    kind: int,
    scale: float,
    freedom: float,
    keys: Keys,
    asset: int,
    feature: int,
    stream: int,
    start: int,
    scratch: Words,
    out: Values,
) -> None:
    """Add `scale` times the noise of rows `start` onwards to `out`.

    Parameters
    ----------
    kind : int
        NORMAL, UNIFORM or HEAVY: Student's t with `freedom` degrees of freedom, more than 2.
    start : int
        A row at or after 0.
    scratch : ndarray of shape (2 * WORDS,), uint32
    """
    size = WORDS // 2 if kind == HEAVY else WORDS
    part = scratch[WORDS:].view(np.float32)
    row, stop = start, start + out.size
    while row < stop:
        group = row // size
        words(keys, asset, feature, stream, group, scratch)
        first, end = row - group * size, min(stop - group * size, size)
        if end - first == size:
            _add(kind, _F(scale), _F(freedom), scratch, out[row - start : row - start + size])
        else:
            part[:size] = _F(0.0)
            _add(kind, _F(scale), _F(freedom), scratch, part[:size])
            for i in range(first, end):
                out[row - start + i - first] += part[i]
        row += end - first


@kernel
def normal_at(keys: Keys, asset: int, feature: int, stream: int, index: int) -> float:
    """Return one normal value for one counter."""
    a, b, _, _ = words_at(keys, asset, feature, stream, index)
    sine, cosine = _half_angle(np.int32(np.uint32(b)))
    return float(np.sqrt(_minus_two_log(np.uint32(a))) * (sine * cosine))


@kernel
def add_wave(amplitude: float, phase: int, step: int, start: int, out: Values) -> None:
    """Add the sine of an angle that is `phase` at row 0 and grows by `step` a row, times `amplitude`.

    Both count in turns of 2^64, where they wrap without an error that could grow. Within `_STRETCH` rows 32 bits do.
    """
    size = _F(amplitude * np.sqrt(0.5))
    short = np.uint32((np.uint64(step) + np.uint64(1 << 31)) >> np.uint64(32))
    row, stop = start, start + out.size
    while row < stop:
        stretch = row // _STRETCH * _STRETCH
        begin = np.uint32((np.uint64(phase) + np.uint64(stretch) * np.uint64(step)) >> np.uint64(32))
        angle = np.uint32(begin + np.uint32(np.uint32(row - stretch) * short))
        end = min(stretch + _STRETCH, stop)
        part = out[row - start : end - start]
        for i in range(part.size):
            word = np.int32(angle)
            mirrored = np.int32(_HALF_TURN_WORD - word)
            beyond = np.int32(word ^ np.int32(word << _NEXT_BIT)) < 0  # a quarter turn
            part[i] = fma(size, _sine(mirrored if beyond else word), part[i])
            angle = np.uint32(angle + short)
        row = end


@kernel
def _add(kind: int, scale: Any, freedom: Any, drawn: Words, out: Values) -> None:
    if kind == NORMAL:
        for pair in range(2):
            _add_normal(scale, drawn[2 * pair * _PAIR :], out[2 * pair * _PAIR :])
    elif kind == UNIFORM:
        for i in range(WORDS):
            out[i] = fma(scale * _UNIFORM, _F(np.int32(drawn[i])), out[i])
    else:
        unit = scale * np.sqrt(freedom - _F(2.0))  # times sqrt(freedom) / sqrt(freedom), the deviation
        for pair in range(2):
            _add_heavy(unit, freedom, drawn[2 * pair * _PAIR :], out[pair * _PAIR :])


@kernel
def _add_normal(scale: Any, drawn: Words, out: Values) -> None:
    """Add a pair of normal values for each pair of words; those of one pair lie `_PAIR` apart."""
    for i in range(_PAIR):
        radius = np.sqrt(_minus_two_log(drawn[i]))
        sine, cosine = _half_angle(np.int32(drawn[i + _PAIR]))
        part = radius * sine
        out[i] = fma(scale, part * cosine, out[i])
        out[i + _PAIR] = fma(scale, fma(-part, sine, radius), out[i + _PAIR])


@kernel
def _add_heavy(unit: Any, freedom: Any, drawn: Words, out: Values) -> None:
    """Add one value for each pair of words: the two that Bailey's method gives are not independent."""
    for i in range(_PAIR):
        square = _power_less_one(_minus_two_log(drawn[i]) / freedom)
        sine, _ = _half_angle(np.int32(drawn[i + _PAIR]))
        out[i] = fma(unit * np.sqrt(square), fma(-sine, sine, _ONE), out[i])


@kernel
def _minus_two_log(word: Any) -> Any:
    """Return -2 log((word + 1/2) / 2^32), 45.7 at the most."""
    bits = np.float32(_F(word) + _HALF).view(np.int32)
    exponent = np.int32(np.int32(bits - _SQUARE_ROOT_OF_HALF) >> _MANTISSA)
    f = np.int32(bits - np.int32(exponent << _MANTISSA)).view(np.float32) - _ONE
    y = fma(_LOG[8], f, _LOG[7])
    y = fma(y, f, _LOG[6])
    y = fma(y, f, _LOG[5])
    y = fma(y, f, _LOG[4])
    y = fma(y, f, _LOG[3])
    y = fma(y, f, _LOG[2])
    y = fma(y, f, _LOG[1])
    y = fma(y, f, _LOG[0])
    return fma(y, f, _F(np.int32(exponent - _WORD)) * _MINUS_TWO_LOG_TWO)


@kernel
def _half_angle(word: Any) -> Any:
    """Return sqrt(2) times the sine and the cosine of half the angle of which a signed word has 2^32 in a turn.

    Their product is the sine of the whole angle, and 1 less the square of the first is its cosine.
    """
    t = _F(word) * _HALF_TURN
    z = t * t
    sine = t * _sine_over_angle(z)
    cosine = fma(fma(fma(fma(z, _COSINE[4], _COSINE[3]), z, _COSINE[2]), z, _COSINE[1]), z, _COSINE[0])
    return sine, cosine


@kernel
def _sine(word: Any) -> Any:
    """Return sqrt(2) times the sine of an angle, up to a quarter turn, of which a signed word has 2^32 in a turn."""
    t = _F(word) * _TURN
    return t * _sine_over_angle(t * t)


@kernel
def _sine_over_angle(z: Any) -> Any:
    return fma(fma(fma(fma(z, _SINE[4], _SINE[3]), z, _SINE[2]), z, _SINE[1]), z, _SINE[0])


@kernel
def _power_less_one(x: Any) -> Any:
    """Return exp(x) - 1 for x from 0 to 80."""
    t = x * _LOG2_E
    whole = (t + _ROUND) - _ROUND
    f = t - whole
    y = fma(_POWER[5], f, _POWER[4])
    y = fma(y, f, _POWER[3])
    y = fma(y, f, _POWER[2])
    y = fma(y, f, _POWER[1])
    y = fma(y, f, _POWER[0])
    power = np.int32(np.int32(np.int32(whole) + np.int32(127)) << _MANTISSA).view(np.float32)
    return fma(power * f, y, power - _ONE)
