select
    id,
    customer_id,
    ordered_on,
    {{ from_cents('cents') }} as amount
from {{ ref('raw_orders') }}
