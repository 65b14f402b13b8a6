{{ config(group='finance') }}
select
    orders.customer_id,
    min(days.day) as first_open_day
from {{ ref('stg_orders') }} as orders
left join {{ ref('calendar_package', 'open_days') }} as days on orders.ordered_on = days.day
group by orders.customer_id
