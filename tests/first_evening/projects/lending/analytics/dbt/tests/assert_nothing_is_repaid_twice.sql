{{ config(severity='warn', tags=['finance']) }}
select loan_id from {{ ref('fct_loans') }} where outstanding < 0
