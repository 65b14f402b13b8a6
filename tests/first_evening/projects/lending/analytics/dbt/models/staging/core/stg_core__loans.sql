select
    id as loan_id,
    borrower_id,
    principal,
    yearly_rate,
    cast(issued_on as date) as issued_on,
    status
from {{ source('core', 'loan_book') }}
