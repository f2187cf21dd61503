"""Hold alerts against the known faults of a made-up fleet: which are found, with the right cause, at what price."""

from tocsin import ECOD, Fleet, synth
from tocsin.evaluate.truth import match

readings, truth = synth.fleet(assets=20, features=6, rows=2880, seed=7)
training, later = synth.split(readings)

for detector in (ECOD(contamination=0.001), ECOD(contamination=0.001, extrapolate=True)):
    fleet = Fleet(detector, key="asset", time="time").fit(training)
    findings = match(fleet.score(later, explain=3), truth)
    print(detector)
    print(f"  {findings.found} of {len(truth)} faults found, {findings.right_cause} with the right cause,")
    print(f"  {findings.false_alarm_rate:.2%} of the clean readings are false alarms")
