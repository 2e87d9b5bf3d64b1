"""Values that bite: texts that nearly are numbers, and datasets of them."""

from hypothesis import settings
from hypothesis import strategies as st

# The suite is run often and on busy machines: few examples, no clock.
quick = settings(max_examples=60, deadline=None)
few = settings(max_examples=15, deadline=None)

NEARLY_NUMBERS = (
    "5.", ".5", "-.5", "+.5", "-5.", "5.0", "+5", "-5", "- 5", "+ 5.5", "--5", " 5", "5 ", "-  5", "\t5", "5\t", "0",
    "-0", "-0.0", "+0", "00", "007", "1e5", "1E5", "1e+5", "1e-5", "1.5e3", "1.e5", ".5e3", "1e", "e5", "1e5.5", "5e0",
    "1e999", "-1e999", "1e-999", "1E400", "nan", "NaN", "-nan", "inf", "-inf", "Infinity", "infinity", "1_000", "1,5",
    "9223372036854775807", "9223372036854775808", "-9223372036854775808", "-9223372036854775809", "9007199254740993",
    "99999999999999999999", "0x10", "1d", "1f", "1.0.0", "1..2", "٣", "５", "²", "½", "true", "false", "True", "TRUE",
    "t", "null", "None", "NA", "é", "日本", "\ufeff5", "5\u00a0", "\u20095", "−5", "$5", "5%", "1/2", "a" * 300,
    "9" * 400, "0." + "3" * 400, "0" * 400, "5" + "0" * 30, "1e" + "0" * 50 + "5", "true ", "'5'", "5;6", "#", "\x005",
    "5\x00",
)  # fmt: skip

numbers_as_text = st.one_of(
    st.integers(-(10**20), 10**20).map(str),
    st.floats(allow_nan=False).map(repr),
    st.from_regex(r"\A[-+]? ?[0-9]{1,4}(\.[0-9]{0,3})?([eE][-+]?[0-9]{1,3})?\Z"),
)

any_text = st.one_of(
    st.sampled_from(NEARLY_NUMBERS),
    numbers_as_text,
    st.text("0123456789.+-eE ", min_size=1, max_size=6),
    st.text(st.characters(codec="utf-8"), min_size=1, max_size=5),
)

# What may stand unquoted in a CSV field.
csv_fields = st.one_of(
    st.none(),
    numbers_as_text,
    st.sampled_from([text for text in NEARLY_NUMBERS if "," not in text]),
    st.text(st.characters(codec="utf-8", exclude_characters=',"\r\n'), min_size=1, max_size=4),
)
