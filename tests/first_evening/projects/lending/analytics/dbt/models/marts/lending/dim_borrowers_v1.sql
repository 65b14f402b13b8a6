select borrower_id, country from {{ ref('stg_core__borrowers') }}
