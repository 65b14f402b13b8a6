{% macro from_cents(column) %}cast({{ column }} as decimal(12, 2)) / 100{% endmacro %}
