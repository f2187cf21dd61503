"""A fleet of autoencoders as one program against a loop that trains them one by one, in JAX both."""

from __future__ import annotations

import numpy as np
import pyarrow as pa

from benchmarks.measure import Line, compare, paired
from tocsin import Autoencoder, Panel
from tocsin.detectors import autoencoder
from tocsin.kernels.autoencoder import Layout

ASSETS, ROWS, FEATURES = 1000, 300, 8
LOOPED = 10
"""How many assets the loop trains; its time for all is in proportion, since no asset's work depends on another's."""


def panel() -> Panel:
    """Return readings of assets whose features follow two loads, each asset in its own way."""
    rng = np.random.default_rng(0)
    loads = rng.standard_normal((ASSETS, ROWS, 2))
    ways = rng.standard_normal((ASSETS, 2, FEATURES))
    values = np.tanh(loads @ ways) + 0.1 * rng.standard_normal((ASSETS, ROWS, FEATURES))
    names = tuple(f"s{i}" for i in range(FEATURES))
    flat = np.ascontiguousarray(values.reshape(-1, FEATURES).T, np.float32)
    return Panel(flat, np.arange(ASSETS + 1) * ROWS, pa.array(range(ASSETS)), names)


def lines() -> list[Line]:
    """Measure the training with the defaults but for early stopping, so that all take the same steps."""
    import equinox as eqx
    import jax
    import jax.numpy as jnp
    import optax

    detector = Autoencoder(patience=50)
    readings = panel()
    layout = Layout(1, 1, FEATURES, detector.hidden, FEATURES // 3)
    adam = optax.adam(detector.learning_rate)
    held = int(detector.validation * ROWS)
    columns = -(-(ROWS - held) // detector.batch) * detector.batch
    by_asset = readings.values.reshape(FEATURES, ASSETS, ROWS).transpose(1, 0, 2)[:LOOPED]
    center, scale = by_asset.mean(axis=2, keepdims=True), by_asset.std(axis=2, keepdims=True)
    standard = (by_asset - center) / scale
    order = np.resize(np.random.default_rng(1).permutation(ROWS - held), columns)
    training, validation = standard[:, :, order], standard[:, :, ROWS - held :]

    def first(key: jax.Array) -> list[eqx.nn.Linear]:
        sizes = [FEATURES, layout.hidden, layout.code, layout.hidden, FEATURES]
        pairs = zip(sizes[:-1], sizes[1:], jax.random.split(key, 4), strict=True)
        return [eqx.nn.Linear(inputs, outputs, key=own) for inputs, outputs, own in pairs]

    def loss(network: list[eqx.nn.Linear], rows: jax.Array) -> jax.Array:
        encode, squeeze, expand, decode = (jax.vmap(layer) for layer in network)
        made = decode(jnp.tanh(expand(squeeze(jnp.tanh(encode(rows))))))
        return jnp.mean((made - rows) ** 2)

    @jax.jit
    def step(network: list[eqx.nn.Linear], memory: optax.OptState, rows: jax.Array) -> tuple:
        change, memory = adam.update(jax.grad(loss)(network, rows), memory)
        return optax.apply_updates(network, change), memory

    judge = jax.jit(loss)

    def loop() -> None:
        for asset in range(LOOPED):
            network = first(jax.random.key(0))
            memory, best = adam.init(network), np.inf
            batches = [jnp.asarray(part.T) for part in np.split(training[asset], columns // detector.batch, axis=1)]
            rest = jnp.asarray(validation[asset].T)
            for _ in range(detector.epochs):
                for rows in batches:
                    network, memory = step(network, memory, rows)
                now = float(judge(network, rest))
                if now < best:
                    best, kept = now, network
        jax.block_until_ready(kept)

    alone = autoencoder._program.__wrapped__(layout, detector.batch)
    start = autoencoder._first_weights(layout, 0)

    def whole() -> None:
        rates = np.float32(detector.learning_rate), np.int32(detector.epochs), np.int32(detector.patience)
        for asset in range(LOOPED):
            one = slice(asset, asset + 1)
            jax.block_until_ready(
                alone(start, training[one].astype(np.float32), validation[one].astype(np.float32), *rates)
            )

    found = []
    shape = f"{ASSETS:,} x {ROWS} x {FEATURES}, {detector.epochs} epochs"
    for label, other, floor, moonshot in (
        (f"autoencoders, {shape}, a loop over assets and compiled steps", loop, 10, 50),
        (f"autoencoders, {shape}, a loop over assets, all of an asset's training compiled", whole, 10, 50),
    ):
        cpu, looped = paired(lambda: detector.fit_panel(readings), other, repeats=3)
        total = looped * ASSETS / LOOPED
        found.append(compare(label, total / cpu, floor, moonshot, ours=f"{cpu:.2f} s", other=f"{total:.1f} s"))
    return found
