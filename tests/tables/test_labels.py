"""Labels go with their rows, whatever the order and storage, and are never features."""

from __future__ import annotations

import numpy as np
import polars as pl
import pytest

from tocsin.errors import ColumnError, DataError, ParameterError
from tocsin.tables import Columns, open_readings

LABELLED = Columns(key="key", time="at", label="fault")


def made(rows=200, seed=0):
    rng = np.random.default_rng(seed)
    frame = pl.DataFrame(
        {
            "key": [f"k{i % 3}" for i in range(rows)],
            "at": range(rows),
            "x": rng.normal(size=rows).astype(np.float32),
        }
    )
    fault = pl.when(pl.col("at") % 5 == 0).then(None).otherwise((pl.col("x") > 1).cast(pl.Int8))
    return frame.with_columns(fault=fault)


def labels_by_time(panels):
    return {
        time: (label, value)
        for panel in panels
        for time, label, value in zip(panel.times.tolist(), panel.labels.tolist(), panel.values[0], strict=True)
    }


@pytest.mark.parametrize("suffix", [".parquet", ".csv"])
@pytest.mark.parametrize("memory", [1, 1 << 30])
def test_labels_follow_their_rows(tmp_path, suffix, memory):
    frame = made()
    path = tmp_path / f"rows{suffix}"
    shuffled = frame.sample(fraction=1, shuffle=True, seed=1)
    shuffled.write_parquet(path) if suffix == ".parquet" else shuffled.write_csv(path)
    readings = open_readings(path, LABELLED, labelled=True, memory_limit=memory)
    assert readings.features == ("x",)
    found = labels_by_time(readings.panels(target_rows=50))
    for row in frame.iter_rows(named=True):
        label, value = found[row["at"]]
        assert label == (-1 if row["fault"] is None else row["fault"])
        assert np.float32(value) == np.float32(row["x"])


def test_single_precision_stays_so_beside_labels():
    assert open_readings(made(), LABELLED, labelled=True).dtype == np.float32


def test_truth_values_are_labels():
    frame = made().with_columns(pl.col("fault").cast(pl.Boolean))
    (panel,) = open_readings(frame, LABELLED, labelled=True).panels()
    assert set(panel.labels.tolist()) == {-1, 0, 1}


def test_a_label_is_no_feature_and_need_not_be_there_to_score():
    assert open_readings(made(), LABELLED).features == ("x",)
    assert open_readings(made().drop("fault"), LABELLED, expect=("x",)).features == ("x",)
    (panel,) = open_readings(made(), LABELLED).panels()
    assert panel.labels is None


@pytest.mark.parametrize(
    ("frame", "columns", "error", "said"),
    [
        (made().with_columns(fault=2), LABELLED, DataError, "label column 'fault': labels must be 0 .* not 2"),
        (made().with_columns(fault=pl.lit("bad")), LABELLED, ColumnError, "label column 'fault' is text"),
        (made().rename({"fault": "faults"}), LABELLED, ColumnError, "no column 'fault' for the label; did you mean"),
        (made(), Columns(key="key"), ParameterError, "say which column"),
    ],
)
def test_labels_that_are_none(frame, columns, error, said):
    with pytest.raises(error, match=said):
        list(open_readings(frame, columns, labelled=True).panels())


def test_a_long_table_has_no_labels():
    with pytest.raises(ParameterError, match="long table cannot have a label"):
        Columns(key="k", time="t", sensor="s", value="v", label="l")
