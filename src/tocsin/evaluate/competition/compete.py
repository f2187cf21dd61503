"""The competition: which detector finds most of what is wrong with a person's own assets, and at what price."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import asdict, dataclass
from typing import Any, Literal

import numpy as np
import polars as pl
from numpy.typing import NDArray

from tocsin.errors import DataError, ParameterError
from tocsin.evaluate.competition.contestants import Contestant, contestants
from tocsin.evaluate.competition.heats import Clock, Heats, Tell, pick, warm_up
from tocsin.evaluate.competition.samples import check_labels, draw
from tocsin.evaluate.competition.standings import Standings, stand
from tocsin.evaluate.competition.tables import by_kind, leaderboard, ranked
from tocsin.evaluate.competition.trials import Arena, Round, check_metric
from tocsin.evaluate.injection import FAULTS, KINDS, inject
from tocsin.evaluate.metrics.base import Metric
from tocsin.evaluate.metrics.catalog import metric as metric_of
from tocsin.evaluate.metrics.series import series_of
from tocsin.features.recipe import Recipe
from tocsin.features.settings import check_whole
from tocsin.fleet.fleet import Fleet
from tocsin.tables.columns import Columns

MANY = 30
"""Faults a round that are enough; where assets are few, each gets more."""
MOST = 8
"""How many faults an asset gets at the most."""
MANY_TIMES = 5
"""From how many times the asked share of alerts on it is worth a word."""


@dataclass(frozen=True, slots=True, eq=False)
class Competition:
    """What came of a competition.

    Attributes
    ----------
    leaderboard : polars.DataFrame
        One row a contestant, the best first: rank; detector, its name with settings; score, the mean over all faults of
        the metric, with low and high, its interval; behind, how far behind the best, with behind_low and behind_high;
        level, whether chance could have it the other way round; winner; found, the share of faults with an alert at the
        common share of false alarms; delay, in rows, median over those; cause_1 and cause_3, the share of faults whose
        sensor was named first, or among the first three; false_alarms, the share of normal rows that are alerts by its
        own thresholds, and false_incidents_a_day of an asset, null without times; fit_seconds and score_seconds,
        CPU-seconds for a million readings (rows); assets, of how many it was judged; failure, null if it has none.
    by_kind : polars.DataFrame
        The same score by kind of fault: detector, kind, faults, score, found.
    standings : Standings
        The figures behind it.
    contestants : list of Contestant
        In the order of the leaderboard.
    winner : Contestant
        Who wins.
    mode : {"labels", "faults"}
        What was judged by.
    metric : str
        Which metric ranks.
    assets, of_assets, rows : int
        How many assets took part, how many there are, and how many rows were judged, in all rounds.
    faults : int
        How many faults were judged, in all rounds.
    skipped, incomplete : dict of str to str
        Who did not take part, and who learned not all assets, and why.
    notes : list of str
        What else is to be said.
    seconds : float
        How long it took.
    columns : Columns
        What the columns mean.
    """

    leaderboard: pl.DataFrame
    by_kind: pl.DataFrame
    standings: Standings
    contestants: list[Contestant]
    winner: Contestant
    mode: Literal["labels", "faults"]
    metric: str
    assets: int
    of_assets: int
    rows: int
    faults: int
    skipped: dict[str, str]
    incomplete: dict[str, str]
    notes: list[str]
    seconds: float
    columns: Columns

    @property
    def reason(self) -> str:
        """Why the winner won, in a sentence."""
        board = self.leaderboard.filter(pl.col("low").is_not_null() | (pl.col("heat") == pl.col("heat").max()))
        own = board.row(by_predicate=pl.col("winner"), named=True)
        if len(board) == 1:
            return "No other could be held against it on all that it was held on."
        if own["behind"] == 0.0:
            level = int(board["level"].sum()) - 1
            also = f"; chance could have put {level} other{'s' * (level != 1)} first" if level else ""
            return f"It has the best score{also}."
        best = board.filter(pl.col("behind") == 0.0)["detector"][0]
        return (
            f"It is {own['behind']:.3f} behind {best}, less than a standard error, so chance may have put that first; "
            "of those as near it costs the least, or is the best of the cheapest."
        )

    @property
    def outlook(self) -> list[str]:
        """What to expect of the winner, in sentences."""
        stand, name = self.standings, self.metric.replace("_", " ")
        if np.isnan(stand.honest):
            return [f"It was judged on {stand.units} of the {stand.drawn}: too few to say how sure that is."]
        return [
            f"Expect {stand.honest:.3f} {name} on others, {stand.honest_low:.3f} to {stand.honest_high:.3f}: what the "
            f"same choice among some of the {stand.units} {stand.drawn} was worth on the rest.",
            *self._alarm(),
        ]

    def _alarm(self) -> list[str]:
        """Say so if the judged readings differ as a whole from those that were learned."""
        share = self.leaderboard.row(by_predicate=pl.col("winner"), named=True)["false_alarms"]
        asked = self.winner.settings.get("contamination", 0.01)
        if share is None or share < MANY_TIMES * asked:
            return []
        return [
            f"By its own thresholds {share:.0%} of the normal readings are alerts, where {asked:.1%} was asked for: as "
            "a whole they differ from those learned. Learn from a longer, typical time."
        ]

    def fleet(self) -> Fleet:
        """Return the winner as a fleet that has not learned yet."""
        return Fleet(self.winner.make(), recipe=self.winner.recipe, **asdict(self.columns))

    def to_dict(self) -> dict[str, Any]:
        """Return the figures, ready for JSON."""
        names = ("mode", "metric", "assets", "of_assets", "rows", "faults", "skipped", "incomplete", "notes", "seconds")
        return {
            "winner": str(self.winner),
            "settings": dict(self.winner.settings),
            "recipe": None if self.winner.recipe is None else self.winner.recipe.to_dict(),
            "honest": self.standings.honest,
            "honest_low": self.standings.honest_low,
            "honest_high": self.standings.honest_high,
            **{name: getattr(self, name) for name in names},
            "leaderboard": self.leaderboard.to_dicts(),
            "by_kind": self.by_kind.to_dicts(),
        }


@dataclass(frozen=True, slots=True)
class Rules:
    """How a competition is held.

    Parameters
    ----------
    detectors : sequence of str, optional
        Who takes part: names of detectors, or with settings, ``"pca(components=5)"``; by default all that can.
    recipe : Recipe, optional
        What stands before each; by default some take part as they are and behind windows.
    kinds : sequence of str
        Which faults are put into readings; see `tocsin.evaluate.injection.KINDS`.
    metric : str, default "average_precision"
        What ranks: how well the scores of a fault's rows stand out from those of all normal rows of its asset.
    train : float, default 0.5
        Which share of each asset's rows, the first ones, is learned from; the rest is judged.
    seeds : int, default 3
        How many rounds, each with other faults, and for detectors in which chance has a part, another seed.
    assets : int, default 100
        How many assets are drawn at random to compete on.
    false_alarms : float, default 0.01
        The share of normal rows that may be alerts where contestants are compared by what they find.
    contamination : float, default 0.01
        Of all detectors.
    infinite : {"error", "missing"}, default "error"
        Of all detectors.
    prefer : {"fast", "best"}, default "fast"
        Whether the cheapest wins of those that chance could have put first, or the first.
    budget : float, optional
        Seconds that the competition may take. It is then held in heats: all on a few assets, the cheapest first, and
        the better ones on more.
    seed : int, default 0
        Another sample and other faults for each number.
    """

    detectors: Sequence[str] | None = None
    recipe: Recipe | None = None
    kinds: Sequence[str] = KINDS
    metric: str = "average_precision"
    train: float = 0.5
    seeds: int = 3
    assets: int = 100
    false_alarms: float = 0.01
    contamination: float = 0.01
    infinite: Literal["error", "missing"] = "error"
    prefer: Literal["fast", "best"] = "fast"
    budget: float | None = None
    seed: int = 0

    def check(self) -> Metric:
        """Refuse what makes no sense, and return the metric."""
        check_whole("seeds", self.seeds, 1)
        check_whole("assets", self.assets, 1)
        check_whole("seed", self.seed, 0)
        for name in ("train", "false_alarms"):
            if not 0.0 < getattr(self, name) < 1.0:
                raise ParameterError(f"{name} must be a share above 0 and below 1, not {getattr(self, name)!r}")
        if self.prefer not in ("fast", "best"):
            raise ParameterError(f"prefer must be 'fast' or 'best', not {self.prefer!r}")
        if self.budget is not None and not self.budget > 0.0:
            raise ParameterError(f"budget must be a number of seconds above 0, not {self.budget!r}")
        return check_metric(metric_of(self.metric))


def compete(
    source: Any,
    *,
    key: str | None = None,
    time: str | None = None,
    features: Sequence[str] | None = None,
    sensor: str | None = None,
    value: str | None = None,
    label: str | None = None,
    rules: Rules | None = None,
    tell: Tell | None = None,
    threads: int | None = None,
    **reading: Any,
) -> Competition:
    """Hold all detectors with their settings side by side on some assets of one's own, and say which one to take.

    The first part of each asset's rows is learned, the rest is judged: by labels, or without these by typed faults that
    are put into the rows (`tocsin.evaluate.injection.inject`). Each fault counts the same, however long it is: its rows
    are ranked against all normal rows of its asset.

    Parameters
    ----------
    source, key, time, features, sensor, value
        As in `tocsin.Fleet` and its `fit`.
    label : str, optional
        The column that says whether a reading is anomalous, 1, or normal, 0. Without it faults are put into readings.
    rules : Rules, optional
        How the competition is held.
    tell : callable, optional
        Told what is at work, how many contestants have been held in this heat, and of how many.
    threads : int, optional
        How many cores to use; default all.
    **reading
        How to read: see `tocsin.tables.readings.open_readings`.

    Raises
    ------
    ParameterError
        If a rule makes no sense, or the budget is too small for one fit.
    DataError
        If labels call no reading anomalous or none normal, no asset can have a fault, or no detector can learn any.

    Notes
    -----
    All 34 contestants on 100 assets of 300 rows and 4 sensors take 13 s on two cores, drawn from 10,000 in a file; once
    on a machine, minutes to compile come before. A budget bounds it.

    Examples
    --------
    >>> from tocsin import synth
    >>> readings, _ = synth.fleet(assets=6, features=3, rows=400, faulty=0.0)
    >>> found = compete(readings, key="asset", time="time", rules=Rules(["mad", "seasonalnaive"], seeds=1))
    >>> found.mode, found.faults, sorted(found.leaderboard["detector"])
    ('faults', 30, ['mad', 'mad on windows', 'seasonalnaive'])
    """
    columns = Columns(key, time, features, sensor, value, label)
    own = rules or Rules()
    clock = Clock(own.budget)
    return _Run(source, columns, own, threads, reading).held(clock, tell)


class _Run:
    """One competition, from the source to the result."""

    def __init__(
        self, source: Any, columns: Columns, rules: Rules, threads: int | None, reading: dict[str, Any]
    ) -> None:
        self._metric = rules.check()
        self._columns, self._rules, self._threads = columns, rules, threads
        common = {"contamination": rules.contamination, "infinite": rules.infinite}
        labelled = columns.label is not None
        self._all, self._skipped = contestants(rules.detectors, labelled=labelled, recipe=rules.recipe, common=common)
        self._sample = draw(
            source, columns, assets=rules.assets, share=rules.train, seed=rules.seed, labelled=labelled,
            infinite=rules.infinite, **reading,
        )  # fmt: skip
        self._notes = list(self._sample.notes)
        if labelled:
            check_labels(self._sample, columns.label or "")
        self._rounds = self._labelled() if labelled else self._injected()
        # a heat on some assets takes first those that have something to find
        has = np.isin(np.arange(len(self._sample)), self._rounds[0].faults["asset"].to_numpy())
        self._order: NDArray[np.int64] = np.argsort(~has, kind="stable")

    def held(self, clock: Clock, tell: Tell | None) -> Competition:
        """Hold it."""
        sample, rules = self._sample, self._rules
        heats = Heats(self._arena, (len(sample), rules.seeds), clock, tell, self._threads)
        ready, unable = warm_up(self._all, sample.training.values.dtype, clock, tell)
        if unable and rules.detectors is not None:
            raise ParameterError(next(iter(unable.values())))
        if clock.untried:
            self._notes.append(
                f"getting ready took {clock.ready:.0f} s of the budget; what of that was compiling is done once on a "
                "machine, so if held again more may take part"
            )
        held = heats.run(ready)
        final = pick(held)
        standings = stand([each.trial for each in final], prefer=rules.prefer, seed=rules.seed)
        order = ranked(held, final, standings)
        return Competition(
            leaderboard=leaderboard(order, final, standings),
            by_kind=by_kind([each for each in order if each in final]),
            standings=standings,
            contestants=[each.contestant for each in order],
            winner=final[standings.winner].contestant,
            mode="faults" if self._columns.label is None else "labels",
            metric=self._metric.name,
            assets=len(sample),
            of_assets=sample.assets,
            rows=sum(each.panel.n_rows for each in self._rounds),
            faults=sum(len(each.faults) for each in self._rounds),
            skipped=self._skipped | unable | clock.untried,
            incomplete={str(each.contestant): each.gaps for each in order if each.able and each.gaps},
            notes=self._notes,
            seconds=clock.gone,
            columns=self._columns,
        )

    # What is judged --------------------------------------------------------------------------------------------------

    def _labelled(self) -> list[Round]:
        judged = self._sample.judged
        assert judged.labels is not None
        series = series_of(judged.labels, offsets=judged.offsets)
        rows = [
            (asset, each.first + int(start), each.first + int(stop) - 1)
            for asset, each in enumerate(series)
            for start, stop in zip(each.starts, each.stops, strict=True)
            if each.normal
        ]
        if not rows:
            raise DataError("no asset has both anomalous and normal readings to judge; learn from fewer, --train 0.3")
        faults = pl.DataFrame(rows, schema=dict.fromkeys(("asset", "first_row", "last_row"), pl.Int64), orient="row")
        return [Round(judged, faults.with_columns(kind=pl.lit("labelled"), feature=pl.lit(None, pl.String)))]

    def _injected(self) -> list[Round]:
        sample, rules = self._sample, self._rules
        many = min(max(-(-MANY // len(sample)), FAULTS), MOST)
        rounds = []
        for number in range(rules.seeds):
            done = inject(
                sample.judged, sample.training, rules.seed * 1_000 + number, kinds=rules.kinds, faults=many,
                time_type=sample.time_type,
            )  # fmt: skip
            asset = np.searchsorted(sample.judged.offsets, done.truth["first_row"].to_numpy(), side="right") - 1
            faults = done.truth.select("first_row", "last_row", "kind", "feature", asset=pl.Series(asset))
            rounds.append(Round(done.panel, faults))
        if done.left_out:
            key, why = next(iter(done.left_out.items()))
            self._notes.append(f"{len(done.left_out):,} assets without a fault, such as {key!r}: {why}")
        rounds = [each for each in rounds if len(each.faults)]
        if not rounds:
            raise DataError(f"no fault can be put into asset {key!r}: {why}; nor in any other")
        return rounds

    def _arena(self, assets: int, rounds: int) -> Arena:
        """Return what contestants are held against in a heat of so many assets."""
        chosen = self._order[:assets]
        small = [each.take_assets(chosen) for each in self._rounds[:rounds]]
        training = self._sample.training.take_assets(chosen)
        return Arena(training, small, self._sample.time_type, self._metric, self._rules.false_alarms)
