"""Reimplements Snowflake functions that the emulator computes incorrectly, following the public reference.

The arguments and results are plain values (dates are ISO text). `FUNCTIONS` lists the functions for the engine.
"""
import calendar
import datetime as dt
import decimal
import re

MONTHS = list(calendar.month_name)[1:]
DAYS = list(calendar.day_name)
DATE_PARTS = (
    "YYYY", "MMMM", "HH24", "HH12", "MON", "YY", "MM", "DD", "DY", "AM", "PM", "MI", "SS", "FF"
)


def date_to_char(value, mask):
    """TO_CHAR(date or timestamp, mask); the emulator ignores the mask."""
    if value is None or mask is None:
        return None
    time = dt.datetime.fromisoformat(value)
    half_day = "AM" if time.hour < 12 else "PM"
    parts = dict(
        YYYY=f"{time.year:04d}", YY=f"{time.year % 100:02d}", MMMM=MONTHS[time.month - 1],
        MON=MONTHS[time.month - 1][:3], MM=f"{time.month:02d}", DD=f"{time.day:02d}",
        DY=DAYS[time.weekday()][:3], HH24=f"{time.hour:02d}", HH12=f"{time.hour % 12 or 12:02d}",
        AM=half_day, PM=half_day, MI=f"{time.minute:02d}", SS=f"{time.second:02d}",
        FF=f"{time.microsecond * 1000:09d}",
    )
    out, position, upper = [], 0, mask.upper()
    while position < len(mask):
        if mask[position] == '"':
            end = mask.index('"', position + 1)
            out.append(mask[position + 1:end])
            position = end + 1
            continue
        digits = re.match(r"FF(\d)", upper[position:])
        if digits:
            out.append(parts["FF"][:int(digits.group(1))])
            position += 3
            continue
        for part in DATE_PARTS:
            if upper.startswith(part, position):
                out.append(parts[part])
                position += len(part)
                break
        else:
            out.append(mask[position])
            position += 1
    return "".join(out)


def number_to_char(value, mask):
    """TO_CHAR(number, mask) with 9, 0, comma, point, $, S and FM."""
    if value is None or mask is None:
        return None
    rest = mask.upper()
    scientific = re.fullmatch(r"FM0\.(0+)EE", rest)
    if scientific:
        return scientific_text(value, len(scientific.group(1)))
    fill = not rest.startswith("FM")
    rest = rest if fill else rest[2:]
    lead = "$" if rest.startswith("$") else ""
    rest = rest[len(lead):]
    always_sign = rest.startswith("S")
    rest = rest[1:] if always_sign else rest
    whole_mask, _, fraction_mask = rest.partition(".")
    places = sum(c in "90" for c in fraction_mask)
    number = decimal.Decimal(value).quantize(
        decimal.Decimal(1).scaleb(-places), decimal.ROUND_HALF_UP, decimal.Context(prec=400)
    )
    negative = number < 0
    whole, _, fraction = format(abs(number), "f").partition(".")
    slots = [c for c in whole_mask if c in "90"]
    minimum = len(slots) - slots.index("0") if "0" in slots else 0
    if whole == "0" and not minimum and places:
        whole = ""
    whole = whole.rjust(minimum, "0")
    if len(whole) > len(slots):
        return "#" * (len(mask) - (0 if fill else 2))
    blank = " " if fill else ""
    out, left = [], len(whole)
    for c in reversed(whole_mask):      # digits from the right, separators only between digits
        if c in "90":
            left -= 1
            out.append(whole[left] if left >= 0 else blank)
        elif c in ",G":
            out.append("," if left > 0 else blank)
        else:
            out.append(c)
    body = "".join(reversed(out))
    if places:
        cut = not fill and set(fraction_mask) == {"9"}
        body += "." + (fraction.rstrip("0") if cut else fraction[:places])
    plus = "+" if always_sign else blank
    sign = "-" if negative else plus
    core = body.lstrip(" ")
    return " " * (len(body) - len(core)) + sign + lead + core


