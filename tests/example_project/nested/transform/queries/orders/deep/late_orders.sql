select * from {{ ref('orders_history') }}
