"""The work of the demo's tasks: small real computations on generated recordings, whose results anyone can
repeat.

A job is a pure function of the task's id and of the results of the tasks that it depends on. So the report
works everything out again by itself and compares it with what the workers wrote into the files.
"""

from __future__ import annotations

import hashlib
import json
import math
import random
from collections.abc import Callable, Iterator, Mapping
from itertools import pairwise
from typing import Any, Final

RATE: Final = 8000
"""Samples a second of the generated recordings."""

SECONDS: Final = 6

PARTS: Final = 4
"""A recording is worked on in so many parts; the worker reports after each."""

STEPS: Final = {"measure": PARTS, "process": PARTS}
"""How often a job yields, by its type; once where nothing is said."""

TOTAL_STEPS: Final = 10_000
CHECKPOINT: Final = 1_000
"""Training steps, and how many of them lie between two checkpoints."""

Facts = dict[str, Any]
Inputs = Mapping[str, Any]


def measure_recording(task: str, inputs: Inputs) -> Iterator[Facts]:
    """Loudness, peak and zero crossings of one recording, part by part; the last is the result."""
    samples = _recording(task)
    length = len(samples) // PARTS
    loud, peak, crossings = 0.0, 0.0, 0
    for part in range(PARTS):
        piece = samples[part * length : (part + 1) * length]
        loud += math.fsum(sample * sample for sample in piece)
        peak = max(peak, max(map(abs, piece)))
        crossings += sum(1 for a, b in pairwise(piece) if (a < 0) != (b < 0))
        done = (part + 1) * length
        yield {
            "rms": round(math.sqrt(loud / done), 6),
            "peak": round(peak, 6),
            "zero_crossings_per_sec": round(crossings * RATE / done, 1),
        }


def process_dataset(task: str, inputs: Inputs) -> Iterator[Facts]:
    """Cut a recording into segments of 50 ms and keep those that are louder than the noise."""
    samples = _recording(task)
    width = RATE // 20
    segments = [samples[at : at + width] for at in range(0, len(samples) - width + 1, width)]
    levels = [math.sqrt(math.fsum(sample * sample for sample in segment) / width) for segment in segments]
    noise = sorted(levels)[len(levels) // 10]
    for part in range(1, PARTS + 1):
        seen = levels[: len(levels) * part // PARTS]
        kept = [level for level in seen if level > 3 * noise]
        yield {
            "segments_count": len(seen),
            "segments_kept": len(kept),
            "segments_rejected": len(seen) - len(kept),
            "total_duration_sec": round(len(seen) * width / RATE, 2),
            "average_snr_db": round(20 * math.log10(math.fsum(kept) / len(kept) / noise), 2) if kept else 0.0,
        }


def check_gpu(task: str, inputs: Inputs) -> Iterator[Facts]:
    """Multiply two matrices and test the product against the rule trace(AB) = trace(BA)."""
    size = 40
    source = random.Random(task)
    a, b = ([[source.random() for _ in range(size)] for _ in range(size)] for _ in range(2))
    ab, ba = _trace_of_product(a, b), _trace_of_product(b, a)
    yield {"available": True, "product_is_right": math.isclose(ab, ba), "trace": round(ab, 6)}


def train(task: str, inputs: Inputs, checkpoint: Mapping[str, Any] | None = None) -> Iterator[Facts]:
    """Fit a small model by gradient descent, from a checkpoint on; yields at every further checkpoint."""
    source = random.Random(task)
    goal = [source.uniform(-1, 1) for _ in range(4)]
    rows = [[source.gauss(0, 1) for _ in goal] for _ in range(200)]
    wanted = [_dot(goal, row) + source.gauss(0, 0.05) for row in rows]
    weights = list(checkpoint["weights"]) if checkpoint else [0.0] * len(goal)
    for step in range(checkpoint["step"] if checkpoint else 0, TOTAL_STEPS):
        row = rows[step % len(rows)]
        error = _dot(weights, row) - wanted[step % len(rows)]
        weights = [weight - 0.0005 * error * value for weight, value in zip(weights, row, strict=True)]
        if (step + 1) % CHECKPOINT == 0:
            pairs = zip(rows, wanted, strict=True)
            loss = math.fsum((_dot(weights, row) - y) ** 2 for row, y in pairs) / len(rows)
            yield {"step": step + 1, "loss": round(loss, 6), "weights": weights}


def evaluate(task: str, inputs: Inputs) -> Iterator[Facts]:
    """The mean error of the trained model on fresh data."""
    weights = inputs["123"]["weights"]
    source = random.Random(task)
    rows = [[source.gauss(0, 1) for _ in weights] for _ in range(2000)]
    yield {
        "mean_output": round(math.fsum(_dot(weights, row) for row in rows) / len(rows), 6),
        "rows": len(rows),
    }


def export(task: str, inputs: Inputs) -> Iterator[Facts]:
    """What an export would hold, as a digest over everything that it is made from."""
    text = json.dumps({name: inputs[name] for name in sorted(inputs)}, sort_keys=True)
    yield {"sha256": hashlib.sha256(text.encode()).hexdigest(), "size": len(text)}


JOBS: Final[dict[str, Callable[[str, Inputs], Iterator[Facts]]]] = {
    "measure": measure_recording,
    "process": process_dataset,
    "gpu-check": check_gpu,
    "train": train,
    "evaluate": evaluate,
    "export": export,
}
"""By the task's `type`."""


def result_of(job: str, task: str, inputs: Inputs) -> Facts:
    """The result of a whole job: the last facts that it yields."""
    *_, facts = JOBS[job](task, inputs)
    return facts


def _recording(name: str) -> list[float]:
    """A voice of sorts: bursts of a tone with overtones, pauses, and noise under everything."""
    source = random.Random(name)
    samples: list[float] = []
    while len(samples) < RATE * SECONDS:
        pitch, gain = source.uniform(90, 220), source.choice([0.0, 0.5, 0.8])
        length = source.randrange(RATE // 8, RATE // 2)
        turn = 2 * math.pi * pitch / RATE
        samples += [
            gain * (math.sin(turn * at) + 0.5 * math.sin(2 * turn * at)) + source.uniform(-0.02, 0.02)
            for at in range(length)
        ]
    return samples[: RATE * SECONDS]


def _dot(a: list[float], b: list[float]) -> float:
    return sum(x * y for x, y in zip(a, b, strict=True))


def _trace_of_product(a: list[list[float]], b: list[list[float]]) -> float:
    return math.fsum(_dot(row, [line[at] for line in b]) for at, row in enumerate(a))
