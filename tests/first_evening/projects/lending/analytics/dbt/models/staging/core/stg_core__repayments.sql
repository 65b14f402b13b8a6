select
    id as repayment_id,
    loan_id,
    amount,
    due_on,
    paid_on
from {{ source('core', 'repayments') }}
