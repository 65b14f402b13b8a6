select
    loans.loan_id,
    loans.borrower_id,
    loans.principal,
    loans.yearly_rate,
    loans.issued_on,
    loans.status,
    balances.repaid,
    loans.principal - balances.repaid as outstanding
from {{ ref('stg_core__loans') }} as loans
inner join {{ ref('int_loan_balances') }} as balances on loans.loan_id = balances.loan_id
