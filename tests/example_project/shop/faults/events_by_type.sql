select * from (
    values ('click', 1, 1, now()), ('click', 2, 1, now()), (null, 0, 0, now())
) as bad (event_type, event_count, customer_count, last_event_at)
