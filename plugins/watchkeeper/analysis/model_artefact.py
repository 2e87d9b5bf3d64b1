"""The model file within what a training job left behind: a file, or a model.tar.gz that holds one. Never a pickle."""

import io
import tarfile
import zlib
from dataclasses import dataclass
from enum import StrEnum
from pathlib import PurePosixPath

from watchkeeper.errors import ModelArtefactError

MAXIMUM_BYTES = 2 * 1024**3
_GZIP, _PICKLES, _OLD_XGBOOST = b"\x1f\x8b", (b"\x80\x02", b"\x80\x03", b"\x80\x04", b"\x80\x05"), b"binf"
_LIGHTGBM = (b"tree\n", b"tree\r\n")
_REMEDY = (
    "Expected XGBoost's JSON or UBJSON (booster.save_model('model.json')), LightGBM's text "
    "(booster.save_model('model.txt')), or a model.tar.gz with one of them"
)


class ModelKind(StrEnum):
    """What a file is, by its first bytes."""

    XGBOOST_JSON = "XGBoost JSON"
    XGBOOST_UBJSON = "XGBoost UBJSON"
    LIGHTGBM_TEXT = "LightGBM text"
    PICKLE = "a pickle"
    OLD_XGBOOST = "XGBoost's old binary format"


@dataclass(frozen=True)
class ModelFile:
    """A model's file: its name for messages, its kind and its bytes."""

    name: str
    kind: ModelKind
    data: bytes


def model_file(artefact: bytes, name: str, *, maximum_bytes: int = MAXIMUM_BYTES) -> ModelFile:
    """Return the model in ``artefact``; of an archive, files of other kinds are passed over.

    Nothing is written to disk, links are not followed, and an archive may unpack to ``maximum_bytes``.

    Raises
    ------
    ModelArtefactError
        when there is no model or more than one; for a pickle, which could run any code when it is read, and for
        XGBoost's old binary format: with what to save instead.
    """
    found = _archived(artefact, name, maximum_bytes) if artefact.startswith(_GZIP) else _known(name, artefact)
    readable = [file for file in found if file.kind not in {ModelKind.PICKLE, ModelKind.OLD_XGBOOST}]
    if len(readable) == 1:
        return readable[0]
    if readable:
        text = f"{len(readable)} models: {', '.join(file.name for file in readable)}"
        raise ModelArtefactError(name, text, "Leave one model in the archive")
    if found:
        text = f"{found[0].name} is {found[0].kind}"
        reason = (
            "could run any code when it is read" if found[0].kind is ModelKind.PICKLE else "is no longer documented"
        )
        raise ModelArtefactError(name, f"{text}, which {reason}", _REMEDY)
    raise ModelArtefactError(name, "no tree model", _REMEDY)


def _known(name: str, data: bytes) -> list[ModelFile]:
    kind = _kind_of(data)
    return [] if kind is None else [ModelFile(name, kind, data)]


def _kind_of(data: bytes) -> ModelKind | None:
    if data.startswith(_PICKLES):
        return ModelKind.PICKLE
    if data.startswith(_OLD_XGBOOST):
        return ModelKind.OLD_XGBOOST
    if data.startswith(_LIGHTGBM):
        return ModelKind.LIGHTGBM_TEXT
    head = data[:4096].lstrip()
    if head.startswith(b"{") and b"learner" in head:
        # JSON goes on with a quote, UBJSON with the marker of a length.
        return ModelKind.XGBOOST_JSON if head[1:].lstrip().startswith(b'"') else ModelKind.XGBOOST_UBJSON
    # JSON keeps no order of keys: "learner" may come last.
    return ModelKind.XGBOOST_JSON if head.startswith(b"{") and b'"learner"' in data else None


def _archived(artefact: bytes, name: str, maximum_bytes: int) -> list[ModelFile]:
    found = []
    size = 0
    try:
        with tarfile.open(fileobj=io.BytesIO(artefact), mode="r|gz") as archive:
            for member in archive:
                if not member.isfile():
                    continue
                size += member.size
                if size > maximum_bytes:
                    text = f"an archive of more than {maximum_bytes:,} bytes"
                    raise ModelArtefactError(name, text, "Leave only the model in it")
                content = archive.extractfile(member)
                found += _known(PurePosixPath(member.name).name, content.read() if content else b"")
    except (tarfile.TarError, zlib.error, EOFError, OSError) as error:
        raise ModelArtefactError(name, f"the archive cannot be read ({type(error).__name__})", _REMEDY) from error
    return found
