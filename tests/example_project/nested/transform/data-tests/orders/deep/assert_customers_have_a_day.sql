select * from {{ ref('customers') }} where first_open_day is null
