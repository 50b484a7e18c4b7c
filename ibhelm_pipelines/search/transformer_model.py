"""Models of sentence-transformers: the production choice, in the optional extra `embeddings`.

The weights are a folder, or lie in this machine's Hugging Face cache; nothing is fetched. On a GPU where there is one;
else by OpenVINO or ONNX Runtime where they are installed, which are 2 to 3 times as fast as PyTorch on a CPU.
"""

from __future__ import annotations

import hashlib
import os
import re
import threading
from importlib.util import find_spec
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal

import numpy as np
import structlog

from ibhelm_pipelines.errors import ConfigurationError
from ibhelm_pipelines.search.centring import QUESTIONS, centred

if TYPE_CHECKING:
    from collections.abc import Sequence

    from ibhelm_pipelines.search.models import Vectors

# Read when the library is imported: where the hub cannot be reached it would be asked again and again, for minutes.
os.environ["HF_HUB_OFFLINE"] = "1"

Backend = Literal["torch", "openvino", "onnx"]

BATCH = {"cpu": 16, "other": 128}
"""Texts in a batch; the library sorts them by length. On a CPU padding costs more than larger batches gain."""

E5_PROMPTS = {"query": "query: ", "document": "passage: "}
"""What models of the E5 family were trained with; their own files do not say so."""

_INSTALL = "Install the extra: `pip install 'ibhelm-pipelines[embeddings]'`, or set IBHELM_EMBEDDING_MODEL=light."
_SNAPSHOT = re.compile(r"[0-9a-f]{40}")
_FINGERPRINTED = ("*.json", "*.safetensors", "*.bin", "*.onnx", "*/*.json", "*/*.safetensors", "*.model", "*.txt")


class TransformerModel:
    """One loaded model. Its tokeniser cannot be used by two threads at once, so they wait for each other."""

    def __init__(self, name: str) -> None:
        if find_spec("sentence_transformers") is None:
            raise ConfigurationError(
                f"The embedding model {name} needs sentence-transformers, which is not installed.", next_step=_INSTALL
            )
        folder = find_folder(name)
        self.name = name
        self.version = fingerprint(folder)
        self._lock = threading.Lock()
        self._model = _loaded(name, folder)
        self._batch = BATCH["cpu" if self._model.device.type == "cpu" else "other"]
        self.dimensions: int = self._model.get_embedding_dimension()
        self._mean: Vectors | None = self._raw_questions(QUESTIONS).mean(axis=0) if is_e5(name) else None

    def passages(self, texts: Sequence[str]) -> Vectors:
        """Return a row for each text, behind the model's own prompt for documents."""
        with self._lock:
            return self._rows(self._model.encode_document(list(texts), **self._options()))

    def query(self, text: str) -> Vectors:
        """Return the vector of a question, behind the model's own prompt for queries; of E5 models centred."""
        vector: Vectors = self._raw_questions([text])[0]
        return vector if self._mean is None else centred(vector, self._mean)

    def count_tokens(self, texts: Sequence[str]) -> int:
        """Count what the model reads of them: what is longer than it can read is cut off."""
        if not texts:
            return 0
        with self._lock:
            most = self._model.max_seq_length
            encoded = self._model.tokenizer(list(texts), truncation=most is not None, max_length=most)
        return sum(map(len, encoded["input_ids"]))

    def _raw_questions(self, texts: Sequence[str]) -> Vectors:
        with self._lock:
            return self._rows(self._model.encode_query(list(texts), **self._options()))

    def _options(self) -> dict[str, Any]:
        return {"batch_size": self._batch, "normalize_embeddings": True, "show_progress_bar": False}

    def _rows(self, vectors: Any) -> Vectors:
        return np.asarray(vectors, dtype=np.float32).reshape(-1, self.dimensions)


def find_folder(name: str) -> Path:
    """Return the folder of a model's files.

    Raises:
        ConfigurationError: they are not on this machine.
    """
    if Path(name).is_dir():
        return Path(name).resolve()
    from huggingface_hub import snapshot_download  # noqa: PLC0415 - of the optional extra
    from huggingface_hub.errors import HFValidationError  # noqa: PLC0415 - likewise

    try:
        return Path(snapshot_download(name, local_files_only=True))
    except (OSError, HFValidationError) as error:
        raise ConfigurationError(
            f"The embedding model {name} is neither a folder nor in this machine's Hugging Face cache.",
            next_step=f"Run `hf download {name}` as the user of the pipeline, on a machine that reaches the hub, or"
            " set IBHELM_EMBEDDING_MODEL to the folder of a model, or to light.",
        ) from error


def fingerprint(folder: Path) -> str:
    """Return what tells two versions of a model apart: the commit of the hub's cache, else a digest of its files."""
    if _SNAPSHOT.fullmatch(folder.name):
        return folder.name[:12]
    digest = hashlib.sha256()
    for path in sorted({path for pattern in _FINGERPRINTED for path in folder.glob(pattern)}):
        digest.update(str(path.relative_to(folder)).encode() + b"\0")
        with path.open("rb") as file:
            digest.update(hashlib.file_digest(file, "sha256").digest())
    return digest.hexdigest()[:12]


def _loaded(name: str, folder: Path) -> Any:
    import torch  # noqa: PLC0415 - of the optional extra, takes seconds

    has_gpu = torch.cuda.is_available() or torch.backends.mps.is_available()
    backend: Backend = "torch" if has_gpu else _fastest_on_cpu()
    if backend != "torch":
        try:
            return _load(name, folder, backend)
        except Exception as error:  # noqa: BLE001 - not every model can be exported: logged, and PyTorch reads them all
            structlog.get_logger().warning("embedding_backend_unusable", backend=backend, model=name, exc_info=error)
    try:
        return _load(name, folder, "torch")
    except Exception as error:
        raise _unusable(name, folder, error) from error


def _load(name: str, folder: Path, backend: Backend) -> Any:
    from sentence_transformers import SentenceTransformer  # noqa: PLC0415 - of the optional extra, takes seconds

    model = SentenceTransformer(str(folder), backend=backend, local_files_only=True)
    if not any(model.prompts.get(each) for each in ("query", "document", "passage")) and is_e5(name):
        model.prompts.update(E5_PROMPTS)
    structlog.get_logger().info("embedding_model_loaded", model=name, backend=backend, device=str(model.device))
    return model


def is_e5(name: str) -> bool:
    """Return whether a model wants the prompts of E5; those that take instructions bring their own."""
    return re.search(r"(?<![a-z0-9])e5(?![a-z0-9])", name.lower()) is not None and "instruct" not in name.lower()


def _fastest_on_cpu() -> Backend:
    """Return by what a CPU is to be used; OpenVINO takes bf16 by itself where the CPU has it."""
    if _has("openvino", "optimum.intel"):
        return "openvino"
    return "onnx" if _has("onnxruntime", "optimum.onnxruntime") else "torch"


def _has(*modules: str) -> bool:
    """Return whether all of them are installed; of a module in a package that is not there nothing can be asked."""
    wanted = [part for module in modules for part in (module.partition(".")[0], module)]
    return all(find_spec(module) is not None for module in wanted)


def _unusable(name: str, folder: Path, error: Exception) -> ConfigurationError:
    return ConfigurationError(
        f"The embedding model {name} in {folder} cannot be loaded: {type(error).__name__}: {error}.",
        next_step="See whether the folder holds a whole model of sentence-transformers, or set"
        " IBHELM_EMBEDDING_MODEL=light.",
    )
