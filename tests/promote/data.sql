create table fct_orders (order_id int, customer_id int, amount decimal(12, 2), cost decimal(12, 2), items int, status text, region text, is_returned boolean, ordered_at timestamp, shipped_on date);
insert into fct_orders values
  (1, 1, 100, 60, 2, 'Complete', 'West', false, '2024-01-31 23:59:59', '2024-02-02'),
  (2, 1, 50.50, 20, 1, 'Complete', 'Pacific', true, '2024-02-29 00:00:00', '2024-02-29'),
  (3, 2, null, 5, 3, 'Cancelled', 'West', null, '2024-02-29 12:00:00', null),
  (4, 2, 20, null, 4, 'complete', 'East', false, '2024-03-01 00:00:00', '2024-03-31'),
  (5, null, 20, 8, 0, null, null, false, '2024-03-31 10:30:00', '2024-04-01'),
  (6, 3, -5, 0, 1, '', 'north_1', true, '2024-04-01 00:00:00', '2024-04-01'),
  (7, 9, 0, 0, 1, 'Returned 50%', 'northx1', false, null, null),
  (8, 3, 100, 60, 2, 'Shipped', 'West', false, '2024-12-31 23:00:00', '2025-01-01'),
  (9, 1, 7, 1, 1, 'Shipped', 'East', true, current_date - 7, current_date - 7),
  (10, 1, 8, 1, 1, 'Shipped', 'East', true, current_date - 6, current_date - 6),
  (11, 2, 9, 1, 1, 'Shipped', 'East', null, current_date - interval 1 second, current_date - 1),
  (12, 2, 10, 1, 1, 'Shipped', 'East', null, current_date, current_date),
  (13, 2, 11, 1, 1, 'Shipped', 'East', null, date_trunc('month', current_date), current_date),
  (14, 2, 12, 1, 1, 'Shipped', 'East', null, date_trunc('month', current_date) - interval 1 second, current_date);
create table customers (id int, country text, segment text, signed_up_on date);
insert into customers values (1, 'DE', 'A', '2023-01-01'), (2, 'FR', null, '2023-12-31'), (3, null, 'B', null), (4, 'IT', 'A', '2024-02-29');
create table order_items (item_id int, order_id int, price decimal(12, 2), order_amount decimal(12, 2));
insert into order_items values (1, 1, 40, 100), (2, 1, 60, 100), (3, 2, 50.50, 50.50), (4, 4, null, 20), (5, null, 3, 99), (6, null, 4, 99), (7, 8, 25, 100), (8, 8, 75, 100);
create table user_order_facts (customer_id int, lifetime_spend decimal(12, 2));
insert into user_order_facts values (1, 150.50), (2, 20), (3, null);
