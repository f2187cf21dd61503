"""A fleet is its assets one by one, whatever the source, the order of rows and the number of threads."""

from __future__ import annotations

import numpy as np
import polars as pl
import pytest

from tests.fleet.conftest import make_readings
from tocsin import ECOD, Fleet
from tocsin.errors import (
    ColumnError,
    EmptyDataError,
    NotFittedError,
    OutputError,
    ParameterError,
    TocsinError,
    UnknownAssetError,
)

FEATURES = ["flow", "heat", "hum"]


def test_scores_are_those_of_each_asset_alone(fleet, readings):
    new = make_readings(seed=1)
    table = fleet.score(new)
    for key in fleet.keys:
        own = readings.filter(pump=key).select(FEATURES).to_numpy()
        alone = ECOD().fit(own)
        mine = table.filter(key=key)
        rows = new.filter(pump=key)
        np.testing.assert_array_equal(mine["score"], alone.decision_function(rows.select(FEATURES).to_numpy()))
        np.testing.assert_array_equal(mine["p_value"], alone.p_values(rows.select(FEATURES).to_numpy()))
        np.testing.assert_array_equal(mine["alert"], mine["score"] > alone.threshold_)
        assert mine["time"].equals(rows["at"].rename("time"))


def test_what_is_said_of_the_readings(fleet):
    assert fleet.features == fleet.report.features == tuple(FEATURES)
    assert fleet.report.left_out == {"pump": "key", "at": "time", "site": "text"}
    assert (fleet.report.rows, fleet.report.assets, len(fleet)) == (2000, 5, 5)
    assert fleet.report.alerts == len(fleet.training_alerts) == 20
    assert (fleet.training_alerts["score"] > fleet.training_alerts["threshold"]).all()
    first = fleet.models.select(["key", "rows", "version"]).to_pylist()[0]
    assert first == {"key": "pump 0", "rows": 400, "version": 1}


@pytest.mark.parametrize("suffix", ["parquet", "csv", "arrow", "ndjson"])
def test_any_source_gives_the_same_fleet(fleet, readings, tmp_path, suffix):
    path = tmp_path / f"readings.{suffix}"
    write = {"parquet": "write_parquet", "csv": "write_csv", "arrow": "write_ipc", "ndjson": "write_ndjson"}[suffix]
    getattr(readings, write)(path)
    other = Fleet(key="pump", time="at").fit(path)
    np.testing.assert_allclose(other.score(readings)["score"], fleet.score(readings)["score"])


def test_several_paths_are_one_source(fleet, readings, tmp_path):
    paths = []
    for i, part in enumerate(readings.iter_slices(700)):
        paths.append(tmp_path / f"part {i}.csv")
        part.write_csv(paths[-1])
    for source in (paths, [str(tmp_path / "part [01].csv"), paths[2]], [tmp_path, paths[0]], str(tmp_path / "*.csv")):
        other = Fleet(key="pump", time="at").fit(source)
        assert other.report.rows == 2000
        np.testing.assert_array_equal(other.score(readings)["score"], fleet.score(readings)["score"])
    with pytest.raises(TocsinError, match="no such file"):
        fleet.score([paths[0], tmp_path / "part 9.csv"])
    with pytest.raises(EmptyDataError, match="no path given"):
        fleet.score([])


def test_pandas_arrow_lazy_and_sorted_sources(fleet, readings):
    expected = fleet.score(readings)["score"]
    by_asset = readings.sort("pump", maintain_order=True)
    for source in (readings.to_pandas(), readings.to_arrow(), readings.lazy(), by_asset):
        other = Fleet(key="pump", time="at").fit(source)
        np.testing.assert_array_equal(other.score(readings)["score"], expected)


def test_long_layout(fleet, readings):
    long = readings.unpivot(FEATURES, index=["pump", "at"], variable_name="what", value_name="reads")
    other = Fleet(key="pump", time="at", sensor="what", value="reads").fit(long)
    assert set(other.features) == set(FEATURES)
    np.testing.assert_allclose(other.score(long)["score"], fleet.score(readings)["score"])


