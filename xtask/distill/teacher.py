"""The teacher: all-MiniLM-L6-v2 as an int8 ONNX graph, mean-pooled and normalised."""

from pathlib import Path

import numpy as np
import onnxruntime
from tokenizers import Tokenizer

CLS, SEP = 101, 102


class Teacher:
    """Embeds texts into 384 dimensions."""

    def __init__(self, model: Path, tokenizer: Path):
        options = onnxruntime.SessionOptions()
        options.intra_op_num_threads = 1
        options.inter_op_num_threads = 1
        self.session = onnxruntime.InferenceSession(str(model), options)
        self.tokenizer = Tokenizer.from_file(str(tokenizer))
        self.tokenizer.enable_truncation(128)
        self.tokenizer.no_padding()

    def run(self, ids: np.ndarray, mask: np.ndarray) -> np.ndarray:
        """Mean of the last hidden states of one batch."""
        hidden = self.session.run(
            None, {"input_ids": ids, "attention_mask": mask, "token_type_ids": np.zeros_like(ids)}
        )[0]
        return (hidden * mask[..., None]).sum(1) / mask.sum(1, keepdims=True)

    def tokens(self) -> np.ndarray:
        """One vector a vocabulary entry: the entry alone between the sentence markers."""
        size = self.tokenizer.get_vocab_size()
        out = np.zeros((size, 384), np.float32)
        for start in range(0, size, 512):
            row = np.arange(start, min(size, start + 512))
            ids = np.stack([np.full_like(row, CLS), row, np.full_like(row, SEP)], 1).astype(np.int64)
            out[row] = self.run(ids, np.ones_like(ids))
        return out

    def texts(self, texts: list[str], batch: int = 64) -> np.ndarray:
        """One unit vector a text; texts of like length share a batch."""
        encodings = self.tokenizer.encode_batch(texts)
        order = np.argsort([len(e.ids) for e in encodings], kind="stable")
        out = np.zeros((len(texts), 384), np.float32)
        for start in range(0, len(order), batch):
            rows = order[start : start + batch]
            width = max(len(encodings[r].ids) for r in rows)
            ids = np.zeros((len(rows), width), np.int64)
            mask = np.zeros_like(ids)
            for i, r in enumerate(rows):
                ids[i, : len(encodings[r].ids)] = encodings[r].ids
                mask[i, : len(encodings[r].ids)] = 1
            out[rows] = self.run(ids, mask)
        return out / np.linalg.norm(out, axis=1, keepdims=True)
