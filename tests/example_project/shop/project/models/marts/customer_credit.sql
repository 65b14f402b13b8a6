with customer_metrics as (

    select * from {{ ref('customer_metrics') }}

)

select
    customer_id,
    round(lifetime_value * 0.1, 2) as credit_limit
from customer_metrics
