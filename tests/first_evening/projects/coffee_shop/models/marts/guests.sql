with visits as (

    select
        guest_id,
        count(*) as ticket_count,
        min(paid_at) as first_paid_at,
        max(paid_at) as last_paid_at,
        sum(ticket_total) as lifetime_spend
    from {{ ref('tickets') }}
    where guest_id is not null
    group by guest_id

)

select
    guests.guest_id,
    guests.guest_name,
    coalesce(visits.ticket_count, 0) as ticket_count,
    visits.first_paid_at,
    visits.last_paid_at,
    visits.lifetime_spend,
    case when visits.ticket_count > 1 then 'regular' else 'new' end as guest_kind
from {{ ref('stg_guests') }} as guests
left join visits on guests.guest_id = visits.guest_id
