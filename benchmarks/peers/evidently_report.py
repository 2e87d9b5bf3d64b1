"""An Evidently report of a window: ``evidently_report.py drift|summary WINDOW REFERENCE OUTPUT``."""

import sys
from pathlib import Path

import pandas as pd
from capture_frame import read_window
from evidently import Report
from evidently.presets import DataDriftPreset, DataSummaryPreset

preset, *paths = sys.argv[1:]
window, reference, output = map(Path, paths)
current = read_window(window, reference)
if preset == "drift":
    snapshot = Report([DataDriftPreset()]).run(current, pd.read_csv(reference))
else:
    snapshot = Report([DataSummaryPreset()]).run(current, None)
output.write_text(snapshot.json())
