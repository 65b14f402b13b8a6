select
    sku as item_id,
    name as item_name,
    kind as item_kind,
    {{ cents_to_dollars('price') }} as item_price,
    {{ cents_to_dollars('cost') }} as item_cost,
    kind = 'drink' as is_drink
from {{ source('till', 'raw_menu') }}
