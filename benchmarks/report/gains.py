"""Where a speed-up comes from: distillation, the export, or int8."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence

from benchmarks.report.results import Result
from benchmarks.report.words import listed, range_of

Asked = tuple[str, int]  # protocol and batch
NAMES = ("export", "int8")


def ordered(kinds: Iterable[Asked]) -> list[Asked]:
    """What is asked, in the order in which protocols are explained, and from small to large."""
    return sorted(set(kinds), key=lambda kind: ("ABCRKF".find(kind[0]), kind[1]))


def gains_of(result: Result) -> dict[Asked, tuple[float | None, float | None]]:
    """What export and int8 gain the student, from medians that count; by what is asked."""
    fastest: dict[tuple[str, str, int], float] = {}
    for it in result.rungs:
        if it.p50_ms and not it.reasons and it.role == "student":
            key = (it.rung, it.protocol, it.batch)
            fastest[key] = min(it.p50_ms.value, fastest.get(key, it.p50_ms.value))

    def over(slow: str, fast: str, kind: Asked) -> float | None:
        pair = fastest.get((slow, *kind)), fastest.get((fast, *kind))
        return pair[0] / pair[1] if pair[0] and pair[1] else None

    gains = {
        kind: (over("torch", "ort", kind), over("ort", "ort-int8", kind))
        for kind in ordered(key[1:] for key in fastest)
    }
    return {kind: pair for kind, pair in gains.items() if any(pair)}


def tried(result: Result) -> bool:
    """Whether int8 was attempted, though perhaps nothing of it counts."""
    return any(it.rung == "ort-int8" for it in result.rungs)


def source(gains: Mapping[Asked, Sequence[float | None]], int8_tried: bool) -> str:
    """Where the speed-up comes from, in words.

    Args:
        gains: of the student, by export and by int8.
        int8_tried: int8 was attempted.
    """
    text = (
        "In process both are ONNX graphs in one runtime with equal threads and precision, so that "
        "speed-up (teacher ORT ÷ student ORT) comes from distillation into a smaller architecture"
    )
    extra = []
    for place, name in enumerate(("its export (PyTorch ÷ ORT)", "int8 (ORT ÷ ORT int8)")):
        found = [ratio for gain in gains.values() if (ratio := gain[place])]
        if found:
            extra.append(f"{range_of(found)} times by {name}")
    if not extra:
        return f"{text}; what export or int8 gain was not measured."
    refused = int8_tried and not any(gain[1] for gain in gains.values())
    told = " Its int8 form does not count; the reason stands at the end." if refused else ""
    return f"{text}. Not counted in it, the student gains {listed(extra)}.{told}"