def scientific_text(value, places):
    """The mask FM0.00EE: one digit before the point, and an exponent without a plus sign or leading zeros."""
    if not decimal.Decimal(value).is_finite():
        return value
    digits, _, exponent = f"{decimal.Decimal(value):.{places}E}".partition("E")
    return f"{digits}E{int(exponent)}"


def python_pattern(pattern):
    return re.sub(r"\(\?<(?![=!])", "(?P<", pattern)


def python_flags(parameters):
    flags = 0
    for c in parameters or "c":
        flags = {"i": flags | re.I, "c": flags & ~re.I, "m": flags | re.M, "s": flags | re.S}.get(
            c, flags
        )
    return flags


def matches(text, pattern, position, parameters):
    return list(
        re.finditer(python_pattern(pattern), text[position - 1:], python_flags(parameters))
    )


def regexp_replace(text, pattern, replacement, position, occurrence, parameters):
    if text is None or pattern is None or replacement is None:
        return None
    # `\1` is a group and `\\` is a backslash, whose second character does not begin a group
    replacement = re.sub(r"\\\\|\\(\d)", lambda m: f"\\g<{m[1]}>" if m[1] else m[0], replacement)
    met = 0

    def one(match):
        nonlocal met
        met += 1
        return match.expand(replacement) if occurrence in (0, met) else match.group(0)

    head, tail = text[:position - 1], text[position - 1:]
    return head + re.sub(python_pattern(pattern), one, tail, flags=python_flags(parameters))


def regexp_substr(text, pattern, position, occurrence, parameters, group):
    if text is None or pattern is None:
        return None
    found = matches(text, pattern, position, parameters)
    if len(found) < occurrence:
        return None
    return found[occurrence - 1].group(group if group >= 0 else int("e" in (parameters or "")))


def regexp_instr(text, pattern, position, occurrence, parameters):
    if text is None or pattern is None:
        return None
    found = matches(text, pattern, position, parameters)
    return found[occurrence - 1].start() + position if len(found) >= occurrence else 0


def regexp_count(text, pattern, position, parameters):
    if text is None or pattern is None:
        return None
    return len(matches(text, pattern, position, parameters))


def add_months(value, months):
    """ADD_MONTHS keeps the end of a month at the end of a month."""
    if value is None or months is None:
        return None
    time = dt.datetime.fromisoformat(value)
    year, month = divmod(time.year * 12 + time.month - 1 + months, 12)
    last = calendar.monthrange(year, month + 1)[1]
    at_end = time.day == calendar.monthrange(time.year, time.month)[1]
    day = last if at_end else min(time.day, last)
    return time.replace(year=year, month=month + 1, day=day).isoformat()


def join(left, right, delimiter):
    if left is None or right is None:
        return right if left is None else left
    return left + delimiter + right


def split_pieces(text, separator, start, end, delimiter):
    if None in (text, separator, start, end, delimiter):
        return None
    parts = text.split(separator) if separator else [text]
    return delimiter.join(parts[start:end])


def character(code):
    return None if code is None else chr(code)


TEXT, NUMBER = "VARCHAR", "INTEGER"
FUNCTIONS = (
    ("_sf_date", date_to_char, [TEXT, TEXT], TEXT),
    ("_sf_number", number_to_char, [TEXT, TEXT], TEXT),
    ("_sf_replace", regexp_replace, [TEXT, TEXT, TEXT, NUMBER, NUMBER, TEXT], TEXT),
    ("_sf_substr", regexp_substr, [TEXT, TEXT, NUMBER, NUMBER, TEXT, NUMBER], TEXT),
    ("_sf_instr", regexp_instr, [TEXT, TEXT, NUMBER, NUMBER, TEXT], NUMBER),
    ("_sf_count", regexp_count, [TEXT, TEXT, NUMBER, TEXT], NUMBER),
    ("_sf_add_months", add_months, [TEXT, "BIGINT"], TEXT),
    ("_sf_join", join, [TEXT, TEXT, TEXT], TEXT),
    ("_sf_chr", character, ["BIGINT"], TEXT),
    ("_sf_pieces", split_pieces, [TEXT, TEXT, "BIGINT", "BIGINT", TEXT], TEXT),
)