@pytest.mark.parametrize("threads", [1, 3])
def test_threads_and_memory_change_nothing(fleet, readings, tmp_path, threads):
    path = tmp_path / "readings.parquet"
    readings.write_parquet(path, row_group_size=130)
    other = Fleet(key="pump", time="at").fit(path, threads=threads, memory_limit=10_000)
    assert other.models.sort_by("key").equals(fleet.models.sort_by("key"))


def test_no_key_is_one_asset(readings):
    fleet = Fleet(features=["h*", "!heat"]).fit(readings)
    assert fleet.features == ("hum",)
    assert len(fleet) == 1
    assert fleet.score(readings).columns == ["key", "score", "p_value", "alert", "threshold"]


def test_update_learns_and_takes_in_new_assets(fleet, readings):
    before = fleet.models
    later = make_readings(assets=7, rows=100, seed=2, start=400)
    fleet.update(later.filter(pl.col("pump") != "pump 3"))
    assert fleet.keys == [f"pump {i}" for i in (0, 1, 2, 3, 4, 5, 6)]
    rows = dict(zip(fleet.keys, fleet.models["rows"].to_pylist(), strict=True))
    assert rows == {**{f"pump {i}": 500 for i in range(5)}, "pump 3": 400, "pump 5": 100, "pump 6": 100}
    assert fleet.models["version"].to_pylist() == [2, 2, 2, 1, 2, 1, 1]
    assert fleet.models.slice(3, 1).equals(before.slice(3, 1))
    assert fleet.models["first_time"][0] == before["first_time"][0]
    assert fleet.models["last_time"][0].as_py() > before["last_time"][0].as_py()
    single = ECOD().fit(readings.filter(pump="pump 0").select(FEATURES).to_numpy())
    single.partial_fit(later.filter(pump="pump 0").select(FEATURES).to_numpy())
    assert fleet.models["threshold"][0].as_py() == single.threshold_


KEYS = pl.Series("pump", [3, 5] * 40)


def of_types(keys=KEYS, times=None, dtype=pl.Float64, more=None):
    """Return readings of two assets with columns of the given types; `more` is the key of a third."""
    rng = np.random.default_rng(0)
    clock = pl.int_range(80, eager=True) if times is None else times(pl.int_range(80, eager=True) * 86_400_000)
    frame = pl.DataFrame({"pump": keys, "at": clock, "x": rng.normal(size=80)}).cast({"x": dtype})
    last = frame.tail(1).with_columns(pump=pl.lit(more, dtype=frame.schema["pump"]))
    return frame if more is None else pl.concat([frame, last])


def stamps(unit, zone=None):
    return lambda ms: ms.cast(pl.Datetime("ms", zone)).cast(pl.Datetime(unit, zone))


@pytest.mark.parametrize(
    ("then", "now"),
    [
        ({"dtype": pl.Float32}, {"dtype": pl.Float64, "more": 7}),
        ({"dtype": pl.Float64}, {"dtype": pl.Float32, "more": 7}),
        ({"times": stamps("us")}, {"times": stamps("ms"), "more": 7}),
        ({"times": stamps("us")}, {"times": lambda ms: stamps("ms")(ms).cast(pl.Date), "more": 7}),
        ({"times": stamps("us")}, {"times": stamps("us", "UTC")}),
        ({}, {"keys": KEYS.cast(pl.Int32), "more": 7}),
        ({}, {"keys": KEYS.cast(pl.String), "more": "7"}),
        ({"keys": KEYS.cast(pl.String)}, {"more": 7}),
    ],
)
def test_later_readings_may_be_of_other_types(then, now, tmp_path):
    fleet = Fleet(key="pump", time="at").fit(of_types(**then))
    schema = fleet.models.schema
    fleet.update(of_types(**now))
    assert fleet.models.schema == schema
    assert sorted(map(str, fleet.keys)) == ["3", "5", "7"][: 3 if "more" in now else 2]
    fleet.save(tmp_path / "fleet")
    table = Fleet.load(tmp_path / "fleet").score(of_types(**now))
    assert len(table) == len(of_types(**now))


