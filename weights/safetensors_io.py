"""Reads and writes safetensors files with the standard library and numpy; float32 tensors only."""

import json
import struct

import numpy as np


def write_safetensors(path, tensors, metadata):
    """Writes {name: float32 array} and {key: string}: header length, JSON padded to eight bytes, then the data."""
    header, offset = {"__metadata__": metadata}, 0
    for name in sorted(tensors):
        size = tensors[name].nbytes
        header[name] = {
            "dtype": "F32",
            "shape": list(tensors[name].shape),
            "data_offsets": [offset, offset + size],
        }
        offset += size
    text = json.dumps(header, separators=(",", ":")).encode()
    text += b" " * (-len(text) % 8)
    with open(path, "wb") as file:
        file.write(struct.pack("<Q", len(text)) + text)
        for name in sorted(tensors):
            file.write(np.ascontiguousarray(tensors[name], dtype="<f4").tobytes())


def read_safetensors(path):
    """Returns ({name: float32 array}, metadata)."""
    with open(path, "rb") as file:
        raw = file.read()
    start = 8 + struct.unpack("<Q", raw[:8])[0]
    header = json.loads(raw[8:start])
    metadata = header.pop("__metadata__", {})
    tensors = {}
    for name, entry in header.items():
        if entry["dtype"] != "F32":
            raise ValueError(f"{path}: tensor {name} is {entry['dtype']}, expected F32")
        begin, end = entry["data_offsets"]
        data = np.frombuffer(raw[start + begin : start + end], dtype="<f4")
        tensors[name] = data.reshape(entry["shape"]).copy()
    return tensors, metadata
