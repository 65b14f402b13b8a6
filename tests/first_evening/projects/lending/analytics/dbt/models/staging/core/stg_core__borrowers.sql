select
    id as borrower_id,
    "Country" as country,
    cast(joined_on as date) as joined_on,
    segment
from {{ source('core', 'borrowers') }}
