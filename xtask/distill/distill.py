"""Distils a sentence-transformer into one vector a word piece, and writes the table that the
retrieval crate embeds.

A text's embedding is the mean of its pieces' vectors. The vectors are the ridge solution of
"mean of the pieces = the teacher's embedding, in its own principal axes", pulled towards the
teacher's embedding of the piece alone, which decides for pieces that the texts seldom show.
"""

import argparse
import hashlib
import json
from pathlib import Path

import numpy as np
import scipy.sparse as sparse
from tokenizers import Tokenizer
from tokenizers.models import WordPiece
from tokenizers.normalizers import BertNormalizer
from tokenizers.pre_tokenizers import BertPreTokenizer

from teacher import Teacher
from texts import training_texts

DIMENSIONS = 256
RIDGE = 0.03
ITERATIONS = 30
MAGIC = b"PNTSTAT1"


def kept_pieces(tokenizer: Tokenizer) -> list[tuple[int, str]]:
    """(teacher's id, piece) of the pieces worth keeping: ASCII, and not a marker. The teacher knows
    English alone; single letters of other scripts carry nothing."""
    pieces = sorted((i, piece) for piece, i in tokenizer.get_vocab().items())
    return [(i, p) for i, p in pieces if p.isascii() and not (p.startswith("[") and len(p) > 1)]


def pruned(pieces: list[tuple[int, str]]) -> Tokenizer:
    """The tokenizer as the crate has it: the kept pieces, numbered anew."""
    vocabulary = {piece: row for row, (_, piece) in enumerate(pieces)}
    vocabulary["[UNK]"] = len(vocabulary)
    tokenizer = Tokenizer(WordPiece(vocabulary, unk_token="[UNK]", max_input_chars_per_word=100))
    tokenizer.normalizer = BertNormalizer(lowercase=True, strip_accents=True)
    tokenizer.pre_tokenizer = BertPreTokenizer()
    return tokenizer


def bags(tokenizer: Tokenizer, texts: list[str], rows: int) -> sparse.csr_matrix:
    """One row a text: the share of each piece in it."""
    row, column, value = [], [], []
    for i, encoding in enumerate(tokenizer.encode_batch(texts, add_special_tokens=False)):
        ids = [j for j in encoding.ids if j < rows]
        row += [i] * len(ids)
        column += ids
        value += [1 / len(ids)] * len(ids)
    return sparse.csr_matrix((np.array(value, np.float32), (row, column)), shape=(len(texts), rows))


def solve(bag: sparse.csr_matrix, target: np.ndarray, prior: np.ndarray) -> np.ndarray:
    """argmin |bag·x − target|² + RIDGE·|x − prior|², by conjugate gradients, all columns at once."""
    fitted = bag @ prior
    prior = prior * ((fitted * target).sum() / (fitted * fitted).sum())

    def normal(x):
        return bag.T @ (bag @ x) + RIDGE * x

    x = prior.copy()
    residual = bag.T @ target + RIDGE * prior - normal(x)
    direction = residual.copy()
    energy = (residual * residual).sum(0)
    for _ in range(ITERATIONS):
        image = normal(direction)
        step = energy / np.maximum((direction * image).sum(0), 1e-12)
        x += step * direction
        residual -= step * image
        next_energy = (residual * residual).sum(0)
        direction = residual + (next_energy / np.maximum(energy, 1e-20)) * direction
        energy = next_energy
    return x


def table(teacher: Teacher, texts: list[str], work: Path) -> tuple[np.ndarray, list[str], Tokenizer]:
    """The vectors, the pieces they belong to and the tokenizer over them."""
    pieces = kept_pieces(teacher.tokenizer)
    tokenizer = pruned(pieces)
    digest = hashlib.sha256("\n".join(texts).encode()).hexdigest()
    cache = work / f"teacher-{digest[:16]}.npy"
    if not cache.exists():
        np.save(cache, teacher.texts(texts))
    taught = np.load(cache)

    mean = taught.mean(0)
    _, axes = np.linalg.eigh(np.cov((taught - mean).T))
    axes = axes[:, ::-1][:, :DIMENSIONS]
    # An axis may point either way: let its largest component be positive, so that runs agree.
    axes = axes * np.sign(axes[np.abs(axes).argmax(0), np.arange(DIMENSIONS)])
    target = ((taught - mean) @ axes).astype(np.float32)

    alone = teacher.tokens()[[i for i, _ in pieces]]
    alone /= np.linalg.norm(alone, axis=1, keepdims=True)
    # The vocabulary is ordered by frequency: the rank stands in for it (Zipf), frequent pieces weigh less.
    frequency = 1 / (np.arange(len(pieces)) + 2)
    frequency /= frequency.sum()
    weight = 1e-4 / (1e-4 + frequency)
    prior = ((alone - mean) @ axes * weight[:, None]).astype(np.float32)

    return solve(bags(tokenizer, texts, len(pieces)), target, prior), [p for _, p in pieces], tokenizer


def write(vectors: np.ndarray, pieces: list[str], path: Path) -> None:
    """Magic, dimensions, rows; a scale a row (f32); the values (int8); the pieces, one a line."""
    scale = np.abs(vectors).max(1, keepdims=True) / 127
    scale[scale == 0] = 1
    values = np.round(vectors / scale).astype(np.int8)
    with path.open("wb") as out:
        out.write(MAGIC)
        out.write(np.array([vectors.shape[1], len(pieces)], "<u4").tobytes())
        out.write(scale.astype("<f4").tobytes())
        out.write(values.tobytes())
        out.write("\n".join(pieces).encode())


SAMPLES = [
    "Alice's unbelievable rollercoaster ride, 1999!",
    "CAFÉ naïve Zürich São Paulo",
    "electroencephalographically antidisestablishmentarianism",
    "e-mail: bob@example.com (v2.0.1) #42 $5.50 50%",
    "don't can't I'm they've",
    "東京 Tokyo 서울 Москва",
    "tab\tnewline\nnon\u00a0breaking zero\u200bwidth \u0000null",
    "snake_case camelCase kebab-case C++ C#",
    "emoji 🎉 party",
    "x" * 120 + " short",
    "",
    "   ",
]


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    for name in ("model", "tokenizer", "wordnet", "work", "out", "samples"):
        parser.add_argument(f"--{name}", type=Path, required=True)
    args = parser.parse_args()
    teacher = Teacher(args.model, args.tokenizer)
    vectors, pieces, tokenizer = table(teacher, training_texts(args.wordnet), args.work)
    write(vectors, pieces, args.out)
    with args.samples.open("w", encoding="utf-8") as out:
        for text in SAMPLES:
            found = [t for t in tokenizer.encode(text, add_special_tokens=False).tokens if t != "[UNK]"]
            out.write(json.dumps({"text": text, "pieces": found}, ensure_ascii=False) + "\n")
    print(f"{len(pieces)} pieces of {vectors.shape[1]} dimensions, {args.out.stat().st_size} bytes")


if __name__ == "__main__":
    main()