@pytest.mark.parametrize(
    ("then", "now", "said"),
    [
        ({}, {"keys": KEYS.cast(pl.String), "more": "zz"}, "asset 'zz' cannot join a fleet whose keys are"),
        ({}, {"keys": KEYS.cast(pl.String), "more": "007"}, "asset '007' cannot join"),
        ({"times": stamps("us")}, {}, "times are whole numbers here, but dates and times in the fleet"),
    ],
)
def test_later_readings_of_types_that_do_not_fit(then, now, said):
    fleet = Fleet(key="pump", time="at").fit(of_types(**then))
    before = fleet.models
    with pytest.raises(ColumnError, match=said):
        fleet.update(of_types(**now))
    assert fleet.models is before


def test_one_odd_key_does_not_hide_the_others():
    fleet = Fleet(key="pump", time="at").fit(of_types())
    assert len(fleet.score(of_types(keys=KEYS.cast(pl.String), more="zz"))) == 80
    assert fleet.report.unknown_assets == ["zz"]
    fleet.score(of_types(keys=KEYS.cast(pl.String), more="007"))
    assert fleet.report.unknown_assets == ["007"]


def test_assets_with_few_readings_are_noted(readings):
    fleet = Fleet(key="pump", time="at").fit(pl.concat([readings, readings.head(3).with_columns(pump=pl.lit("new"))]))
    assert any("1 asset has fewer than 20 readings" in note for note in fleet.report.notes)
    with pytest.raises(ParameterError, match="threads must be at least 1"):
        fleet.score(readings, threads=-1)
    with pytest.raises(ParameterError, match="features names no column"):
        Fleet(features=[])


def test_explanations_of_alerts(readings):
    fleet = Fleet(ECOD(extrapolate=True), key="pump", time="at").fit(readings)
    new = make_readings(seed=3).with_columns(
        heat=pl.when((pl.col("pump") == "pump 2") & (pl.int_range(pl.len()) > 1900)).then(200.0).otherwise("heat")
    )
    table = fleet.score(new, explain=2)
    assert table.filter(~pl.col("alert"))["explanations"].list.len().max() == 0
    hot = table.filter(pl.col("alert"), key="pump 2").tail(5)
    first = hot["explanations"].list.first().struct.unnest()
    assert first["feature"].to_list() == ["heat"] * 5
    assert first["direction"].to_list() == ["above"] * 5
    assert (first["contribution"] / hot["score"] - first["share"]).abs().max() < 1e-9
    assert first["sentence"][0].startswith("heat was 200, above its usual 5")
    alone = fleet.score(new, explain=2, only_alerts=True)
    assert alone.equals(table.filter("alert"))
    every = fleet.score(new, explain=3, explain_all=True)
    total = every["explanations"].list.eval(pl.element().struct.field("contribution")).list.sum()
    assert (total - every["score"]).abs().max() < 1e-6


def test_assets_without_alerts_come_before_those_with_some(fleet, tmp_path):
    new = make_readings(seed=7).with_columns(
        pl.when(pl.col("pump") == "pump 4").then(1e6).otherwise(pl.col(name).mean().over("pump")).alias(name)
        for name in FEATURES
    )
    path = tmp_path / "readings.parquet"
    new.sort("pump").write_parquet(path, row_group_size=400)
    table = fleet.score(path, explain=1, memory_limit=1000)
    assert table.filter("alert")["key"].unique().to_list() == ["pump 4"]
    assert table["explanations"].list.len().sum() == 400
    fleet.score(new.filter(pl.col("pump") == "pump 1"), explain=1, out=tmp_path / "quiet.parquet")
    quiet = pl.read_parquet(tmp_path / "quiet.parquet")
    assert quiet.schema["explanations"] == table.schema["explanations"]


def test_explain_one_reading(fleet):
    new = make_readings(seed=4).with_columns(
        hum=pl.when(pl.int_range(pl.len()) == 1003).then(99.0).otherwise("hum"),
        flow=pl.when(pl.int_range(pl.len()) == 1003).then(99.0).otherwise("flow"),
        heat=pl.when(pl.int_range(pl.len()) == 1003).then(66.0).otherwise("heat"),
    )
    when = new["at"][1003]
    by_time = fleet.explain_at(new, "pump 3", when, top=3)
    assert by_time["time"].unique().to_list() == [when]
    assert set(by_time["feature"][:2]) == {"flow", "hum"}
    assert by_time.height == 3
    assert fleet.explain_at(new, "pump 3", top=3).equals(by_time)
    assert fleet.explain_at(new, "pump 3", str(when.replace(tzinfo=None)), top=3).equals(by_time)
    with pytest.raises(UnknownAssetError, match="'pump 9'"):
        fleet.explain_at(new, "pump 9")
    with pytest.raises(ParameterError, match="'yesterday' is not a time"):
        fleet.explain_at(new, "pump 3", "yesterday")
    with pytest.raises(ParameterError, match="which asset"):
        fleet.explain_at(new)


