select
    id as shop_id,
    name as shop_name,
    tax_rate,
    cast(opened_on as date) as opened_on
from {{ source('till', 'raw_shops') }}
