"""Autoencoders: a reading is anomalous where a small network, trained on its asset, fails to make it again."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from functools import cache
from typing import Any, Literal, NamedTuple

import numpy as np
from numpy.typing import NDArray

from tocsin.detectors.base import Detector, check_number
from tocsin.detectors.limits import limits
from tocsin.detectors.ranges import Ranges
from tocsin.detectors.ranking import named
from tocsin.detectors.zscore import location
from tocsin.errors import DataError, ParameterError
from tocsin.extras import need
from tocsin.features.settings import check_whole
from tocsin.kernels import autoencoder as kernels
from tocsin.kernels import variance
from tocsin.kernels.autoencoder import Layout
from tocsin.kernels.philox import keys, uniforms
from tocsin.models import Models, Ragged
from tocsin.panel import Contributions, Evidence, Panel

Floats = NDArray[np.float64]

GROUP = 16
"""How many assets are trained side by side; fewer are filled up, so that all are trained by the same instructions."""
LEAST = 0.01
"""The smallest usual error of a feature, in its variance: what is made again exactly may be just learned by heart."""
CONSTANT = 1e-6
"""The scale of a feature that was constant, as a share of its size (or of 1, if it is smaller)."""
DIVERGED = 1e4
"""How many times the loss of knowing nothing a training may end with."""
KINDS = "dense", "convolutional"
_WEIGHTS, _ORDER = 0, 1


class Autoencoder(Detector):
    """How badly a small neural network, squeezed in the middle, makes a row again (Sakurada and Yairi, 2014).

    Each asset has a network of its own, and all of a panel's are trained as one compiled program. The score is the mean
    over the features of the squared error in making the row again, each in units of that feature's own usual squared
    error in training: about 1 for a usual row, or less if a feature is made again almost exactly.

    Parameters
    ----------
    contamination : float, default 0.01
        The share of training rows that lies above the threshold, in (0, 0.5].
    kind : {"dense", "convolutional"}, default "dense"
        Whether the network sees one row, or the window of rows that ends there. In the second case a one-dimensional
        convolution codes each patch of the window with the same weights.
    hidden : int, default 16
        Units (of each patch) in the layers next to the ends; their activation is the hyperbolic tangent.
    code : int, optional
        Units in the middle; default a third of the features, and at least 1, for each patch.
    window, patch : int, default 16 and 4
        Rows of a window and of a patch of it, of a convolutional network.
    epochs : int, default 50
        How often the training rows are gone through, at most.
    patience : int, default 5
        After how many epochs without a smaller loss on the validation rows an asset's training stops. The weights with
        the smallest one are kept.
    batch : int, default 32
        Rows a step of the optimiser (Adam).
    learning_rate : float, default 0.01
        Of the optimiser.
    validation : float, default 0.2
        The share of an asset's rows, its last ones, that are not trained on but tell when to stop, in (0, 0.5].
    seed : int, default 0
        Of the first weights and the order of the rows.
    infinite : {"error", "missing"}, default "error"
        Whether infinite readings are refused or taken as missing.

    Notes
    -----
    Features are standardised with the mean and deviation of an asset's training rows. A missing value is taken for the
    mean where it goes in, and its error counts for nothing. A feature that was constant is measured in millionths of
    its size; one that was never seen is not looked at. A feature's usual error is at least a hundredth of its variance.

    The convolutional kind is temporal: rows that are scored follow on from the last `window` - 1 that were learned. Its
    error is that of the newest row alone, and rows before the first one count as missing.

    Training needs the extra `deep` (JAX, Equinox and Optax, in single precision); scoring does not, and is done in
    double precision. Models depend on the data, the parameters and the versions of these libraries, not on which other
    assets are trained with them. A program is compiled for each shape of network and each length of history, which come
    in steps of at most 1.5; that takes about a second.

    Cost, of 8 features on one core: about 6 µs to train a batch, so some 2 ms for 300 rows and 50 epochs, in groups of
    16 assets: one alone costs as much as 16. To score, about 1 µs a row. A model of 8 features keeps some 450 weights,
    2 kB, beside the usual ranges of its features.

    Limits: with few rows, fewer than some hundreds, a network learns them by heart or not at all; compare with
    `PCA` or `ECOD` then. A fault that is in the training rows is learned as usual. Limits in explanations are found by
    trying, at some 100 scores each.

    Examples
    --------
    >>> import numpy as np
    >>> load = np.random.default_rng(0).uniform(size=500)
    >>> X = np.column_stack([load, load**2, 1.0 - load])
    >>> detector = Autoencoder(epochs=20).fit(X)
    >>> detector.predict([[0.5, 0.25, 0.5], [0.5, 0.8, 0.5]]).tolist()
    [0, 1]
    >>> detector.explain([[0.5, 0.8, 0.5]], top=1)["feature"].item()
    'x1'
    """

    additive = True
    extra = "deep"
    variants = ({}, {"kind": "convolutional"})  # rows, and shapes

    def __init__(  # noqa: PLR0913
        self,
        contamination: float = 0.01,
        *,
        kind: Literal["dense", "convolutional"] = "dense",
        hidden: int = 16,
        code: int | None = None,
        window: int = 16,
        patch: int = 4,
        epochs: int = 50,
        patience: int = 5,
        batch: int = 32,
        learning_rate: float = 0.01,
        validation: float = 0.2,
        seed: int = 0,
        infinite: Literal["error", "missing"] = "error",
    ) -> None:
        self.contamination = contamination
        self.kind = kind
        self.hidden = hidden
        self.code = code
        self.window = window
        self.patch = patch
        self.epochs = epochs
        self.patience = patience
        self.batch = batch
        self.learning_rate = learning_rate
        self.validation = validation
        self.seed = seed
        self.infinite = infinite

    @property
    def temporal(self) -> bool:  # type: ignore[override]
        """Whether the order of rows matters: that of a convolutional network's does."""
        return self.kind == "convolutional"

    def check_parameters(self) -> None:
        """Raise a `ParameterError` for values that make no sense."""
        super().check_parameters()
        if self.kind not in KINDS:
            raise ParameterError(f"kind must be 'dense' or 'convolutional', not {self.kind!r}")
        for name in ("hidden", "window", "patch", "batch"):
            check_whole(name, getattr(self, name), 1, most=10_000)
        for name in ("epochs", "patience"):
            check_whole(name, getattr(self, name), 1)
        check_whole("seed", self.seed, 0, most=2**64 - 1)
        if self.code is not None:
            check_whole("code", self.code, 1, most=10_000)
        if self.window % self.patch:
            raise ParameterError(
                f"window must be a whole number of patches: {self.window} is no multiple of {self.patch}"
            )
        check_number("learning_rate", self.learning_rate, 1e30)
        check_number("validation", self.validation, 0.5)

    def _learn(self, panel: Panel) -> tuple[dict[str, Ragged], Floats]:
        layout = self._layout(panel.n_features)
        self._check_lengths(panel, layout)
        moments = np.empty((panel.n_assets * panel.n_features, 3))
        variance.learn(panel.values, panel.offsets, moments)
        centers, scales = location(moments, panel.n_assets)
        least = CONSTANT * np.maximum(np.abs(centers), 1.0)
        scales = np.where(scales > 1e-6 * least, scales, least)
        weights = self._trained(panel, layout, centers, scales)
        none = np.full((panel.n_assets, layout.window - 1, panel.n_features), np.nan)
        net = Net(layout, centers, scales, np.ones_like(scales), weights, none)
        errors = net.errors(panel)
        net = net._replace(usual=_usual(errors, panel))
        scores = net.weigh(panel, errors)
        after = net._replace(past=_windows(panel, none, np.arange(panel.n_assets), panel.offsets[1:])[:, 1:])
        return {**after.to_state(panel.values.dtype), **Ranges.learn(panel).to_state()}, scores

    def _score(
        self, state: Mapping[str, Ragged], panel: Panel, top: int | None, *, learned: bool = False
    ) -> tuple[Floats, Contributions]:
        net = Net.of_state(state, self._layout(panel.n_features))
        parts = net.errors(panel)
        scores = net.weigh(panel, parts)
        return scores, named(parts, top)

    def _evidence(self, models: Models, panel: Panel, contributions: Contributions) -> Evidence:
        net = Net.of_state(models.state, self._layout(panel.n_features))
        ranges = Ranges.from_state(models.state)
        rows = np.flatnonzero((contributions.feature >= 0).any(axis=1))
        limit = np.full(contributions.feature.shape, np.nan)
        if len(rows):
            limit[rows] = net.limits(models, panel, rows, contributions.feature[rows], ranges.medians())
        return ranges.evidence(panel, contributions, limit)

    def _layout(self, n_features: int) -> Layout:
        rows, patches = (self.patch, self.window // self.patch) if self.temporal else (1, 1)
        code = max(1, n_features // 3) * patches if self.code is None else self.code
        return Layout(patches, rows, n_features, self.hidden, code)

    def _check_lengths(self, panel: Panel, layout: Layout) -> None:
        lengths = np.diff(panel.offsets)
        short = np.flatnonzero(lengths < layout.window)
        if len(short) and self.temporal:
            count = lengths[short[0]]
            raise DataError(
                f"{_asset(panel, short[0])} has {count} rows, fewer than the window of {layout.window}{_more(short)}; "
                f"set a smaller window, or leave out what is shorter"
            )

    def _trained(self, panel: Panel, layout: Layout, centers: Floats, scales: Floats) -> NDArray[np.float32]:
        """Return the weights of each asset, shape (n_assets, layout.size)."""
        start = _first_weights(layout, self.seed)
        weights = np.tile(start, (panel.n_assets, 1))
        lengths = np.diff(panel.offsets)
        held = (self.validation * lengths).astype(np.int64)
        sizes = np.column_stack([_rounded(lengths - held, self.batch), _rounded(np.maximum(held, 1), self.batch)])
        diverged: list[int] = []
        for trained, tried in {tuple(size) for size in sizes[lengths > 0].tolist()}:
            alike = np.flatnonzero((sizes == (trained, tried)).all(axis=1) & (lengths > 0))
            for at in range(0, len(alike), GROUP):
                group = alike[at : at + GROUP]
                values = layout.window * panel.n_features
                training, validation = (np.full((GROUP, values, n), np.nan, np.float32) for n in (trained, tried))
                for lane, asset in enumerate(np.resize(group, GROUP).tolist()):
                    own = centers[asset], scales[asset], training[lane], validation[lane]
                    self._gather(panel, asset, int(held[asset]), *own)
                rates = self.learning_rate, self.epochs, self.patience
                found, good = train(layout, self.batch, start, training, validation, *rates)
                weights[group] = found[: len(group)]
                diverged += group[~good[: len(group)]].tolist()
        if diverged:
            raise DataError(
                f"the training of {_asset(panel, min(diverged))} diverged{_more(diverged)}; "
                f"lower learning_rate, which is {self.learning_rate:g}"
            )
        return weights

    def _gather(
        self, panel: Panel, asset: int, held: int, center: Floats, scale: Floats, training: Any, validation: Any
    ) -> None:
        """Write an asset's windows: those to train on in a random order, over again till all columns are full."""
        first, stop = (int(edge) for edge in panel.offsets[asset : asset + 2])
        count = stop - first - held
        drawn = np.empty((1, count))
        uniforms(keys(int(self.seed)), 0, _ORDER, drawn)
        order = np.resize(first + np.argsort(drawn[0], kind="stable"), training.shape[1])
        later = np.arange(stop - held, stop) if held else np.arange(first, first + min(count, validation.shape[1]))
        past = np.full((training.shape[0] // panel.n_features - 1, panel.n_features), np.nan)
        kernels.gather(panel.values, first, order, past, center, scale, training)
        kernels.gather(panel.values, first, later, past, center, scale, validation)


class Net(NamedTuple):
    """The networks of several assets as arrays, the first axis that of the assets.

    `past` holds the readings before the first row, of shape (n_assets, window - 1, n_features).
    """

    layout: Layout
    centers: Floats
    scales: Floats
    usual: Floats
    weights: NDArray[np.float32]
    past: Floats

    def to_state(self, dtype: Any) -> dict[str, Ragged]:
        """Return one entry an asset in each array; readings are kept in the precision that they have."""
        arrays: dict[str, NDArray[Any]] = {
            "center": self.centers,
            "scale": self.scales,
            "usual": self.usual,
            "weights": self.weights,
        }
        n_assets = len(self.past)
        past = self.past.astype(dtype).reshape(n_assets, self.past[0].size if n_assets else 0)
        return {name: Ragged.of_rows(array) for name, array in {**arrays, "past": past}.items()}

    @classmethod
    def of_state(cls, state: Mapping[str, Ragged], layout: Layout) -> Net:
        """Undo `to_state`."""
        n_assets = len(state["center"].offsets) - 1
        sizes = {"center": layout.features, "scale": layout.features, "usual": layout.features, "weights": layout.size}
        sizes["past"] = (layout.window - 1) * layout.features
        if any(len(state[name].values) != n_assets * size for name, size in sizes.items()):
            raise ParameterError("these models were learned with another kind, hidden, code, window or patch; fit anew")
        center, scale, usual, weights, past = (
            state[name].values.reshape(n_assets, size) for name, size in sizes.items()
        )
        readings = past.astype(np.float64).reshape(n_assets, layout.window - 1, layout.features)
        return cls(layout, center, scale, usual, weights, readings)

    def errors(self, panel: Panel) -> Floats:
        """Return the squared error of each feature of each row, shape (n_rows, n_features)."""
        found = np.empty((panel.n_rows, self.layout.features))
        kernels.errors(
            panel.values, panel.offsets, self.past, self.centers, self.scales, self.weights, self.layout, found
        )
        return found

    def weigh(self, panel: Panel, errors: Floats) -> Floats:
        """Return the score of each row, and make of its errors what each feature adds to it."""
        scores = np.empty(panel.n_rows)
        kernels.weigh(panel.offsets, self.usual, errors, scores)
        return scores

    def limits(
        self, models: Models, panel: Panel, rows: NDArray[np.int64], features: NDArray[np.int32], usual: Floats
    ) -> Floats:
        """Return the limits of the named features of some rows.

        The readings of a window are taken as features of one row, of which the last ones are the named.
        """
        window, width = self.layout.window, self.layout.features
        wide = _windows(panel, self.past, panel.asset_of_row[rows], rows + 1).reshape(len(rows), -1).T
        offsets = np.searchsorted(rows, panel.offsets).astype(np.int64)
        names = tuple(f"{i}" for i in range(window * width))
        values = np.ascontiguousarray(wide, panel.values.dtype)
        centers, scales = (np.tile(each, (1, window)) for each in (self.centers, self.scales))
        past = np.empty((panel.n_assets, 0, window * width))
        net = self._replace(centers=centers, scales=scales, past=past)
        place = np.where(features >= 0, features + (window - 1) * width, -1).astype(np.int32)
        return limits(
            lambda _, trials: net.weigh(trials, net.errors(trials)),
            models,
            Panel(values, offsets, panel.keys, names),
            place,
            np.tile(usual, (1, window)),
        )


def train(
    layout: Layout,
    batch: int,
    start: NDArray[np.float32],
    training: NDArray[np.float32],
    validation: NDArray[np.float32],
    learning_rate: float,
    epochs: int,
    patience: int,
) -> tuple[NDArray[np.float32], NDArray[np.bool_]]:
    """Train the networks of a group of assets, each till its own validation loss stops to fall.

    Parameters
    ----------
    layout, batch
        The network, and the rows of a step.
    start : ndarray of shape (layout.size,)
        The weights that all begin with.
    training, validation : ndarray of shape (GROUP, window * n_features, columns)
        Standardised windows, one a column; NaN is missing. The columns to train on are a multiple of `batch`.

    Returns
    -------
    weights : ndarray of shape (GROUP, layout.size)
        Those with the smallest validation loss.
    good : ndarray of shape (GROUP,)
        False where the training diverged.
    """
    program = _program(layout, batch)
    weights, good = program(
        start, training, validation, np.float32(learning_rate), np.int32(epochs), np.int32(patience)
    )
    return np.asarray(weights), np.asarray(good)


@cache
def _program(layout: Layout, batch: int) -> Callable[..., Any]:
    """Return the training of a group of networks, compiled anew for each number of columns."""
    who = "Autoencoder"
    jax, jnp = need("jax", "deep", who), need("jax.numpy", "deep", who)
    loss, optax = _loss(layout), need("optax", "deep", who)

    def train_one(start: Any, training: Any, validation: Any, rate: Any, epochs: Any, patience: Any) -> Any:
        adam = optax.adam(rate)
        steps = training.shape[1] // batch
        largest = DIVERGED * jnp.maximum(loss(jnp.zeros_like(start), validation), 1.0)

        def step(number: Any, at: Any) -> Any:
            weights, memory = at
            rows = jax.lax.dynamic_slice_in_dim(training, number * batch, batch, axis=1)
            change, memory = adam.update(jax.grad(loss)(weights, rows), memory)
            return optax.apply_updates(weights, change), memory

        def epoch(at: Any) -> Any:
            count, weights, memory, _, best, least, since = at
            weights, memory = jax.lax.fori_loop(0, steps, step, (weights, memory))
            now = loss(weights, validation)
            better = now < least
            best, least = jnp.where(better, weights, best), jnp.where(better, now, least)
            return count + 1, weights, memory, now, best, least, jnp.where(better, 0, since + 1)

        def goes_on(at: Any) -> Any:
            count, _, _, now, _, _, since = at
            return (count < epochs) & (since < patience) & (now < largest)

        begin = (jnp.int32(0), start, adam.init(start), jnp.float32(0.0), start, loss(start, validation), jnp.int32(0))
        _, _, _, now, best, _, _ = jax.lax.while_loop(goes_on, epoch, begin)
        return best, now < largest

    # Under vmap a loop goes on till all assets have stopped, and those that have are left as they are.
    return jax.jit(jax.vmap(train_one, in_axes=(None, 0, 0, None, None, None)))  # type: ignore[no-any-return]


def _loss(layout: Layout) -> Callable[[Any, Any], Any]:
    """Return the mean squared error of a network, by its weights in one row, on windows of shape (values, columns)."""
    who = "Autoencoder"
    eqx: Any = need("equinox", "deep", who)
    jnp = need("jax.numpy", "deep", who)

    class Layer(eqx.Module):
        weight: Any
        bias: Any

        def __call__(self, x: Any) -> Any:
            return self.weight @ x + self.bias[:, None]

    class Network(eqx.Module):
        encode: Layer
        squeeze: Layer
        expand: Layer
        decode: Layer

        def __call__(self, x: Any) -> Any:
            patches = (layout.patches,) if layout.patches > 1 else ()
            columns = x.shape[1:]
            coded = jnp.tanh(self.encode(x.reshape(*patches, -1, *columns))).reshape(-1, *columns)
            expanded = jnp.tanh(self.expand(self.squeeze(coded)))
            return self.decode(expanded.reshape(*patches, -1, *columns)).reshape(x.shape)

    blank = Network(
        *(Layer(jnp.zeros(shape, jnp.float32), jnp.zeros(shape[0], jnp.float32)) for shape in layout.shapes)
    )
    _, network = need("jax.flatten_util", "deep", who).ravel_pytree(blank)

    def loss(weights: Any, windows: Any) -> Any:
        seen = ~jnp.isnan(windows)
        x = jnp.where(seen, windows, 0.0)
        error = jnp.where(seen, network(weights)(x) - x, 0.0)
        return jnp.sum(error * error) / jnp.maximum(jnp.sum(seen), 1)

    return loss


def _first_weights(layout: Layout, seed: int) -> NDArray[np.float32]:
    """Return weights drawn evenly after Glorot and Bengio (AISTATS 2010), and biases of 0, shape (layout.size,)."""
    drawn = np.empty((1, layout.size))
    uniforms(keys(int(seed)), 0, _WEIGHTS, drawn)
    weights, at = 2.0 * drawn[0] - 1.0, 0
    for out, inputs in layout.shapes:
        weights[at : at + out * inputs] *= np.sqrt(6.0 / (out + inputs))
        weights[at + out * inputs : at + out * (inputs + 1)] = 0.0
        at += out * (inputs + 1)
    return np.asarray(weights, np.float32)


def _usual(errors: Floats, panel: Panel) -> Floats:
    """Return the mean squared error of each feature where it has a value, shape (n_assets, n_features)."""
    usual = np.ones((panel.n_assets, panel.n_features))
    for asset, (first, stop) in enumerate(zip(panel.offsets[:-1], panel.offsets[1:], strict=True)):
        seen = (~np.isnan(panel.values[:, first:stop])).sum(axis=1)
        usual[asset] = np.where(seen > 0, errors[first:stop].sum(axis=0) / np.maximum(seen, 1), 1.0)
    return np.maximum(usual, LEAST)


def _windows(panel: Panel, past: Floats, assets: NDArray[np.int64], ends: NDArray[np.int64]) -> Floats:
    """Return windows of the given assets that end before the rows `ends`, shape (len(ends), window, n_features)."""
    window = past.shape[1] + 1
    rows = ends[:, None] - window + np.arange(window)
    first = panel.offsets[assets][:, None]
    inside = rows >= first
    before = np.maximum(past.shape[1] + rows - first, 0)
    held = past[assets[:, None], np.minimum(before, past.shape[1] - 1)] if window > 1 else np.nan
    read = panel.values[:, np.clip(rows, 0, max(panel.n_rows - 1, 0))].transpose(1, 2, 0)
    return np.where(inside[:, :, None], read, held)


def _rounded(counts: NDArray[np.int64], batch: int) -> NDArray[np.int64]:
    """Return numbers of columns that have room for all: few different ones, since each needs a program of its own."""
    batches = np.maximum(-(-counts // batch), 1)
    power = 2 ** np.ceil(np.log2(batches)).astype(np.int64)
    between = 3 * power // 4
    return batch * np.where((between >= batches) & (power > 2), between, power)


def _asset(panel: Panel, asset: int) -> str:
    key = panel.keys[asset].as_py()
    return f"asset {key!r}" if key != "" else "X"


def _more(assets: Any) -> str:
    others = len(assets) - 1
    return f" (and {others:,} more asset{'s' if others > 1 else ''})" if others else ""
