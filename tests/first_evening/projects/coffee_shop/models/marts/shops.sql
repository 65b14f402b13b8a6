select * from {{ ref('stg_shops') }}
