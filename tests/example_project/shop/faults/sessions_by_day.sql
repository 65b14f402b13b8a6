select * from (
    values
    (cast('2024-01-01' as date), 'mobile', 1, 1, 1, 1.0, 0.5),
    (cast('2024-01-01' as date), 'mobile', 1, 1, 1, 1.0, 1.5),
    (null, 'fridge', 1, 1, 1, 1.0, 0.5),
    (cast('2024-01-01' as date), null, 1, 1, 1, 1.0, null)
) as bad (
    started_at_day, device, visits, known_visits, pages, pages_per_visit, bounce_share
)
