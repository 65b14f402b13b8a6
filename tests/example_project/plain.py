"""Database values in JSON form: numbers as numbers, dates and times as ISO strings."""
import datetime
import decimal


def plain(value):
    if isinstance(value, decimal.Decimal):
        return float(value)
    if isinstance(value, (datetime.date, datetime.time)):  # a datetime is a date
        return value.isoformat()
    return value
