"""The lists of MWAA's packages, and that what is tested here is what runs there."""

import pytest

from tests.sandbox_process import ROOT
from tools.mwaa.pin_list import ADDED, BASE_IMAGE, ESSENTIAL, about, pin_text, read_pin_file, read_pins

LISTS = (ADDED, BASE_IMAGE, ESSENTIAL)
# Stubs: they serve the type checker here, and nothing imports them there.
STUBS = {"boto3-stubs", "botocore-stubs", "mypy-boto3-sqs", "types-s3transfer"}


@pytest.mark.parametrize("path", LISTS, ids=lambda path: path.stem)
def test_a_list_is_sorted_normalised_and_says_what_it_is(path):
    pins = read_pin_file(path)
    assert len(pins) > 10
    assert pin_text(pins, about(path)) == path.read_text()
    assert about(path)[0]


def test_names_are_compared_as_an_index_does_and_anything_but_a_pin_is_refused():
    assert read_pins(["# why", "", "Flask_Login==0.6.3", "celery[sqs]==5.6.3"]) == {
        "flask-login": "0.6.3",
        "celery": "5.6.3",
    }
    with pytest.raises(ValueError, match="expected name==version, got 'polars>=1'"):
        read_pins(["polars>=1"])


def test_the_versions_that_are_tested_are_those_that_run_on_mwaa():
    tested = read_pin_file(ROOT / "constraints.txt")
    there = read_pin_file(ADDED) | read_pin_file(BASE_IMAGE)
    assert {name: version for name, version in there.items() if tested.get(name, version) != version}.keys() <= STUBS
    assert read_pin_file(ADDED).keys() <= tested.keys()


def test_what_we_require_never_contradicts_what_mwaa_enforces():
    enforced = read_pin_file(ESSENTIAL)
    ours = read_pin_file(ADDED) | read_pin_file(BASE_IMAGE)
    assert {name: ours[name] for name in enforced if name in ours} == {
        name: version for name, version in enforced.items() if name in ours
    }
    assert not enforced.keys() & read_pin_file(ADDED).keys()
