"""A whylogs profile of a window, file by file into one profile: ``whylogs_profile.py WINDOW REFERENCE OUTPUT``."""

import sys
from pathlib import Path

from capture_frame import read_files
from whylogs.core import DatasetProfile

window, reference, output = map(Path, sys.argv[1:])
profile = DatasetProfile()
for frame in read_files(window, reference):
    profile.track(frame)
profile.view().to_pandas().to_csv(output)
