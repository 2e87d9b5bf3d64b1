"""CloudWatch's metric math, as far as alarms and dashboards of ours use it: arithmetic, comparisons, AND, OR, IF, FILL,
SUM, AVG, MIN, MAX, ANOMALY_DETECTION_BAND.

An expression is parsed as Python's grammar has it and walked; nothing of it is ever executed.
"""

import ast
import operator
import re
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

Series = dict[float, float]
"""Values by the start of their period, in epoch seconds; a period without one is missing."""
Value = float | Series | list[Any]
"""A number, a series, or several series: a band is its lower and its upper one."""


class MetricMathError(Exception):
    """The expression is wrong, or uses what the sandbox does not have."""


def _divided(a: float, b: float) -> float | None:
    return a / b if b else None  # as CloudWatch: no value where the divisor is zero


_OPERATORS: dict[type, Callable[[float, float], float | None]] = {
    ast.Add: operator.add,
    ast.Sub: operator.sub,
    ast.Mult: operator.mul,
    ast.Div: _divided,
    ast.Gt: operator.gt,
    ast.GtE: operator.ge,
    ast.Lt: operator.lt,
    ast.LtE: operator.le,
    ast.Eq: operator.eq,
    ast.NotEq: operator.ne,
    ast.And: lambda a, b: bool(a) and bool(b),
    ast.Or: lambda a, b: bool(a) or bool(b),
}
_REDUCTIONS: dict[str, Callable[[Sequence[float]], float]] = {
    "SUM": sum,
    "AVG": lambda values: sum(values) / len(values),
    "MIN": min,
    "MAX": max,
}
_WORDS = {"AND": " and ", "&&": " and ", "OR": " or ", "||": " or "}


@dataclass(frozen=True)
class MetricMath:
    """Evaluates expressions over ``known`` series. FILL fills the periods of ``grid``.

    ``band`` makes the lower and the upper series of a metric, by its id and a number of standard deviations.
    """

    known: Mapping[str, Value]
    grid: Sequence[float]
    band: Callable[[str, float], list[Series]]

    def value(self, expression: str) -> Value:
        """Return what the expression comes to; MetricMathError if it cannot be worked out."""
        text = re.sub(r"\bAND\b|\bOR\b|&&|\|\|", lambda word: _WORDS[word[0]], expression)
        try:
            return self._of(ast.parse(text.strip(), mode="eval").body)
        except (SyntaxError, TypeError, ValueError) as error:
            message = f"cannot evaluate {expression!r}: {error}"
            raise MetricMathError(message) from None

    def _of(self, node: ast.expr) -> Value:
        match node:
            case ast.Constant(value=int() | float() as number):
                found: Value = float(number)
            case ast.Name(id=name) if name in self.known:
                found = self.known[name]
            case ast.List(elts=parts):
                found = [self._of(part) for part in parts]
            case ast.UnaryOp(op=ast.USub(), operand=operand):
                found = _each(operator.neg, self._of(operand))
            case ast.BinOp(left=left, op=sign, right=right) if type(sign) in _OPERATORS:
                found = _each(_OPERATORS[type(sign)], self._of(left), self._of(right))
            case ast.Compare(left=left, ops=[sign], comparators=[right]) if type(sign) in _OPERATORS:
                found = _each(_OPERATORS[type(sign)], self._of(left), self._of(right))
            case ast.BoolOp(op=sign, values=[first, *others]):
                found = self._of(first)
                for other in others:
                    found = _each(_OPERATORS[type(sign)], found, self._of(other))
            case ast.Call(func=ast.Name(id=name), args=arguments, keywords=[]):
                found = self._called(name, arguments)
            case _:
                message = f"the sandbox does not have {ast.unparse(node)!r}"
                raise MetricMathError(message)
        return found

    def _called(self, name: str, arguments: list[ast.expr]) -> Value:
        match name, arguments:
            case "ANOMALY_DETECTION_BAND", [ast.Name(id=metric), *width]:
                deviations = self._of(width[0]) if width else 2.0
                return list(self.band(metric, float(deviations)))  # type: ignore[arg-type]  # a number, or TypeError
            case "FILL", [filled, ast.Name(id="REPEAT")]:
                return self._filled(self._of(filled), None)
            case "FILL", [filled, number]:
                return self._filled(self._of(filled), self._of(number))
            case "IF", [condition, chosen, *other] if len(other) <= 1:
                return _chosen(self._of(condition), self._of(chosen), self._of(other[0]) if other else {})
            case reduction, [one] if reduction in _REDUCTIONS:
                return _reduced(_REDUCTIONS[reduction], self._of(one))
        message = f"the sandbox does not have {name} of {len(arguments)} arguments"
        raise MetricMathError(message)

    def _filled(self, series: Value, value: Value | None) -> Value:
        """Fill what is missing; a metric without any value in the whole range stays empty, as in CloudWatch."""
        if not isinstance(series, dict) or not series:
            return series
        filled: Series = {}
        last = None
        for stamp in sorted({*self.grid, *series}):
            last = series.get(stamp, value if isinstance(value, float) else last)
            if last is not None:
                filled[stamp] = last
        return filled


def _each(function: Callable[..., float | None], *values: Value) -> Value:
    """Apply a function period by period, where every series has a value; numbers count for each of them."""
    series = [value for value in values if isinstance(value, dict)]
    if not series:
        return float(function(*values) or 0.0)
    stamps = set.intersection(*(set(one) for one in series))
    found = {
        stamp: function(*(value[stamp] if isinstance(value, dict) else value for value in values)) for stamp in stamps
    }
    return {stamp: float(value) for stamp, value in sorted(found.items()) if value is not None}


def _chosen(condition: Value, chosen: Value, other: Value) -> Value:
    if not isinstance(condition, dict):
        return chosen if condition else other
    found: Series = {}
    for stamp, truth in condition.items():
        source = chosen if truth else other
        value = source.get(stamp) if isinstance(source, dict) else source
        if isinstance(value, int | float):
            found[stamp] = float(value)
    return found


def _reduced(reduction: Callable[[Sequence[float]], float], values: Value) -> Value:
    """Reduce a list of series to one series, and a series to a number."""
    if isinstance(values, list):
        stamps: Iterable[float] = sorted({stamp for one in values for stamp in one})
        return {stamp: reduction([one[stamp] for one in values if stamp in one]) for stamp in stamps}
    if isinstance(values, dict):
        return float(reduction(list(values.values()))) if values else {}
    return values
