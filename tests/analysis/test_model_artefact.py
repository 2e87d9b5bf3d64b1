"""What a training job left behind: one model is found, and a pickle is never read."""

import io
import pickle
import tarfile

import pytest

from tests.analysis.tree_samples import LIGHTGBM, XGBOOST, archive, saved, trained
from watchkeeper.analysis.model_artefact import ModelKind, model_file
from watchkeeper.errors import ModelArtefactError

JSON, TEXT = b'{"learner":{},"version":[3,0,0]}', b"tree\nversion=v4\n"


class Bomb:
    """A pickle of this says so when it is read."""

    def __reduce__(self) -> tuple[object, tuple[str]]:
        return print, ("the pickle was read",)


def test_a_file_is_told_by_its_first_bytes() -> None:
    booster = trained(XGBOOST[0])
    assert model_file(saved(booster, "json"), "m").kind is ModelKind.XGBOOST_JSON
    assert model_file(saved(booster, "ubj"), "m").kind is ModelKind.XGBOOST_UBJSON
    assert model_file(saved(trained(LIGHTGBM[0])), "m").kind is ModelKind.LIGHTGBM_TEXT
    assert model_file(b'{"version": [3], "padding": "' + b" " * 5000 + b'", "learner": {}}', "m").kind is (
        ModelKind.XGBOOST_JSON
    )


def test_an_archive_may_hold_other_files_and_a_pickle_beside_the_model(capsys: pytest.CaptureFixture[str]) -> None:
    packed = archive(code__py=b"import os", encoder__pkl=pickle.dumps(Bomb()), xgboost_model=JSON, notes__json=b"{}")
    found = model_file(packed, "model.tar.gz")
    assert (found.name, found.kind, found.data) == ("xgboost_model", ModelKind.XGBOOST_JSON, JSON)
    assert capsys.readouterr().out == ""


@pytest.mark.parametrize("protocol", [2, 3, 4, 5])
def test_a_pickle_is_refused_with_what_to_save_instead(protocol: int, capsys: pytest.CaptureFixture[str]) -> None:
    bomb = pickle.dumps(Bomb(), protocol)
    for artefact in (bomb, archive(xgboost_model=bomb)):
        with pytest.raises(ModelArtefactError, match=r"is a pickle.*could run any code.*save_model\('model\.json'\)"):
            model_file(artefact, "model.tar.gz")
    assert capsys.readouterr().out == ""


@pytest.mark.parametrize(
    ("artefact", "found"),
    [
        (b"binf\x00\x00", "old binary format.*no longer documented"),
        (b"", "no tree model"),
        (b"{}", "no tree model"),
        (b"PK\x03\x04", "no tree model"),
        (archive(readme__md=b"hello"), "no tree model"),
        (archive(one__json=JSON, two__txt=TEXT), "2 models: one.json, two.txt"),
        (archive(one__json=JSON * 1000)[:60], "cannot be read"),
        (b"\x1f\x8b\x08\x00broken", "cannot be read"),
    ],
    ids=["old", "empty", "object", "zip", "nothing", "two", "short", "broken"],
)
def test_what_is_no_model_is_refused(artefact: bytes, found: str) -> None:
    with pytest.raises(ModelArtefactError, match=found) as caught:
        model_file(artefact, "s3://bucket/model.tar.gz")
    assert str(caught.value).startswith("s3://bucket/model.tar.gz: ")


def test_links_and_names_that_lead_out_of_the_archive_do_no_harm() -> None:
    buffer = io.BytesIO()
    with tarfile.open(fileobj=buffer, mode="w:gz") as tar:
        link = tarfile.TarInfo("model.json")
        link.type, link.linkname = tarfile.SYMTYPE, "/etc/passwd"
        tar.addfile(link)
        outside = tarfile.TarInfo("../../outside.json")
        outside.size = len(JSON)
        tar.addfile(outside, io.BytesIO(JSON))
    assert model_file(buffer.getvalue(), "m").name == "outside.json"


def test_an_archive_that_unpacks_to_too_much_is_refused() -> None:
    packed = archive(one__json=JSON, padding=b"0" * 1000)
    with pytest.raises(ModelArtefactError, match="an archive of more than 1,000 bytes"):
        model_file(packed, "m", maximum_bytes=1000)
    assert model_file(packed, "m").data == JSON
