select
    loans.borrower_id,
    count(*) as loan_count,
    sum(case when loans.status = 'written off' then 1 else 0 end) as losses
from {{ ref('stg_core__loans') }} as loans
group by loans.borrower_id
