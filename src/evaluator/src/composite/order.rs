//! Composites behind their children.

use std::collections::BTreeMap;

use super::Rule;

/// In which order composites are evaluated.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Order<'a> {
    /// Every composite that is on no cycle, each behind the composites that it watches.
    pub composites: Vec<&'a str>,
    /// The names of each cycle, which CloudWatch stops evaluating; it is broken by setting one of
    /// the rules to FALSE.
    pub cycles: Vec<Vec<&'a str>>,
}

/// Orders composites. Children that are none of `rules` are metric alarms, or not there.
///
/// Tarjan's strongly connected components: they come out children first, and each of more than
/// one composite, or of one that watches itself, is a cycle.
pub fn order<'a>(rules: &BTreeMap<&'a str, &Rule>) -> Order<'a> {
    let names: Vec<&str> = rules.keys().copied().collect();
    let position: BTreeMap<&str, usize> = names.iter().copied().zip(0..).collect();
    let children: Vec<Vec<usize>> = rules
        .values()
        .map(|rule| {
            let known = rule.names().filter_map(|name| position.get(name));
            known.copied().collect()
        })
        .collect();
    let mut search = Search {
        children: &children,
        index: vec![None; names.len()],
        low: vec![0; names.len()],
        open: Vec::new(),
        is_open: vec![false; names.len()],
        components: Vec::new(),
        seen: 0,
    };
    for start in 0..names.len() {
        search.visit(start);
    }
    let mut order = Order::default();
    for mut component in search.components {
        let alone = component.len() == 1 && !children[component[0]].contains(&component[0]);
        component.sort_unstable();
        let found = component.into_iter().map(|i| names[i]);
        match alone {
            true => order.composites.extend(found),
            false => order.cycles.push(found.collect()),
        }
    }
    order
}

struct Search<'a> {
    children: &'a [Vec<usize>],
    /// When each was first seen.
    index: Vec<Option<usize>>,
    /// The earliest open one that it reaches.
    low: Vec<usize>,
    open: Vec<usize>,
    is_open: Vec<bool>,
    components: Vec<Vec<usize>>,
    seen: usize,
}

impl Search<'_> {
    /// A loop with a stack of its own: a chain of composites can be as long as an account allows.
    fn visit(&mut self, start: usize) {
        if self.index[start].is_some() {
            return;
        }
        let mut stack = vec![(start, 0)];
        self.begin(start);
        while let Some((node, next)) = stack.last_mut() {
            let node = *node;
            if let Some(child) = self.children[node].get(*next).copied() {
                *next += 1;
                match self.index[child] {
                    None => {
                        self.begin(child);
                        stack.push((child, 0));
                    }
                    Some(index) if self.is_open[child] => {
                        self.low[node] = self.low[node].min(index);
                    }
                    Some(_) => {}
                }
                continue;
            }
            stack.pop();
            if let Some((parent, _)) = stack.last() {
                self.low[*parent] = self.low[*parent].min(self.low[node]);
            }
            if Some(self.low[node]) == self.index[node] {
                let mut component = Vec::new();
                while let Some(member) = self.open.pop() {
                    self.is_open[member] = false;
                    component.push(member);
                    if member == node {
                        break;
                    }
                }
                self.components.push(component);
            }
        }
    }

    fn begin(&mut self, node: usize) {
        self.index[node] = Some(self.seen);
        self.low[node] = self.seen;
        self.seen += 1;
        self.open.push(node);
        self.is_open[node] = true;
    }
}
