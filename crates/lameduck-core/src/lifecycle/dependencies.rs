//! Who uses what: the order in which components end and closers close.
//!
//! # What must hold
//!
//! 1. What is used ends, or is closed, after everything that uses it.
//! 2. Where nothing is said, nothing changes: components stop together, closers and flushers run in
//!    the order in which they were named. An edge moves a closer no farther than it must.
//! 3. Every edge is looked at before anything starts. A name that nobody has or that two have, a
//!    circle, and an edge against the order of the stages (components, closers, flushers) are bad
//!    configuration.
//!
//! # Why it cannot deadlock
//!
//! A component waits only for those that use it directly, and there is no circle, so one that waits
//! for nobody is always left. One that never ends holds up those that it uses until the time for
//! draining is over; then everybody is let go together, which ends every wait
//! ([`Handle::until_unused`](crate::Handle::until_unused)).

use crate::shutdown::dependents::{Dependency, Dependents};

/// That one part uses another, as declared.
#[derive(Clone, Debug)]
pub(super) struct Edge {
    pub(super) dependent: String,
    pub(super) dependency: String,
}

/// When a part ends, compared with parts of another sort.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(super) enum EndStage {
    Component,
    Closer,
    Flusher,
}

/// The parts of a process by name, each stage in the order in which it was declared.
#[derive(Debug, Default)]
pub(super) struct Names<'a> {
    pub(super) components: Vec<&'a str>,
    pub(super) closers: Vec<&'a str>,
    pub(super) flushers: Vec<&'a str>,
}

/// What follows from the edges.
#[derive(Debug)]
pub(super) struct EndOrder {
    /// For each component, the components that use it.
    dependents: Vec<Vec<usize>>,
    /// In which order the closers run.
    pub(super) closers: Vec<usize>,
    /// In which order the flushers run.
    pub(super) flushers: Vec<usize>,
}

/// What ties a component to the others while it runs.
#[derive(Default)]
pub(super) struct ComponentTies {
    /// Those that use it.
    pub(super) dependents: Dependents,
    /// Its own share in those that it uses, until it has ended.
    pub(super) dependencies: Vec<Dependency>,
}

/// An edge that cannot be.
#[derive(Debug, PartialEq, Eq, thiserror::Error)]
pub(super) enum BadEdge {
    #[error("{edge}: nothing is called {name}{}; there is {}", nearest_of(.name, .known), .known.join(", "))]
    Unknown {
        edge: String,
        name: String,
        known: Vec<String>,
    },
    #[error("{edge}: {times} parts are called {name}; give each a name of its own")]
    Ambiguous {
        edge: String,
        name: String,
        times: usize,
    },
    #[error(
        "{edge}: {dependency} is gone before {dependent} is: components end first, then closers close, then \
         telemetry is flushed; declare {dependency} in the same stage as {dependent} or a later one"
    )]
    AgainstTheStages {
        edge: String,
        dependent: String,
        dependency: String,
    },
    #[error("depends_on: {} is a circle, so none of it could be the first to end; take one edge out", .0.join(" → "))]
    Circle(Vec<String>),
}

/// Checks the edges and works out what follows.
pub(super) fn end_order(names: &Names<'_>, edges: &[Edge]) -> Result<EndOrder, Vec<BadEdge>> {
    let parts: Vec<(EndStage, &str)> = [
        (EndStage::Component, &names.components),
        (EndStage::Closer, &names.closers),
        (EndStage::Flusher, &names.flushers),
    ]
    .into_iter()
    .flat_map(|(stage, names)| names.iter().map(move |name| (stage, *name)))
    .collect();

    let mut dependents = vec![Vec::new(); parts.len()];
    let mut bad = Vec::new();
    for edge in edges {
        match resolve(edge, &parts) {
            Ok((dependent, dependency)) if !dependents[dependency].contains(&dependent) => {
                dependents[dependency].push(dependent)
            }
            Ok(_) => {}
            Err(problem) => bad.push(problem),
        }
    }
    if bad.is_empty()
        && let Some(circle) = circle(&dependents)
    {
        let names = circle.iter().map(|&i| parts[i].1.to_owned());
        bad.push(BadEdge::Circle(names.collect()));
    }
    if !bad.is_empty() {
        return Err(bad);
    }
    let first_closer = names.components.len();
    let first_flusher = first_closer + names.closers.len();
    Ok(EndOrder {
        closers: in_order(&dependents, first_closer..first_flusher),
        flushers: in_order(&dependents, first_flusher..parts.len()),
        dependents: dependents.drain(..first_closer).collect(),
    })
}

