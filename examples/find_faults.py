"""Learn what is normal for each pump of a fleet, and say what is wrong with it later."""

from tocsin import ECOD, Fleet, synth

readings, _ = synth.fleet(assets=10, features=6, rows=2880)
training, later = synth.split(readings)

fleet = Fleet(ECOD(contamination=0.001, extrapolate=True), key="asset", time="time").fit(training)
alerts = fleet.score(later, explain=3, only_alerts=True)

for alert in alerts.top_k(3, by="score").iter_rows(named=True):
    print(f"{alert['key']} at {alert['time']:%Y-%m-%d %H:%M}: {alert['explanations'][0]['sentence']}")
