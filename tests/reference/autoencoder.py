"""An autoencoder's errors, one row at a time."""

from __future__ import annotations

import numpy as np


def errors(values, past, center, scale, weights, layout):
    """Return the squared error of each feature of each row of one asset, shape (n_rows, n_features)."""
    matrices, at = [], 0
    for out, inputs in layout.shapes:
        weight = weights[at : at + out * inputs].reshape(out, inputs).astype(float)
        bias = weights[at + out * inputs : at + out * (inputs + 1)].astype(float)
        matrices.append((weight, bias))
        at += out * (inputs + 1)
    encode, squeeze, expand, decode = matrices
    readings = np.concatenate([past, values.T])
    found = []
    for row in range(values.shape[1]):
        window = (readings[row : row + layout.window] - center) / scale
        patches = np.nan_to_num(window).reshape(layout.patches, -1)
        coded = np.concatenate([np.tanh(encode[0] @ patch + encode[1]) for patch in patches])
        opened = np.tanh(expand[0] @ (squeeze[0] @ coded + squeeze[1]) + expand[1]).reshape(layout.patches, -1)
        made = np.stack([decode[0] @ part + decode[1] for part in opened]).reshape(window.shape)
        found.append(np.nan_to_num((made[-1] - window[-1]) ** 2))
    return np.reshape(found, (-1, layout.features))