fn resolve(edge: &Edge, parts: &[(EndStage, &str)]) -> Result<(usize, usize), BadEdge> {
    let said = || format!("depends_on({:?}, {:?})", edge.dependent, edge.dependency);
    let find = |name: &str| {
        let mut found = (0..parts.len()).filter(|&i| parts[i].1 == name);
        match (found.next(), found.count()) {
            (Some(it), 0) => Ok(it),
            (Some(_), more) => Err(BadEdge::Ambiguous {
                edge: said(),
                name: name.to_owned(),
                times: more + 1,
            }),
            (None, _) => Err(BadEdge::Unknown {
                edge: said(),
                name: name.to_owned(),
                known: parts.iter().map(|(_, name)| (*name).to_owned()).collect(),
            }),
        }
    };
    let (dependent, dependency) = (find(&edge.dependent)?, find(&edge.dependency)?);
    if parts[dependent].0 > parts[dependency].0 {
        return Err(BadEdge::AgainstTheStages {
            edge: said(),
            dependent: edge.dependent.clone(),
            dependency: edge.dependency.clone(),
        });
    }
    Ok((dependent, dependency))
}

/// A circle if there is one, from dependent to dependency, its first part repeated at its end.
fn circle(dependents: &[Vec<usize>]) -> Option<Vec<usize>> {
    let ended = endable(dependents, 0..dependents.len());
    // Each part that can never end has a dependent that can never end: going from one to the next comes
    // back to where it has been.
    let stuck = |i: &usize| !ended.contains(i);
    let mut path: Vec<usize> = vec![(0..dependents.len()).find(stuck)?];
    loop {
        let next = *dependents[*path.last()?].iter().find(|i| stuck(i))?;
        if let Some(from) = path.iter().position(|&i| i == next) {
            path.drain(..from);
            path.push(next);
            path.reverse();
            return Some(path);
        }
        path.push(next);
    }
}

/// The order in which the parts in `stage` can end: always the first declared of those whose dependents
/// in this stage have ended. Without those that never can.
fn endable(dependents: &[Vec<usize>], stage: std::ops::Range<usize>) -> Vec<usize> {
    let mut ended: Vec<usize> = Vec::with_capacity(stage.len());
    let free = |i: usize, ended: &[usize]| {
        let done = |dependent: &usize| !stage.contains(dependent) || ended.contains(dependent);
        !ended.contains(&i) && dependents[i].iter().all(done)
    };
    while let Some(next) = stage.clone().find(|&i| free(i, &ended)) {
        ended.push(next);
    }
    ended
}

fn in_order(dependents: &[Vec<usize>], stage: std::ops::Range<usize>) -> Vec<usize> {
    let first = stage.start;
    endable(dependents, stage)
        .into_iter()
        .map(|i| i - first)
        .collect()
}

impl EndOrder {
    /// Ties the components together, in the order in which they were declared.
    pub(super) fn tie(&self) -> Vec<ComponentTies> {
        let mut ties: Vec<ComponentTies> = self
            .dependents
            .iter()
            .map(|_| ComponentTies::default())
            .collect();
        for (dependency, dependents) in self.dependents.iter().enumerate() {
            let (shares, all) = Dependents::new(dependents.len());
            ties[dependency].dependents = all;
            for (&dependent, share) in dependents.iter().zip(shares) {
                ties[dependent].dependencies.push(share);
            }
        }
        ties
    }
}

/// Puts `things` into the given order.
pub(super) fn arranged<T>(things: Vec<T>, order: &[usize]) -> Vec<T> {
    let mut things: Vec<Option<T>> = things.into_iter().map(Some).collect();
    let take = |&i: &usize| things.get_mut(i).and_then(Option::take);
    order.iter().filter_map(take).collect()
}

/// `; did you mean postgres?` if a known name is near enough.
fn nearest_of(name: &str, known: &[String]) -> String {
    let near = |other: &&String| distance(name, other) <= (name.chars().count() / 3).max(1);
    let nearest = known
        .iter()
        .filter(near)
        .min_by_key(|other| distance(name, other));
    nearest.map_or_else(String::new, |it| format!("; did you mean {it}?"))
}

/// How many letters must be put in, taken out or changed to make `a` from `b`.
fn distance(a: &str, b: &str) -> usize {
    let b: Vec<char> = b.chars().collect();
    let mut row: Vec<usize> = (0..=b.len()).collect();
    for (i, x) in a.chars().enumerate() {
        let mut diagonal = std::mem::replace(&mut row[0], i + 1);
        for (j, y) in b.iter().enumerate() {
            let change = diagonal + usize::from(x != *y);
            diagonal = row[j + 1];
            row[j + 1] = change.min(row[j] + 1).min(diagonal + 1);
        }
    }
    row[b.len()]
}

#[cfg(test)]
mod tests {
    use super::*;

