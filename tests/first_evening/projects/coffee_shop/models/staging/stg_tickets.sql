with source as (

    select * from {{ source('till', 'raw_tickets') }}

),

renamed as (

    select
        id as ticket_id,
        shop_id,
        guest as guest_id,
        subtotal as subtotal_cents,
        {{ cents_to_dollars('subtotal') }} as subtotal,
        {{ cents_to_dollars('tax') }} as tax_paid,
        {{ cents_to_dollars('total') }} as ticket_total,
        cast(paid_at as timestamp) as paid_at
    from source

)

select * from renamed
