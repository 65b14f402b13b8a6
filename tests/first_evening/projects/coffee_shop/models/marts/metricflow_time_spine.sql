select cast(range as date) as date_day
from range(date '{{ var("first_day") }}', date '2026-01-01', interval 1 day)
