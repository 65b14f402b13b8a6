select * from (
    values
    (1, 1, 5.00, 1.00, 'a@b.c', 1, 'active'),
    (1, 1, -5.00, 1.00, 'a@b.c', 1, 'dead'),
    (null, 0, 5.00, 1.00, 'a@b.c', 1, 'asleep'),
    (2, 0, 0.00, 1.00, 'a@b.c', 1, null)
) as bad (
    customer_id, order_count, lifetime_value, credit_limit, email_domain, days_since_order, health
)
