select * from (
    values
    (cast('2024-01-01' as date), 1, -5.00, 1),
    (cast('2024-01-01' as date), 1, 5.00, 0),
    (null, 1, 5.00, 1),
    (cast('2024-01-01' as date), null, 5.00, 1)
) as bad (order_date, customer_id, revenue, order_count)
