with lines as (

    select
        lines.ticket_id,
        count(*) as line_count,
        sum(menu.item_cost) as ticket_cost,
        sum(case when menu.is_drink then 1 else 0 end) as drink_count
    from {{ ref('stg_ticket_lines') }} as lines
    inner join {{ ref('stg_menu') }} as menu on lines.item_id = menu.item_id
    group by lines.ticket_id

)

select
    tickets.ticket_id,
    tickets.shop_id,
    tickets.guest_id,
    tickets.paid_at,
    tickets.subtotal,
    tickets.tax_paid,
    tickets.ticket_total,
    lines.ticket_cost,
    lines.line_count,
    lines.drink_count > 0 as has_drink,
    row_number() over (
        partition by tickets.guest_id
        order by tickets.paid_at, tickets.ticket_id
    ) as guest_ticket_number
from {{ ref('stg_tickets') }} as tickets
left join lines on tickets.ticket_id = lines.ticket_id
