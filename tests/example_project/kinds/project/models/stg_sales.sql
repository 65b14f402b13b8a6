select
    cast(1 as bigint) as sale_id,
    cast('ann@example.com' as varchar) as email,
    cast('2024-01-31' as date) as sold_on,
    cast(12.5 as decimal(12, 2)) as amount
