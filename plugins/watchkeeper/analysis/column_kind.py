"""What kind of text a value is, and what type a column of such values has: deequ's ``DataType`` analyzer."""

import re
from dataclasses import dataclass
from enum import StrEnum

# deequ's patterns since October 2020. An optional sign, then at most one space, then ASCII digits; "5." and ".5"
# are text.
FRACTIONAL_PATTERN = r"[-+]? ?[0-9]+(?:\.[0-9]+|(?:\.[0-9]+)?[eE][-+]?[0-9]+)"
INTEGRAL_PATTERN = r"[-+]? ?[0-9]+"
BOOLEAN_PATTERN = r"(?:true|false)"

_FRACTIONAL = re.compile(FRACTIONAL_PATTERN)
_INTEGRAL = re.compile(INTEGRAL_PATTERN)
_BOOLEAN = re.compile(BOOLEAN_PATTERN)


class InferredType(StrEnum):
    """A column's type, named as in Model Monitor's documents."""

    FRACTIONAL = "Fractional"
    INTEGRAL = "Integral"
    BOOLEAN = "Boolean"
    STRING = "String"
    UNKNOWN = "Unknown"

    @property
    def is_numeric(self) -> bool:
        """Whether the column has numerical statistics."""
        return self in {InferredType.FRACTIONAL, InferredType.INTEGRAL}


@dataclass(frozen=True)
class KindCounts:
    """How many present values are of each kind."""

    fractional: int = 0
    integral: int = 0
    boolean: int = 0
    string: int = 0

    @property
    def present(self) -> int:
        """All values that are not missing."""
        return self.fractional + self.integral + self.boolean + self.string

    def merge(self, other: "KindCounts") -> "KindCounts":
        """Return the counts of both streams."""
        return KindCounts(
            self.fractional + other.fractional,
            self.integral + other.integral,
            self.boolean + other.boolean,
            self.string + other.string,
        )

    def inferred_type(self) -> InferredType:
        """Return the type of a column of these values (deequ's ``determineType``).

        One string, or booleans among numbers, make a column String; one fraction makes numbers Fractional.
        """
        numbers = self.fractional + self.integral
        if not self.present:
            return InferredType.UNKNOWN
        if self.string or (self.boolean and numbers):
            return InferredType.STRING
        if self.boolean:
            return InferredType.BOOLEAN
        return InferredType.FRACTIONAL if self.fractional else InferredType.INTEGRAL

    def count_of(self, expected: InferredType) -> int:
        """Return how many values satisfy ``expected``: an integral number also serves as a fractional one."""
        match expected:
            case InferredType.INTEGRAL:
                return self.integral
            case InferredType.FRACTIONAL:
                return self.fractional + self.integral
            case InferredType.BOOLEAN:
                return self.boolean
            case InferredType.STRING:
                return self.string
            case _:
                return self.present


def kind_of(text: str) -> InferredType:
    """Return the kind of one present value; the first pattern that matches decides."""
    if _FRACTIONAL.fullmatch(text):
        return InferredType.FRACTIONAL
    if _INTEGRAL.fullmatch(text):
        return InferredType.INTEGRAL
    return InferredType.BOOLEAN if _BOOLEAN.fullmatch(text) else InferredType.STRING
