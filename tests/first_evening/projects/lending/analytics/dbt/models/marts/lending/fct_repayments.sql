{{ config(materialized='incremental', unique_key='repayment_id', on_schema_change='append_new_columns') }}

select
    repayments.repayment_id,
    repayments.loan_id,
    loans.borrower_id,
    repayments.amount,
    repayments.due_on,
    repayments.paid_on,
    repayments.is_late
from {{ ref('int_repayments_dated') }} as repayments
inner join {{ ref('stg_core__loans') }} as loans on repayments.loan_id = loans.loan_id
where repayments.due_on >= '{{ var("first_month") }}'
{% if is_incremental() %}
    and repayments.due_on > (select max(due_on) from {{ this }})
{% endif %}
