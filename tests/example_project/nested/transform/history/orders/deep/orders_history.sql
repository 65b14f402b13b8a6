{% snapshot orders_history %}
{{ config(strategy='check', unique_key='id', check_cols='all', group='finance') }}
select * from {{ ref('stg_orders') }}
{% endsnapshot %}
