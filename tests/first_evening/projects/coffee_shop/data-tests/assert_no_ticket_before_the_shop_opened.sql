select tickets.ticket_id
from {{ ref('tickets') }} as tickets
inner join {{ ref('shops') }} as shops on tickets.shop_id = shops.shop_id
where tickets.paid_at < shops.opened_on
