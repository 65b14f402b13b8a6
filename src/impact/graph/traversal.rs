//! Topological order of the nodes that are reachable from other nodes.

/// Returns the nodes that are reachable along edges, in topological order.
pub(super) fn topological_order(from: &[usize], edges: &[Vec<usize>]) -> Vec<usize> {
    let mut reached = vec![false; edges.len()];
    let mut stack = from.to_vec();
    let mut waiting = vec![0usize; edges.len()];
    while let Some(at) = stack.pop() {
        let Some(new) = reached.get_mut(at).filter(|reached| !**reached) else {
            continue;
        };
        *new = true;
        for next in edges.get(at).into_iter().flatten() {
            if let Some(waiting) = waiting.get_mut(*next) {
                *waiting += 1;
            }
            stack.push(*next);
        }
    }
    let state = reached.iter().zip(&waiting).enumerate();
    let mut ready: Vec<usize> = state
        .filter(|(_, (reached, waiting))| **reached && **waiting == 0)
        .map(|(at, _)| at)
        .collect();
    // Nodes without incoming edges are start nodes.
    let first = ready.len();
    let mut order = Vec::new();
    let mut next = 0;
    while let Some(at) = ready.get(next).copied() {
        next += 1;
        if let Some(reached) = reached.get_mut(at) {
            *reached = false;
        }
        order.push(at);
        for child in edges.get(at).into_iter().flatten() {
            let Some(waiting) = waiting.get_mut(*child) else {
                continue;
            };
            *waiting -= 1;
            if *waiting == 0 {
                ready.push(*child);
            }
        }
    }
    order.drain(..first);
    let in_cycles = reached.iter().enumerate().filter(|(_, reached)| **reached);
    order.extend(in_cycles.map(|(at, _)| at).filter(|at| !from.contains(at)));
    order
}

#[cfg(test)]
mod tests {
    use super::topological_order;

    #[test]
    fn nodes_follow_their_parents() {
        // 0 → 1 → 3, 0 → 2 → 3 → 4, then 5 ⇄ 6 after 4.
        let edges = [vec![1, 2], vec![3], vec![3], vec![4], vec![5], vec![6], vec![5]];
        assert_eq!(topological_order(&[0], &edges), [1, 2, 3, 4, 5, 6]);
        assert_eq!(topological_order(&[2], &edges), [3, 4, 5, 6]);
        assert_eq!(topological_order(&[5], &edges), [6]);
        assert_eq!(topological_order(&[3, 0], &edges), [1, 2, 3, 4, 5, 6]);
    }
}
