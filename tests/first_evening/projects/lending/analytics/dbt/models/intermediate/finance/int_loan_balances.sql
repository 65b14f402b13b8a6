select
    loans.loan_id,
    loans.borrower_id,
    loans.principal,
    coalesce(sum(repayments.amount), 0) as repaid
from {{ ref('stg_core__loans') }} as loans
left join {{ ref('stg_core__repayments') }} as repayments on loans.loan_id = repayments.loan_id
group by loans.loan_id, loans.borrower_id, loans.principal
