"""Grade the alerts of a made-up fleet by a few metrics, row by row and fault by fault."""

from tocsin import ECOD, Fleet, synth
from tocsin.evaluate.metrics.card import fleet_card

readings, truth = synth.fleet(assets=20, features=6, rows=2880, seed=7)
training, later = synth.split(readings)
scores = Fleet(ECOD(contamination=0.001, extrapolate=True), key="asset", time="time").fit(training).score(later)

card = fleet_card(scores, truth, only=["vus_pr", "event_recall", "incident_precision", "mean_delay", "f1"])
for metric, value, note in card.select("metric", "value", "note").iter_rows():
    print(f"{metric:20} {value:6.2f}  {note}")
