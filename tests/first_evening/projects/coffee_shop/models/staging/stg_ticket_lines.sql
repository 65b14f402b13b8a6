select
    id as line_id,
    ticket_id,
    sku as item_id
from {{ source('till', 'raw_ticket_lines') }}
