select * from (
    values
    (cast('2024-01-01' as date), 1.00, 1, 1.00, 1.00, 1.00, 1.00),
    (cast('2024-01-01' as date), 1.00, 1, 1.00, 1.00, 1.00, 2.00),
    (null, null, 1, 1.00, 1.00, 1.00, 1.00)
) as bad (
    order_date_month, revenue, buyer_count, previous_revenue, growth, running_revenue, three_months
)
