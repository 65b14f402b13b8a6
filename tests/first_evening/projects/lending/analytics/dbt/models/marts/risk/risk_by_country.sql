select
    borrowers.country,
    sum(scores.loan_count) as loan_count,
    sum(scores.losses) as losses
from {{ ref('int_borrower_scores') }} as scores
inner join {{ ref('dim_borrowers', v=2) }} as borrowers on scores.borrower_id = borrowers.borrower_id
group by borrowers.country
