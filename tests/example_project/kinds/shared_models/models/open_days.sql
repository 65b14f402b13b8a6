select cast('2024-01-31' as date) as day, true as is_open
