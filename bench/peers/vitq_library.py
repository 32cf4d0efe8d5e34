"""vitq's C interface (include/vitq/vitq.h), so that vitq is asked as its peers are: from Python, with floats."""

import ctypes
from pathlib import Path

import numpy as np

VITQ_BF16 = 1
FLOATS = ctypes.POINTER(ctypes.c_float)


class Outputs(ctypes.Structure):
    _fields_ = [
        (name, kind)
        for result in ("logits", "embedding", "tokens")
        for name, kind in ((result, FLOATS), (f"{result}_size", ctypes.c_size_t))
    ]


def open_library(path: Path) -> ctypes.CDLL:
    library = ctypes.CDLL(str(path))
    library.vitq_last_error.restype = ctypes.c_char_p
    for name in ("classes", "embedding_size"):
        function = getattr(library, f"vitq_model_{name}")
        function.restype, function.argtypes = ctypes.c_int64, [ctypes.c_void_p]
    library.vitq_model_open.argtypes = [ctypes.c_char_p, ctypes.c_uint32, ctypes.POINTER(ctypes.c_void_p)]
    library.vitq_session_create.argtypes = [ctypes.c_void_p, ctypes.c_int32, ctypes.POINTER(ctypes.c_void_p)]
    library.vitq_session_run_floats.argtypes = [
        ctypes.c_void_p,
        FLOATS,
        ctypes.c_size_t,
        ctypes.c_size_t,
        ctypes.POINTER(Outputs),
    ]
    return library


class Session:
    """A model and its session; both live as long as the process."""

    def __init__(self, library: Path, model: Path, bf16: bool, threads: int) -> None:
        self._library = open_library(library)
        handle = ctypes.c_void_p()
        flags = VITQ_BF16 if bf16 else 0
        self._check(self._library.vitq_model_open(str(model).encode(), flags, ctypes.byref(handle)))
        self._session = ctypes.c_void_p()
        self._check(self._library.vitq_session_create(handle, threads, ctypes.byref(self._session)))
        self._has_head = self._library.vitq_model_classes(handle) > 0
        self._size: int = max(self._library.vitq_model_classes(handle), 0) or self._library.vitq_model_embedding_size(
            handle
        )

    def __call__(self, pictures: np.ndarray) -> np.ndarray:
        """Logits, or embeddings of a model without a head."""
        answers = np.empty((len(pictures), self._size), dtype=np.float32)
        pointer = answers.ctypes.data_as(FLOATS)
        outputs = Outputs()
        if self._has_head:
            outputs.logits, outputs.logits_size = pointer, answers.size
        else:
            outputs.embedding, outputs.embedding_size = pointer, answers.size
        self._check(
            self._library.vitq_session_run_floats(
                self._session, pictures.ctypes.data_as(FLOATS), pictures.size, len(pictures), ctypes.byref(outputs)
            )
        )
        return answers

    def _check(self, status: int) -> None:
        if status != 0:
            raise RuntimeError(self._library.vitq_last_error().decode())
