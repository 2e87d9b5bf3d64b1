"""Memory does not grow with the window: a small and a large one, each in a process of its own."""

import subprocess
import sys
from pathlib import Path

PLUGINS = Path(__file__).resolve().parents[2] / "plugins"

PROGRAM = """
import sys
from pathlib import Path
from watchkeeper.analysis.capture_profile import profile_capture
from watchkeeper.analysis.capture_records import CaptureFile

megabytes = int(sys.argv[1])
head = b'{"captureData":{"endpointInput":{"observedContentType":"text/csv","mode":"INPUT","data":"'
middle = b'","encoding":"CSV"},"endpointOutput":{"observedContentType":"text/csv","mode":"OUTPUT","data":"0.'
tail = b'","encoding":"CSV"}},"eventMetadata":{"eventId":"x"},"eventVersion":"0"}\\n'
text = b"," + b"y" * 4000

def chunks():
    sent = number = 0
    while sent < megabytes << 20:
        lines = []
        for number in range(number, number + 256):
            lines.append(b"%s%d,%d%s%s%d%s" % (head, number, number % 7, text, middle, number, tail))
        chunk = b"".join(lines)
        sent += len(chunk)
        yield chunk

profile = profile_capture([CaptureFile("window", chunks())])
assert profile.malformed.count == 0, profile.malformed
# Not rusage: its maximum counts what the process that forked this one held before the exec.
status = Path("/proc/self/status").read_text().split()
print(profile.row_count, int(status[status.index("VmHWM:") + 1]) // 1024)
"""

BIAS_PROGRAM = """
import sys
from pathlib import Path
from watchkeeper.analysis.bias_definition import BiasAttributes, Facet
from watchkeeper.analysis.bias_profile import profile_bias
from watchkeeper.analysis.capture_records import CaptureFile

megabytes = int(sys.argv[1])
line = (
    b'{"captureData":{"endpointInput":{"data":"%d,%d,%d.5","encoding":"CSV"},"endpointOutput":{"data":"%d",'
    b'"encoding":"CSV"}},"eventMetadata":{"eventId":"%d"},"groundTruthData":{"data":"%d","encoding":"CSV"}}\\n'
)

def chunks():
    sent = number = 0
    while sent < megabytes << 20:
        lines = [line % (n % 2, n, n % 977, n % 3 == 0, n, n % 5 == 0) for n in range(number, number + 4096)]
        number += 4096
        chunk = b"".join(lines)
        sent += len(chunk)
        yield chunk

# A group variable, and a facet, of as many values as there are rows.
attributes = BiasAttributes(
    (1,), (Facet("a", (0,)), Facet("b"), Facet("c", (300,))), (("a", "b"),), "b", "0", input_columns=("a", "b", "c")
)
profile = profile_bias([CaptureFile("window", chunks())], attributes)
assert profile.malformed.count == 0, profile.malformed
status = Path("/proc/self/status").read_text().split()
print(profile.row_count, int(status[status.index("VmHWM:") + 1]) // 1024)
"""


def peak(megabytes: int, program: str = PROGRAM) -> tuple[int, int]:
    done = subprocess.run(
        [sys.executable, "-c", program, str(megabytes)],
        env={"PYTHONPATH": str(PLUGINS), "PATH": "/usr/bin:/bin", "POLARS_MAX_THREADS": "2"},
        capture_output=True,
        text=True,
        timeout=120,
        check=True,
    )
    rows, mebibytes = done.stdout.split()
    return int(rows), int(mebibytes)


def test_two_hundred_megabytes_take_no_more_memory_than_forty() -> None:
    small_rows, small = peak(40)
    large_rows, large = peak(200)
    assert large_rows > 4 * small_rows
    assert large < 1.3 * small
    assert large < 400


def test_neither_do_the_rows_of_bias() -> None:
    small_rows, small = peak(40, BIAS_PROGRAM)
    large_rows, large = peak(200, BIAS_PROGRAM)
    assert large_rows > 4 * small_rows
    assert large < 1.3 * small
    assert large < 400
