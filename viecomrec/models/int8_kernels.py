# mypy: disable-error-code="no-untyped-def"
"""Compiled loops of the 8-bit layers; `int8_linear` says what they compute."""

import numpy as np
from numba import njit


@njit(nogil=True, cache=True)
def quantise_rows(values, quantised, scales):
    """Each row of `values` as int8 in [-127, 127] times its own scale."""
    n_rows, width = values.shape
    for row in range(n_rows):
        largest = np.float32(0)
        for column in range(width):
            largest = max(largest, abs(values[row, column]))
        scale = largest / np.float32(127) if largest > 0 else np.float32(1)
        inverse = np.float32(1) / scale
        for column in range(width):
            quantised[row, column] = np.int8(np.rint(values[row, column] * inverse))
        scales[row] = scale


@njit(nogil=True, cache=True)
def rescale(sums, row_scales, column_scales, bias, out):
    """Integer sums of products back to float32, plus the bias."""
    n_rows, width = sums.shape
    for row in range(n_rows):
        scale = row_scales[row]
        for column in range(width):
            product = np.float32(sums[row, column]) * (scale * column_scales[column])
            out[row, column] = product + bias[column]
