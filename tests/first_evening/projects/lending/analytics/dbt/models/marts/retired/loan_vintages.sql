select date_trunc('year', issued_on) as vintage, count(*) as loans
from {{ ref('stg_core__loans') }}
group by 1
