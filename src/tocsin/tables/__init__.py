"""Readings in, results out: files, folders and data frames of any layout become panels."""

from tocsin.tables.columns import Columns
from tocsin.tables.notes import Notes
from tocsin.tables.readings import Readings, open_readings
from tocsin.tables.results import ResultWriter
from tocsin.tables.times import restore_times

__all__ = ["Columns", "Notes", "Readings", "ResultWriter", "open_readings", "restore_times"]