def test_unknown_assets_are_counted_or_refused(fleet):
    new = make_readings(assets=7, rows=50)
    table = fleet.score(new)
    assert set(table["key"]) == set(fleet.keys)
    assert fleet.report.unknown_assets == ["pump 5", "pump 6"]
    with pytest.raises(UnknownAssetError, match="no model of asset 'pump 5'; did you mean"):
        fleet.score(new, unknown="error")
    with pytest.raises(UnknownAssetError, match="none of the 5 assets has a model"):
        fleet.score(make_readings().with_columns(pump=pl.format("x{}", "pump")))


def test_features_missing_extra_and_reordered(fleet, readings):
    expected = fleet.score(readings)
    shuffled = readings.select("hum", "site", "at", "flow", "pump", "heat").with_columns(more=1.0)
    assert fleet.score(shuffled).equals(expected)
    assert any("more" in note for note in fleet.report.notes)
    with pytest.raises(ColumnError, match="heat"):
        fleet.score(readings.drop("heat").with_columns(heats=1.0))


def test_results_go_to_a_file_in_one_step(fleet, readings, tmp_path):
    path = tmp_path / "scores.parquet"
    assert fleet.score(readings, out=path, explain=1) is None
    assert pl.read_parquet(path).equals(fleet.score(readings, explain=1))
    kept = path.read_bytes()
    broken = readings.with_columns(flow=pl.when(pl.col("pump") == "pump 4").then(float("inf")).otherwise("flow"))
    with pytest.raises(TocsinError, match="infinite"):
        fleet.score(broken, out=path)
    assert path.read_bytes() == kept
    assert [file.name for file in tmp_path.iterdir()] == ["scores.parquet"]
    with pytest.raises(OutputError, match="no folder"):
        fleet.score(readings, out=tmp_path / "nowhere" / "scores.parquet")


def test_a_failed_fit_or_update_leaves_the_fleet_as_it_was(fleet, readings):
    before, version = fleet.models, fleet.version
    broken = readings.with_columns(flow=pl.lit(float("inf")))
    for call in (fleet.fit, fleet.update):
        with pytest.raises(TocsinError, match="infinite"):
            call(broken)
    assert fleet.models is before
    assert fleet.version == version


def test_infinite_values_on_request(readings):
    broken = readings.with_columns(flow=pl.when(pl.int_range(pl.len()) == 5).then(float("inf")).otherwise("flow"))
    fleet = Fleet(ECOD(infinite="missing"), key="pump", time="at").fit(broken)
    assert any("infinite" in note for note in fleet.report.notes)


def test_progress_is_told(readings, tmp_path):
    told = []
    Fleet(key="pump", time="at").fit(readings, progress=lambda done, total: told.append((done, total)))
    assert told[-1] == (2000, 2000)


def test_one_row_and_all_missing(tmp_path):
    frame = pl.DataFrame(
        {"k": ["a", "a", "b"], "x": [1.0, 2.0, 5.0], "y": [None, None, None]}, schema_overrides={"y": float}
    )
    fleet = Fleet(key="k").fit(frame)
    assert np.isfinite(fleet.score(frame)["score"].to_numpy()).all()
    assert fleet.models["rows"].to_pylist() == [2, 1]
    assert fleet.report.missing == 3


def test_asked_before_it_has_learned(readings):
    for ask in (Fleet().score, Fleet().update, Fleet().save):
        with pytest.raises(NotFittedError, match="call fit"):
            ask(readings)
    with pytest.raises(ParameterError, match="contamination"):
        Fleet(ECOD(contamination=2)).fit(readings)
    with pytest.raises(ParameterError, match="unknown must be"):
        Fleet().fit(readings).score(readings, unknown="ignore")
    with pytest.raises(EmptyDataError):
        Fleet(key="pump").fit(readings.head(0))
