"""Where the files of data sets are: the user's folders first, then a cache, then the network."""

import os
from pathlib import Path

from irflow.datasets.download import Content, download
from irflow.errors import ArtifactError
from irflow.records import dataclass


@dataclass(frozen=True, slots=True)
class File:
    """A file of a data set.

    Attributes:
        name: of the file.
        url: where its authors, or those who keep it, publish it.
        content: what it holds; only what comes from the network is compared with it.
    """

    name: str
    url: str
    content: Content


def places(dataset: str, folder: str | os.PathLike[str] | None = None) -> list[Path]:
    """The folders to look in, in order; the last one is where downloads go.

    `folder` alone if there is one; else the folder that `IRFLOW_DATA` names and `dataset` within
    it, Keras's folders, and `dataset` in the cache folder.
    """
    if folder is not None:
        return [Path(folder)]
    data = os.environ.get("IRFLOW_DATA")
    named = [Path(data), Path(data, dataset)] if data else []
    keras = Path(os.environ.get("KERAS_HOME") or Path.home() / ".keras") / "datasets"
    cache = Path(os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache") / "irflow"
    return [*named, keras, keras / dataset, cache / dataset]


def fetched(dataset: str, file: File, folder: str | os.PathLike[str] | None = None) -> Path:
    """A file, from the first folder of `places` that has it; downloaded where none has.

    `IRFLOW_DATA_URL` names another server: files are asked for there as `{url}/{dataset}/{name}`.

    Raises:
        ArtifactError: it is nowhere and cannot be downloaded; the message says where it should be.
    """
    found = places(dataset, folder)
    for place in found:
        if (place / file.name).is_file():
            return place / file.name
    mirror = os.environ.get("IRFLOW_DATA_URL")
    url = f"{mirror.rstrip('/')}/{dataset}/{file.name}" if mirror else file.url
    try:
        download(url, found[-1] / file.name, file.content)
    except ArtifactError as error:
        facts = [*error.facts, *(("looked in", place) for place in found)]
        hint = f"put {file.name} into one of these folders, or set IRFLOW_DATA to its folder"
        raise ArtifactError(error.summary, facts=facts, hint=hint) from error
    return found[-1] / file.name
