//! Bisection: applies an operation to many items at once, and to fewer items if it fails.

/// Applies an operation to all items at once. If the operation fails, it is applied to each half of the items, and so
/// on, so that many items with few failures take few calls. `apply` returns the items if it fails. Returns the items
/// for which the operation fails individually.
///
/// ```
/// use formulac_runtime::bisection::apply_with_bisection;
/// let has_no_zero = |items: Vec<u32>| if items.contains(&0) { Err(items) } else { Ok(()) };
/// assert_eq!(apply_with_bisection(vec![1, 0, 2, 3], has_no_zero), [0]);
/// ```
pub fn apply_with_bisection<T>(items: Vec<T>, mut apply: impl FnMut(Vec<T>) -> Result<(), Vec<T>>) -> Vec<T> {
    let (mut open, mut failed) = (vec![items], Vec::new());
    while let Some(items) = open.pop() {
        if items.is_empty() {
            continue;
        }
        let Err(mut items) = apply(items) else { continue };
        if items.len() < 2 {
            failed.append(&mut items);
        } else {
            let second_half = items.split_off(items.len() / 2);
            open.extend([second_half, items]);
        }
    }
    failed
}
