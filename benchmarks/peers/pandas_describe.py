"""pandas ``describe`` of a window: ``pandas_describe.py WINDOW REFERENCE OUTPUT``."""

import sys
from pathlib import Path

from capture_frame import read_window

window, reference, output = map(Path, sys.argv[1:])
read_window(window, reference).describe(include="all").to_csv(output)