    fn planned(names: &Names<'_>, edges: &[(&str, &str)]) -> Result<EndOrder, Vec<BadEdge>> {
        let edge = |&(dependent, dependency): &(&str, &str)| Edge {
            dependent: dependent.to_owned(),
            dependency: dependency.to_owned(),
        };
        let edges: Vec<Edge> = edges.iter().map(edge).collect();
        end_order(names, &edges)
    }

    fn refused(names: &Names<'_>, edges: &[(&str, &str)]) -> String {
        let bad = planned(names, edges).unwrap_err();
        assert_eq!(bad.len(), 1, "{bad:?}");
        bad[0].to_string()
    }

    fn closers(names: &[&'static str], edges: &[(&str, &str)]) -> Vec<&'static str> {
        let all = Names {
            closers: names.to_vec(),
            ..Names::default()
        };
        arranged(names.to_vec(), &planned(&all, edges).unwrap().closers)
    }

    fn shop() -> Names<'static> {
        Names {
            components: vec!["api", "receipts", "relay"],
            closers: vec!["postgres", "broker"],
            flushers: vec!["traces"],
        }
    }

    #[test]
    fn without_an_edge_the_order_is_the_one_declared() {
        assert_eq!(closers(&["a", "b", "c"], &[]), ["a", "b", "c"]);
    }

    #[test]
    fn a_closer_runs_after_those_that_use_it_and_the_others_keep_their_order() {
        assert_eq!(closers(&["a", "b", "c"], &[("c", "a")]), ["b", "c", "a"]);
        let chain = [("c", "b"), ("b", "a")];
        assert_eq!(closers(&["a", "b", "c", "d"], &chain), ["c", "b", "a", "d"]);
    }

    #[test]
    fn an_edge_said_twice_or_that_holds_anyway_changes_nothing() {
        assert_eq!(closers(&["a", "b"], &[("a", "b"), ("a", "b")]), ["a", "b"]);
        let plan = planned(&shop(), &[("api", "postgres"), ("broker", "traces")]).unwrap();
        assert_eq!((plan.closers, plan.flushers), (vec![0, 1], vec![0]));
    }

    #[test]
    fn an_unknown_name_is_refused_with_the_nearest_and_all_that_are_known() {
        assert_eq!(
            refused(&shop(), &[("api", "postgers")]),
            "depends_on(\"api\", \"postgers\"): nothing is called postgers; did you mean postgres?; \
             there is api, receipts, relay, postgres, broker, traces"
        );
        let far = refused(&shop(), &[("frontend", "postgres")]);
        assert!(!far.contains("did you mean"), "{far}");
    }

    #[test]
    fn a_name_that_two_have_is_refused_only_where_it_is_used() {
        let mut names = shop();
        names.closers.push("api");
        assert!(planned(&names, &[("receipts", "postgres")]).is_ok());
        let said = refused(&names, &[("api", "postgres")]);
        assert!(said.contains("2 parts are called api"), "{said}");
    }

    #[test]
    fn a_circle_is_refused_as_a_path_from_user_to_used() {
        let said = refused(&shop(), &[("api", "relay"), ("relay", "api")]);
        assert!(
            said.contains("api → relay → api") || said.contains("relay → api → relay"),
            "{said}"
        );
        let said = refused(&shop(), &[("api", "api")]);
        assert!(said.contains("api → api"), "{said}");
        let long = [
            ("api", "relay"),
            ("relay", "receipts"),
            ("receipts", "relay"),
        ];
        let said = refused(&shop(), &long);
        let path = said.contains("relay → receipts → relay")
            || said.contains("receipts → relay → receipts");
        assert!(path && !said.contains("api →"), "{said}");
    }

    #[test]
    fn an_edge_against_the_stages_is_refused_with_the_reason() {
        let said = refused(&shop(), &[("postgres", "relay")]);
        assert!(said.contains("relay is gone before postgres is"), "{said}");
        assert!(planned(&shop(), &[("traces", "postgres")]).is_err());
    }

    #[test]
    fn all_that_is_wrong_is_said_at_once() {
        let bad = planned(&shop(), &[("x", "api"), ("postgres", "api")]).unwrap_err();
        assert_eq!(bad.len(), 2);
    }

    #[test]
    fn a_component_is_tied_to_its_users_until_they_are_gone() {
        let plan = planned(&shop(), &[("api", "relay"), ("receipts", "relay")]).unwrap();
        let mut ties = plan.tie();
        let relay = ties.remove(2);
        assert!(relay.dependents.any() && !ties[0].dependents.any());
        ties.remove(0);
        assert!(relay.dependents.any());
        ties.remove(0);
        assert!(!relay.dependents.any());
    }
}
