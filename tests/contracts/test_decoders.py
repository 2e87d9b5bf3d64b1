"""Typed decoding goes through decoders made at import.

msgspec works a struct's type out when it is first decoded. Two threads that do so at the same moment can hang for
ever: a report of the demo did, reading the results of two endpoints side by side.
"""

import ast
import subprocess
import sys
from pathlib import Path

import pytest

PACKAGE = Path(__file__).parents[2] / "plugins" / "watchkeeper"


@pytest.mark.parametrize("path", sorted(PACKAGE.rglob("*.py")), ids=lambda path: path.stem)
def test_no_type_is_worked_out_at_the_first_call(path: Path) -> None:
    calls = [node for node in ast.walk(ast.parse(path.read_text())) if isinstance(node, ast.Call)]
    late = [
        f"line {call.lineno}"
        for call in calls
        if isinstance(call.func, ast.Attribute)
        and call.func.attr == "decode"
        and any(keyword.arg == "type" for keyword in call.keywords)
    ]
    assert late == []


def test_many_threads_may_read_their_first_result_at_once() -> None:
    code = """
import sys, threading
from concurrent.futures import ThreadPoolExecutor
from watchkeeper.aws.window_result import WindowResult, decode_result, encode_result
sys.setswitchinterval(1e-6)
result = WindowResult(endpoint="e", endpoint_name="e", variant="v", monitor="m", period="hourly", window="w",
                      verdict="ok", reason="", digest="d", spec_digest="s", code_version="1", owner="o",
                      model_version=None, analyzed_at="now", run_id="r")
body, gate = encode_result(result), threading.Barrier(8)
def read(_):
    gate.wait()
    return decode_result(body, "test")
with ThreadPoolExecutor(8) as readers:
    assert list(readers.map(read, range(8))) == [result] * 8
"""
    environment = {"PYTHONPATH": str(PACKAGE.parent), "PATH": ""}
    for _ in range(3):
        subprocess.run([sys.executable, "-c", code], env=environment, check=True, timeout=60)
