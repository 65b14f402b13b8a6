select * from (
    values ('SMB', 1, 1, 1), ('SMB', 1, 2, 1), (null, 1, 1, 1)
) as bad (customer_segment, customer_count, active_count, mail_providers)
