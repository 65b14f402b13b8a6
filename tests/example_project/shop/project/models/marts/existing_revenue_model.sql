with orders as (

    select * from {{ ref('fct_orders') }}

)

select
    order_date,
    customer_id,
    sum(order_total) as revenue
from orders
where order_status = 'completed'
    and customer_id is not null
group by 1, 2
