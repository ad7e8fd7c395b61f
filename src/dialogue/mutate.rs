//! How much the examples and tests of a file would notice: each small fault is put in, and the file
//! is loaded and played again. A fault that goes unnoticed is told (I504).

use std::collections::BTreeSet;
use std::sync::Arc;

use crate::dialogue::mutants::{self, Mutant};
use crate::dialogue::{examples, player};
use crate::mapping::diagnostic::{Diagnostic, Diagnostics, survived};
use crate::mapping::model::Mapping;
use crate::mapping::yaml;

/// What came of all faults. Those that make no difference at all are not counted.
#[derive(Debug, Default)]
pub struct Mutation {
    /// Faults that were put in.
    pub total: usize,
    /// Those that loading, an example or a test noticed.
    pub caught: usize,
    /// The others.
    pub survivors: Vec<Diagnostic>,
}

impl Mutation {
    /// How many of a hundred were caught, rounded down; 100 when there was nothing to catch.
    pub fn percent(&self) -> usize {
        (self.caught * 100).checked_div(self.total).unwrap_or(100)
    }
}

/// Tries every fault of a file that loads. Examples and tests that fail without any fault notice
/// nothing.
pub async fn run(text: &str) -> Mutation {
    let mut result = Mutation::default();
    let mut faults = Diagnostics::default();
    let Some(root) = yaml::read(text, &mut faults) else { return result };
    let Ok((mapping, _)) = Mapping::understand(&root, Diagnostics::default()) else {
        return result;
    };
    let sound = Sound::of(&Arc::new(mapping)).await;
    for mutant in mutants::of(&root) {
        match sound.fate(&mutant, &root).await {
            Fate::Caught => result.caught += 1,
            Fate::Survived => result.survivors.push(survived(mutant.at, &mutant.told)),
            Fate::Same => continue,
        }
        result.total += 1;
    }
    result
}

/// What became of a fault.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Fate {
    /// It was noticed.
    Caught,
    /// It was not.
    Survived,
    /// It is none: the file means the same.
    Same,
}

/// What holds of the file as it is.
struct Sound {
    /// The mapping, written out whole: what is understood alike behaves alike.
    meaning: String,
    /// Resource and example, by index.
    examples: BTreeSet<(usize, usize)>,
    /// Tests, by index.
    tests: BTreeSet<usize>,
}

impl Sound {
    async fn of(mapping: &Arc<Mapping>) -> Self {
        let meaning = format!("{mapping:?}");
        let mut sound = Self { meaning, examples: BTreeSet::new(), tests: BTreeSet::new() };
        for (outer, resource) in mapping.resources.iter().enumerate() {
            for (inner, example) in resource.examples.iter().enumerate() {
                if examples::check(mapping, resource, example).await.is_empty() {
                    sound.examples.insert((outer, inner));
                }
            }
        }
        for (index, test) in mapping.tests.iter().enumerate() {
            if player::play(mapping, test).await.differences.is_empty() {
                sound.tests.insert(index);
            }
        }
        sound
    }

    async fn fate(&self, mutant: &Mutant, root: &yaml::Node) -> Fate {
        let changed = mutant.apply(root);
        let Ok((mapping, _)) = Mapping::understand(&changed, Diagnostics::default()) else {
            return Fate::Caught;
        };
        let mapping = Arc::new(mapping);
        if self.is_noticed_in(&mapping).await {
            return Fate::Caught;
        }
        if format!("{mapping:?}") == self.meaning { Fate::Same } else { Fate::Survived }
    }

    async fn is_noticed_in(&self, mapping: &Arc<Mapping>) -> bool {
        for (outer, inner) in &self.examples {
            let resource = mapping.resources.get(*outer);
            let example = resource.and_then(|resource| resource.examples.get(*inner));
            let Some((resource, example)) = resource.zip(example) else { return true };
            if !examples::check(mapping, resource, example).await.is_empty() {
                return true;
            }
        }
        for index in &self.tests {
            let Some(test) = mapping.tests.get(*index) else { return true };
            if !player::play(mapping, test).await.differences.is_empty() {
                return true;
            }
        }
        false
    }
}
