"""One string for one value, however it is written (standard library only).

A vocabulary is made from the strings of a log and asked with the values of a request: the text
``"12"``, the number ``12`` and the number ``12.0`` must be the same entry in both.
"""

from __future__ import annotations

import decimal
import numbers
import re
from typing import Any

SPACES = " \t\n\r\f\v\u00a0"  # stripped from both ends
WHOLE = r"(-?[1-9][0-9]*|0)\.0*"  # a whole number with a decimal point; group 1 is without it
ZERO = r"-0(\.0*)?"
TRUE, FALSE = ("True", "TRUE"), ("False", "FALSE")
LARGEST = 2**63  # whole numbers below it are written without an exponent
MISSING = ("", "nan", "null", "none", "na", "n/a", "\\n")  # in lower case, of a numeric text


def canonical(value: Any) -> str:
    """The string that stands for a value in a vocabulary; empty for a missing one.

    Whole numbers lose their decimal point, texts their surrounding spaces; None and NaN are
    missing. ``007`` stays: leading zeros are part of a name. A decimal is the float it is nearest
    to, as which it would be asked for.
    """
    if value is None or value != value:
        return ""
    if isinstance(value, bool):
        return "true" if value else "false"
    if isinstance(value, decimal.Decimal):
        value = int(value) if value.is_finite() and value % 1 == 0 else float(value)
    if isinstance(value, numbers.Integral):
        return str(int(value))
    if isinstance(value, numbers.Real):
        number = float(value)
        if number.is_integer() and abs(number) < LARGEST:
            return str(int(number))
    if isinstance(value, bytes):
        value = value.decode("utf-8", errors="replace")
    return _canonical_text(str(value))


def _canonical_text(text: str) -> str:
    text = text.strip(SPACES)
    if whole := re.fullmatch(WHOLE, text):
        return whole[1]
    if re.fullmatch(ZERO, text):
        return "0"
    return "true" if text in TRUE else "false" if text in FALSE else text
