"""Values of a database as JSON has them: numbers as such, dates and times as ISO text."""
import datetime
import decimal


def plain(value):
    if isinstance(value, decimal.Decimal):
        return float(value)
    if isinstance(value, (datetime.date, datetime.time)):  # a datetime is a date
        return value.isoformat()
    return value
