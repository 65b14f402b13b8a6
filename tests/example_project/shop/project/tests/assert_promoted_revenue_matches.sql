-- The promoted metric and the model it replaces may differ by a cent at most.
with promoted as (

    select * from {{ ref('omni_promoted_metrics') }}

),

existing as (

    select * from {{ ref('existing_revenue_model') }}

)

select
    promoted.date,
    promoted.customer_id,
    promoted.revenue as omni_calculation,
    existing.revenue as dbt_calculation,
    abs(promoted.revenue - existing.revenue) as difference
from promoted
inner join existing
    on promoted.date = existing.order_date
    and promoted.customer_id = existing.customer_id
where abs(promoted.revenue - existing.revenue) > 0.01
