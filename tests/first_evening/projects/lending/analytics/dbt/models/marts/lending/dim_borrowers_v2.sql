select borrower_id, country, segment, joined_on from {{ ref('stg_core__borrowers') }}
