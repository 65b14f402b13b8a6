select
    repayment_id,
    loan_id,
    amount,
    due_on,
    paid_on,
    {{ is_late('paid_on', 'due_on') }} as is_late
from {{ ref('stg_core__repayments') }}
