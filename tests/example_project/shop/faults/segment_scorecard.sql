-- The rule minds no case, the test of the key does.
select * from (
    values
    ('SMB', 1.00, 1.00, 0.5, 1.00, 1),
    ('SMB', 1.00, 1.00, -0.5, 1.00, 1),
    ('smb', 1.00, 1.00, 1.5, 1.00, 1),
    (null, 1.00, 1.00, 0.5, 1.00, 1)
) as bad (
    customer_segment, total_billed, best_month, share_of_all, billed_per_active, mail_providers
)
