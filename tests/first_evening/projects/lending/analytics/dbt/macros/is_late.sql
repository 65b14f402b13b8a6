{% macro is_late(paid_on, due_on) -%}
    {{ paid_on }} > {{ due_on }} + {{ var('late_after_days') }}
{%- endmacro %}
