//! Names of values inside a graph, and side tables about them.

use serde::{Deserialize, Serialize};
use std::ops::{Index, IndexMut};

/// The number of a node in its graph, in creation order.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
pub struct NodeIndex(pub u32);

/// One result of one node.
///
/// A value belongs to the graph (or builder) that made it; passes never carry one over.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
pub struct Value {
    /// The node that computes it.
    pub node: NodeIndex,
    /// Which of the node's results it is.
    pub result: u32,
}

impl NodeIndex {
    /// The position in tables.
    pub fn index(self) -> usize {
        self.0 as usize
    }

    /// The first result.
    pub fn value(self) -> Value {
        self.result(0)
    }

    /// The n-th result.
    pub fn result(self, n: usize) -> Value {
        Value { node: self, result: n as u32 }
    }
}

/// A side table: at most one `T` per value.
///
/// ```
/// use tracelift_ir::{NodeIndex, ValueMap};
///
/// let (x, y) = (NodeIndex(0).value(), NodeIndex(7).value());
/// let mut names = ValueMap::new();
/// assert_eq!(names.insert(y, "y"), None);
/// assert_eq!(names.get(y), Some(&"y"));
/// assert_eq!(names.get(x), None);
/// ```
#[derive(Clone, Debug)]
pub struct ValueMap<T> {
    /// Per node the table of its first result, which nearly all nodes have alone.
    first: Vec<Option<T>>,
    /// Tables of the further results.
    more: Vec<Vec<Option<T>>>,
}

impl<T> Default for ValueMap<T> {
    fn default() -> Self {
        ValueMap { first: Vec::new(), more: Vec::new() }
    }
}

impl<T> ValueMap<T> {
    /// An empty table.
    pub fn new() -> Self {
        Self::default()
    }

    /// An empty table with room for the nodes of a graph.
    pub fn with_capacity(nodes: usize) -> Self {
        ValueMap { first: Vec::with_capacity(nodes), more: Vec::new() }
    }

    /// What is noted about a value.
    pub fn get(&self, value: Value) -> Option<&T> {
        match value.result {
            0 => self.first.get(value.node.index())?.as_ref(),
            n => self.more.get(n as usize - 1)?.get(value.node.index())?.as_ref(),
        }
    }

    /// What is noted about a value, to be changed.
    pub fn get_mut(&mut self, value: Value) -> Option<&mut T> {
        match value.result {
            0 => self.first.get_mut(value.node.index())?.as_mut(),
            n => self.more.get_mut(n as usize - 1)?.get_mut(value.node.index())?.as_mut(),
        }
    }

    /// Whether something is noted about a value.
    pub fn contains(&self, value: Value) -> bool {
        self.get(value).is_some()
    }

    /// Notes something; answers what was noted before.
    pub fn insert(&mut self, value: Value, item: T) -> Option<T> {
        self.slot(value).replace(item)
    }

    /// Forgets what is noted about a value, and answers it.
    pub fn remove(&mut self, value: Value) -> Option<T> {
        match value.result {
            0 => self.first.get_mut(value.node.index())?.take(),
            n => self.more.get_mut(n as usize - 1)?.get_mut(value.node.index())?.take(),
        }
    }

    /// The place of a value, for noting in any way.
    pub fn slot(&mut self, value: Value) -> &mut Option<T> {
        let table = match value.result as usize {
            0 => &mut self.first,
            n => {
                if self.more.len() < n {
                    self.more.resize_with(n, Vec::new);
                }
                &mut self.more[n - 1]
            }
        };
        let index = value.node.index();
        if table.len() <= index {
            table.resize_with(index + 1, || None);
        }
        &mut table[index]
    }
}

impl<T> Index<Value> for ValueMap<T> {
    type Output = T;

    fn index(&self, value: Value) -> &T {
        self.get(value).expect("the table has an entry for every value it is asked for")
    }
}

impl<T> IndexMut<Value> for ValueMap<T> {
    fn index_mut(&mut self, value: Value) -> &mut T {
        self.get_mut(value).expect("the table has an entry for every value it is asked for")
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn keeps_results_of_one_node_apart() {
        let node = NodeIndex(3);
        let mut map = ValueMap::new();
        map.insert(node.result(2), 'c');
        map.insert(node.result(0), 'a');
        assert_eq!([0, 1, 2].map(|n| map.get(node.result(n)).copied()), [Some('a'), None, Some('c')]);
        assert_eq!(map.remove(node.result(2)), Some('c'));
        assert!(!map.contains(node.result(2)));
        map[node.value()] = 'b';
        assert_eq!(map[node.value()], 'b');
    }
}
