-- Twice the same row of nobody knows when, of which a part is more than all.
select
    cast(null as date) as billing_date_month,
    cast(null as varchar) as customer_segment,
    1.00 as billed,
    2.00 as monthly_billed,
    1 as customer_count,
    1.00 as billed_per_customer
from (values (1), (2)) as rows_twice
