//! What people write beside a mapping file to try it out: a request, recorded answers, what is there
//! before. The words are those of the file's own `tests`, so what is tried can be kept as one.

use std::collections::BTreeMap;

use crate::mapping::compile::context::Context;
use crate::mapping::compile::script;
use crate::mapping::diagnostic::{Diagnostic, Diagnostics};
use crate::mapping::file::reader::Read;
use crate::mapping::file::script as file;
use crate::mapping::model::{Attempt, Call, Encoding, Given, Mapping, Test};
use crate::mapping::yaml;

impl Mapping {
    /// Reads a request that is to be tried out.
    ///
    /// # Errors
    /// Every fault of the text.
    pub fn attempt(&self, text: &str) -> Result<Attempt, Vec<Diagnostic>> {
        self.read(text, "attempt", |written: &file::Attempt, context| {
            script::attempt(written, context)
        })
    }

    /// Reads recorded answers: a list such as `native` of a test.
    ///
    /// # Errors
    /// Every fault of the text.
    pub fn calls(&self, text: &str) -> Result<Vec<Call>, Vec<Diagnostic>> {
        self.read(text, "native", |written: &Vec<file::Call>, context| {
            script::calls(written, context)
        })
    }

    /// Reads what is there before: `given` of a test.
    ///
    /// # Errors
    /// Every fault of the text.
    pub fn given(&self, text: &str) -> Result<Given, Vec<Diagnostic>> {
        self.read(text, "given", |written: &file::Given, _| Some(script::given(written)))
    }

    /// Reads tests that are not in the file yet: a list such as its `tests`.
    ///
    /// # Errors
    /// Every fault of the text.
    pub fn further_tests(&self, text: &str) -> Result<Vec<Test>, Vec<Diagnostic>> {
        self.read(text, "tests", |written: &Vec<file::Test>, context| {
            Some(script::tests(written, context))
        })
    }

    fn read<W: Read, M>(
        &self,
        text: &str,
        name: &str,
        compile: impl FnOnce(&W, &mut Context) -> Option<M>,
    ) -> Result<M, Vec<Diagnostic>> {
        let mut faults = Diagnostics::default();
        let written =
            yaml::read(text, &mut faults).and_then(|node| W::read(&node, name, &mut faults));
        let Some(written) = written else { return Err(faults.into_sorted()) };
        let mut context = Context {
            faults,
            config: BTreeMap::new(),
            namespaces: self.namespaces.clone(),
            resources: Vec::new(),
            encoding: Encoding::Json,
        };
        match compile(&written, &mut context) {
            Some(compiled) if !context.faults.has_errors() => Ok(compiled),
            Some(_) | None => Err(context.faults.into_sorted()),
        }
    }
}
