"""Keep a fleet on disk, and let it learn from a new day without the old ones."""

from pathlib import Path
from tempfile import TemporaryDirectory

from tocsin import Fleet, synth

readings, _ = synth.fleet(assets=5, features=4, rows=1440)
first, rest = synth.split(readings)

with TemporaryDirectory() as folder:
    path = Path(folder) / "pumps"
    Fleet(key="asset", time="time").fit(first).save(path)

    fleet = Fleet.load(path)
    fleet.update(rest).save(path)

    print(Fleet.load(path))
    for model in fleet.models.select(["key", "rows", "last_time", "version"]).to_pylist():
        print(model)
