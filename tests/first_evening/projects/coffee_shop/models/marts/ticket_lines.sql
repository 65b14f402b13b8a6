select
    lines.line_id,
    lines.ticket_id,
    lines.item_id,
    tickets.paid_at,
    tickets.shop_id,
    menu.item_name,
    menu.item_kind,
    menu.item_price,
    menu.item_cost
from {{ ref('stg_ticket_lines') }} as lines
left join {{ ref('stg_tickets') }} as tickets on lines.ticket_id = tickets.ticket_id
left join {{ ref('stg_menu') }} as menu on lines.item_id = menu.item_id
