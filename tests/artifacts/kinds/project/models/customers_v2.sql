select 1 as customer_id, 2 as region_id, 'x' as "Full Name"
